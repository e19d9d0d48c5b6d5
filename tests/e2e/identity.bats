#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/identity.bats - what copies have of their own, and what they share
# seconds: 50
# timeout: 600
load helper

teardown() {
	watchdog_stop
	podflare -q ls | grep '^id' | xargs -r timeout 60 podflare rm -f
	podflare snapshot rm id-snap >/dev/null 2>&1 || true
}

# draws SANDBOX: random things, one a line, from all that programs draw on.
draws() {
	podflare exec "$1" python3 -c '
import os, random, uuid
print(os.getrandom(16).hex())
print(open("/dev/urandom", "rb").read(16).hex())
print(open("/dev/random", "rb").read(16).hex())
print(open("/proc/sys/kernel/random/uuid").read().strip())
print(random.random())
print(uuid.uuid4())
print(hash("podflare"))
'
}

# all_differ FILE...: no line is in two of them, nor twice in one.
all_differ() {
	local twice

	twice=$(sort "$@" | uniq -d)
	[ -z "$twice" ] || {
		echo "twice: $twice"
		return 1
	}
	[ "$(cat "$@" | wc -l)" -eq $(($# * 7)) ]
}

# A process that draws from the kernel when it is told to: it runs in the copies,
# with whatever it had in its memory.
drawer='
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
out = os.open("/root/drawn", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
open("/root/drawer.pid", "w").write(str(os.getpid()))
while True:
    signal.sigwait({signal.SIGUSR1})
    os.write(out, (os.getrandom(16).hex() + "\n").encode())
'

drawn() {
	podflare exec "$1" sh -c 'n=$(wc -l </root/drawn)
		kill -USR1 $(cat /root/drawer.pid)
		until [ $(wc -l </root/drawn) -gt $n ]; do sleep 0.05; done
		tail -n 1 /root/drawn'
}

# host_ns: the time where the sandboxes' processes are.
host_ns() {
	if [ -n "$machine" ]; then
		in_host adjtimex | awk '/tv_sec/ { s = $2 }
			/tv_usec/ { printf "%d%06d000\n", s, $2 }'
	else
		date +%s%N
	fi
}

# at_time SANDBOX: its clock is within 50 ms of the host's, as soon as it answers.
at_time() {
	local before now after

	before=$(host_ns)
	now=$(podflare exec "$1" date +%s%N)
	after=$(host_ns)
	[ "$now" -ge $((before - 50000000)) ] &&
		[ "$now" -le $((after + 50000000)) ] || {
		echo "$1: $before <= $now <= $after"
		return 1
	}
}

@test "randomness: n copies, their parent, and copies of copies" {
	local name

	create id1
	podflare exec -d id1 python3 -c "$drawer"
	wait_until 30 podflare exec id1 test -s /root/drawer.pid
	podflare exec id1 sh -c ': >>/root/drawn'
	podflare fork -n 2 --name id1 id1
	podflare fork --name id2 id1-1
	for name in id1 id1-1 id1-2 id2; do
		draws "$name" >"$name"
		drawn "$name" >>drawn
	done
	all_differ id1 id1-1 id1-2 id2
	[ "$(sort -u drawn | wc -l)" -eq 4 ]
}

@test "randomness: created of one template" {
	create id1
	create id2
	draws id1 >id1
	draws id2 >id2
	all_differ id1 id2
}

@test "randomness: created of one snapshot, and of what was frozen" {
	create id1
	podflare exec -d id1 python3 -c "$drawer"
	wait_until 30 podflare exec id1 test -s /root/drawer.pid
	podflare exec id1 sh -c ': >>/root/drawn'
	podflare snapshot create id1 id-snap
	podflare create -n id2 --from id-snap
	podflare create -n id3 --from id-snap
	podflare freeze id1
	for name in id1 id2 id3; do
		draws "$name" >"$name"
		drawn "$name" >>drawn
	done
	podflare freeze id1
	podflare thaw id1
	podflare freeze id1
	draws id1 >again
	drawn id1 >>drawn
	all_differ id1 id2 id3 again
	[ "$(sort -u drawn | wc -l)" -eq 4 ]
	for name in id1 id2 id3; do
		podflare exec "$name" cat /etc/machine-id >>machine-ids
		[ "$(podflare exec "$name" hostname)" = "$name" ]
	done
	[ "$(sort -u machine-ids | wc -l)" -eq 3 ]
}

@test "the time: right after a fork, a create, a thaw; none goes back" {
	local up

	create id1
	at_time id1
	up=$(podflare exec id1 cut -d. -f1 /proc/uptime)
	sleep 2
	podflare fork --name id2 id1
	at_time id2
	at_time id1
	[ "$(podflare exec id2 cut -d. -f1 /proc/uptime)" -ge "$up" ]
	podflare freeze id2
	sleep 2
	at_time id2
	[ "$(podflare exec id2 cut -d. -f1 /proc/uptime)" -ge "$up" ]
	create id3
	at_time id3
}

# A timer that is late by what the host has counted, not by what was asked for.
@test "timers: of a fork, a create, a thaw" {
	local name

	create id1
	podflare fork --name id2 id1
	podflare freeze id1
	for name in id2 id1; do
		podflare exec "$name" timeout 5 sleep 0.2
	done
}

@test "the processor is the same one" {
	local show='grep -v MHz /proc/cpuinfo'

	create id1 --cpus 2
	podflare exec id1 sh -c "$show" >before
	podflare fork --name id2 id1
	podflare exec id2 sh -c "$show" | diff before -
	podflare freeze id1
	podflare exec id1 sh -c "$show" | diff before -
	podflare exec id1 sh -c 'cat /sys/devices/system/clocksource/*/current_clocksource' |
		grep -x kvm-clock
}
