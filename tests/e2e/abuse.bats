#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/abuse.bats - fork bomb, full disk and OOM are survived and reported
# seconds: 100
load helper

setup_file() {
	create abuse1 --disk 256M
}

teardown_file() {
	podflare rm -f abuse1
}

@test "a fork bomb is survived and reported" {
	run --separate-stderr podflare exec --timeout 20s abuse1 bash -c \
		'f() { f | f & }; f; wait; sleep 100'
	[ "$status" -ne 0 ]
	stderr_says "process"
	PF_SECONDS=60 wait_until 120 podflare exec abuse1 true
	podflare --json show abuse1 | jq -e '.guest | tostring | length > 2'
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
	podflare exec abuse1 sh -c \
		'head -c 200000 /dev/zero | tr "\0" x >/dev/console; echo >/dev/console'
	podflare logs abuse1 | wc -c >size
	[ "$(cat size)" -ge 1000 ] && [ "$(cat size)" -le 1100000 ]
}
