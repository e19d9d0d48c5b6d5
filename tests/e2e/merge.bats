#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/merge.bats - a fork takes its parent's place
# seconds: 60
load helper

teardown_file() {
	podflare -q ls | grep "^merge" | xargs -r timeout 60 podflare rm -f
}

# fresh: a sandbox with two forks, each of which knows its name.
fresh() {
	podflare rm -f merge1 merge1-1 merge1-2 >/dev/null 2>&1 || true
	create merge1
	podflare exec merge1 sh -c 'echo old >/root/file'
	podflare fork -n 2 merge1
	podflare exec merge1-1 sh -c 'echo one >/root/file'
	podflare exec merge1-2 sh -c 'echo two >/root/file'
	podflare exec -d merge1-1 sh -c \
		'i=0; while :; do i=$((i+1)); echo $i >/tmp/count; sleep 0.1; done'
}

counts_past() {
	[ "$(podflare exec merge1 cat /tmp/count)" -gt "$1" ]
}

content() {
	podflare exec "$1" cat /root/file
}

@test "the parent becomes the child" {
	fresh
	id=$(field merge1 .id)
	pid=$(field merge1-1 .pid)
	run --separate-stderr -0 podflare merge merge1 merge1-1
	[ "$output" = merge1 ]
	[ "$(field merge1 .id)" = "$id" ]
	[ "$(field merge1 .pid)" = "$pid" ]
	[ "$(content merge1)" = one ]
	[ "$(podflare exec merge1 hostname)" = merge1 ]
	before=$(podflare exec merge1 cat /tmp/count)
	wait_until 30 counts_past "$before"
	run --separate-stderr -1 podflare show merge1-1
	error_says merge1-1
	# A sibling does not notice, and can be next.
	[ "$(content merge1-2)" = two ]
	podflare merge merge1 merge1-2
	[ "$(content merge1)" = two ]
	wait_until 30 only_one_left || tell_left
}

tell_left() {
	left_of_sandboxes
	podflare ls
	return 1
}

only_one_left() {
	[ "$(left_of_sandboxes | wc -l)" -eq 2 ]
}

@test "a grandchild, too" {
	fresh
	podflare fork --name merge2 merge1-1
	podflare rm merge1-1
	podflare merge merge1 merge2
	[ "$(content merge1)" = one ]
}

@test "a command of the parent ends and says why" {
	fresh
	podflare exec merge1 sleep 100 2>err &
	pid=$!
	wait_until 30 bash -c "podflare --json show merge1 |
		jq -e '[.sessions[] | select(.running)] | length >= 1' >/dev/null"
	podflare merge merge1 merge1-1
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 125 ]
	grep -q 'merge1: was replaced by merge1-1' err
}

@test "a command of the child goes on" {
	fresh
	podflare exec merge1-1 sh -c 'for i in $(seq 60); do echo $i; sleep 0.05; done' \
		>out &
	pid=$!
	wait_until 30 test -s out
	podflare merge merge1 merge1-1
	wait $pid
	seq 60 | diff - out
}

@test "what cannot be merged" {
	fresh
	create merge3
	run --separate-stderr -2 podflare merge merge1 merge1
	error_says itself
	run --separate-stderr -1 podflare merge merge1 merge3
	error_says "does not come from"
	hint_says --force
	run --separate-stderr -1 podflare merge merge1-1 merge1
	error_says "does not come from"
	run --separate-stderr -1 podflare merge merge1 nosuch
	error_says nosuch
	podflare pause merge1-1
	run --separate-stderr -1 podflare merge merge1 merge1-1
	error_says paused
	podflare resume merge1-1
	[ "$(content merge1)" = old ]
	podflare merge --force merge1 merge3
	run --separate-stderr -1 podflare exec merge1 cat /root/file
	[ "$(podflare exec merge1 hostname)" = merge1 ]
}

@test "frozen ones" {
	fresh
	podflare freeze merge1-1
	podflare merge merge1 merge1-1
	[ "$(field merge1 .state)" = frozen ]
	[ "$(content merge1)" = one ]
	[ "$(podflare exec merge1 hostname)" = merge1 ]
	before=$(podflare exec merge1 cat /tmp/count)
	wait_until 30 counts_past "$before"
	podflare freeze merge1
	podflare merge merge1 merge1-2
	[ "$(content merge1)" = two ]
}

@test "kill -9 of the runner while it merges" {
	for ms in 0 10 20 30 50 80; do
		fresh
		podflare merge merge1 merge1-1 2>/dev/null &
		pid=$!
		sleep "$(printf '0.%03d' $ms)"
		kill_named podflared || true
		wait $pid || true
		# One state or the other.
		now=$(content merge1)
		if [ "$now" = one ]; then
			run ! podflare show merge1-1
		else
			[ "$now" = old ]
			[ "$(content merge1-1)" = one ]
		fi
		[ "$(content merge1-2)" = two ]
	done
}

@test "nothing is left of merges" {
	podflare -q ls | grep "^merge" | xargs -r timeout 60 podflare rm -f
	wait_until 30 nothing_left
}

nothing_left() {
	[ -z "$(left_of_sandboxes)" ]
}
