#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/run.bats - run: create, exec, remove
# seconds: 25
load helper

none_left() {
	[ "$(podflare --json ls | jq --arg n "$1" \
		'map(select(.name == $n)) | length')" = 0 ]
}

@test "run passes output and exit code and removes the sandbox" {
	run --separate-stderr -9 podflare run -n run1 --memory 192M \
		sh -c 'echo out; exit 9'
	[ "$output" = out ]
	none_left run1
}

@test "run -i is a filter" {
	run --separate-stderr -0 bash -c \
		'echo some words | timeout 120 podflare run -i --memory 192M wc -w'
	[ "$output" = 2 ]
}

@test "a program that is not there: 127, and nothing is left" {
	run --separate-stderr -127 podflare run -n run2 --memory 192M nosuchprogram
	none_left run2
}

@test "Ctrl-C while the command runs removes the sandbox" {
	env --default-signal=INT podflare run -n run3 --memory 192M sh -c \
		'echo up; exec sleep 1000' >out 2>err &
	pid=$!
	wait_until 60 grep -q up out
	kill -INT $pid
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 130 ]
	none_left run3
}

@test "Ctrl-C while the guest boots removes the sandbox" {
	env --default-signal=INT podflare run -n run4 --memory 192M true 2>err &
	pid=$!
	wait_until 60 bash -c 'podflare --json ls | grep -q run4'
	kill -INT $pid
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 130 ] || [ $rc -eq 0 ]
	none_left run4
}

@test "--keep keeps it" {
	run --separate-stderr -0 podflare run -n run5 --keep --memory 192M true
	podflare exec run5 true
	podflare rm run5
}

@test "run's own failures are 125" {
	run --separate-stderr -125 podflare run --image nosuchimage true
	error_says nosuchimage
}
