#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/pause.bats - pause, resume, console
# seconds: 20
load helper

setup_file() {
	create pause1
}

teardown_file() {
	podflare rm -f pause1
}

@test "a paused sandbox stands still and goes on where it was" {
	env --default-signal=INT podflare exec pause1 sh -c \
		'i=0; while [ -e /tmp/../etc ]; do i=$((i+1)); echo $i; echo $i >/tmp/i
		sleep 0.05; [ ! -e /tmp/stop ] || exit 11; done' >out &
	pid=$!
	wait_until 30 test -s out
	podflare pause pause1
	[ "$(field pause1 .state)" = paused ]
	before=$(wc -l <out)
	sleep 1
	after=$(wc -l <out)
	[ $((after - before)) -le 2 ]
	podflare resume pause1
	[ "$(field pause1 .state)" = running ]
	if ! wait_until 30 bash -c "[ \$(wc -l <out) -gt $after ]"; then
		# does the command stand still, or what it prints?
		podflare exec pause1 sh -c 'for n in 1 2; do
			cat /tmp/i /proc/uptime; sleep 1; done; cat /proc/interrupts'
		wc -l out
		return 1
	fi
	podflare exec pause1 touch /tmp/stop
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 11 ]
	# No number is missing.
	seq "$(wc -l <out)" | diff - out
}

@test "pausing twice and resuming twice is no harm or a clear error" {
	podflare pause pause1
	run --separate-stderr podflare pause pause1
	[ "$status" -eq 0 ] || error_says pause1
	podflare resume pause1
	run --separate-stderr podflare resume pause1
	[ "$status" -eq 0 ] || error_says pause1
	podflare exec pause1 true
}

@test "exec in a paused sandbox fails with the cure" {
	podflare pause pause1
	run --separate-stderr -125 podflare exec pause1 true
	error_says pause
	hint_says resume
	podflare resume pause1
}

@test "a paused sandbox is removed like any other" {
	create pause2
	podflare pause pause2
	podflare rm pause2
}

@test "the clock is right after a pause" {
	podflare pause pause1
	sleep 2
	podflare resume pause1
	guest=$(podflare exec pause1 date +%s)
	host=$(in_host date +%s)
	[ $((host - guest)) -le 3 ] && [ $((guest - host)) -le 3 ]
}

@test "paused survives a killed runner" {
	podflare pause pause1
	kill_named podflared
	[ "$(field pause1 .state)" = paused ]
	podflare resume pause1
	podflare exec pause1 true
}

@test "unknown names" {
	run --separate-stderr -1 podflare pause nosuch
	run --separate-stderr -1 podflare resume nosuch
}
