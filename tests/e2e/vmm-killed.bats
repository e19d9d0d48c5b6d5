#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/vmm-killed.bats - a VMM that dies takes its own sandbox only
# seconds: 20
load helper

setup_file() {
	create vk1
	create vk2
	podflare exec vk1 sh -c 'echo last words >/dev/console'
}

teardown_file() {
	podflare rm -f vk1 vk2
}

is_failed() {
	[ "$(field "$1" .state)" = failed ]
}

@test "kill -9 of a VMM: failed with a reason, the others live" {
	env --default-signal=INT podflare exec vk1 sleep 1000 2>err &
	client=$!
	pid=$(field vk1 .pid)
	in_host kill -9 "$pid"
	wait_until 20 is_failed vk1
	podflare --json show vk1 | jq -e '.reason | test("kill")'
	podflare exec vk2 true
	rc=0
	wait $client || rc=$?
	[ $rc -eq 125 ]
	grep -q 'podflare: error: ' err
}

@test "what needs it says that it failed" {
	run --separate-stderr -125 podflare exec vk1 true
	error_says vk1
	stderr_says "failed"
	run --separate-stderr podflare cp vk1:/etc/passwd .
	[ "$status" -eq 1 ]
}

@test "its console can still be read" {
	run -0 --separate-stderr podflare logs vk1
	[[ $output == *"last words"* ]]
}

@test "a failed sandbox is removed like any other" {
	podflare rm vk1
	run --separate-stderr -1 podflare show vk1
	podflare exec vk2 true
}

@test "a VMM killed while the runner is dead too is found" {
	create vk1
	pid=$(field vk1 .pid)
	kill_named podflared
	in_host kill -9 "$pid"
	wait_until 20 is_failed vk1
	podflare exec vk2 true
	podflare rm vk1
}

@test "a guest that powers off is stopped and starts again when needed" {
	podflare exec vk2 sh -c 'echo kept >/root/kept; sync'
	run podflare exec vk2 sh -c 'echo o >/proc/sysrq-trigger; exec sleep 100'
	wait_until 20 bash -c '[ "$(podflare --json show vk2 | jq -r .state)" = \
		stopped ]'
	[ "$(podflare exec vk2 cat /root/kept)" = kept ]
	[ "$(field vk2 .state)" = running ]
}
