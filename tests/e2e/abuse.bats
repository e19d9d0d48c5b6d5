#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/abuse.bats - fork bomb, full disk and OOM are survived and reported
# seconds: 80
load helper

setup_file() {
	create abuse1 --disk 256M
}

teardown_file() {
	podflare rm -f abuse1
}

@test "a fork bomb is survived" {
	run --separate-stderr -124 podflare exec --timeout 15s abuse1 sh -c \
		'f() { f | f & }; f; wait; exec sleep 1000'
	wait_until 60 podflare exec abuse1 true
	podflare --json show abuse1 | jq -e '.guest.procs_max > 100'
}

@test "the process limit is met, reported and survived" {
	# A lower limit is met sooner.
	run --separate-stderr podflare exec --timeout 60s abuse1 sh -c '
		mkfifo /tmp/f
		for f in /sys/fs/cgroup/*/pids.max; do
			cat $f >/tmp/pids.max; echo 40 >$f; done
		while :; do read x </tmp/f & done'
	[ "$status" -ne 0 ]
	stderr_says process
	podflare --json show abuse1 | jq -e '.guest.fork_fails > 0'
	podflare exec abuse1 sh -c 'read -r max </tmp/pids.max
		for f in /sys/fs/cgroup/*/pids.max; do echo $max >$f; done
		kill -9 -1' || true
	podflare exec abuse1 sh -c '(true); rm -f /tmp/f'
}

@test "a full disk is survived and reported" {
	run --separate-stderr podflare exec abuse1 sh -c \
		'head -c 400M /dev/zero >/root/fill'
	[ "$status" -ne 0 ]
	stderr_says "disk"
	podflare exec abuse1 rm -f /root/fill
	podflare exec abuse1 sh -c 'echo ok >/root/again && cat /root/again'
}

@test "OOM kills the command, not the agent, and is reported" {
	run --separate-stderr podflare exec abuse1 python3 -c '
x = []
while True:
    x.append(bytearray(8 << 20))'
	[ "$status" -ne 0 ]
	stderr_says "memory"
	podflare exec abuse1 true
}

@test "killing every process spares the agent" {
	run --separate-stderr podflare exec abuse1 sh -c 'kill -9 -1; exit 3'
	podflare exec abuse1 true
}

@test "output without end is stopped by a timeout" {
	run --separate-stderr bash -c \
		'timeout 100 podflare exec --timeout 2s abuse1 yes | tail -c 2'
	podflare exec abuse1 true
}

@test "a console flood is survived" {
	podflare exec abuse1 sh -c 'i=0; while [ $i -lt 300 ]; do i=$((i + 1))
		echo "$i xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; done >/dev/console'
	# the port sends on when the command has ended
	flood_has_come() {
		podflare logs abuse1 >log && grep -q '^300 x' log
	}
	wait_until 60 flood_has_come
	[ "$(wc -c <log)" -le 1100000 ]
}
