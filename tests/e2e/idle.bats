#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/idle.bats - create --idle-timeout, --on-idle, touch
# seconds: 60
load helper

teardown_file() {
	podflare rm -f id1 id2
}

is() {
	[ "$(field "$1" .state)" = "$2" ]
}

@test "an idle sandbox is frozen, and thawed by the next command" {
	create id1 --idle-timeout 4s
	[ "$(field id1 .on_idle)" = freeze ]
	podflare exec id1 sh -c 'echo here >/tmp/here'
	wait_until 60 is id1 frozen
	[ "$(podflare exec id1 cat /tmp/here)" = here ]
	podflare log id1 | grep -q freeze
}

@test "an attached command is use, also a silent one" {
	podflare exec id1 sleep 12
	is id1 running
}

@test "an attached console is use" {
	sleep 13 | PF_SECONDS=12 podflare console id1 || true
	is id1 running
}

@test "a command that was left to itself is none" {
	podflare exec -d id1 sleep 1000
	wait_until 60 is id1 frozen
	podflare exec id1 sh -c 'grep -qx sleep /proc/[0-9]*/comm'
}

@test "the runner's end is not the end of it" {
	kill_named podflared
	[ "$(field id1 .idle_timeout_ms)" = 4000 ]
	wait_until 60 is id1 frozen
}

@test "touch is use" {
	podflare thaw id1
	for _ in $(seq 12); do
		podflare touch id1
		sleep 0.5
	done
	is id1 running
	wait_until 60 is id1 frozen
	run --separate-stderr -1 podflare touch id1
	error_says 'is frozen'
	podflare rm id1
}

@test "--on-idle rm" {
	create id2 --idle-timeout 2s --on-idle rm
	wait_until 60 bash -c '! podflare -q ls | grep -qx id2'
}

@test "what makes no sense is refused" {
	run --separate-stderr podflare create -n id1 --idle-timeout 1ms
	[ "$status" -ne 0 ]
	run --separate-stderr podflare create -n id1 --idle-timeout 5s \
		--on-idle melt
	[ "$status" -ne 0 ]
	error_says melt
	run --separate-stderr podflare create -n id1 --on-idle rm
	[ "$status" -ne 0 ]
}
