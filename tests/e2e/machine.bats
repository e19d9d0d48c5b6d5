#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/machine.bats - the emulated machine, where there is one
# seconds: 30
# timeout: 600
load helper

need_machine() {
	[ -n "$machine" ] ||
		skip "this processor runs guests itself and needs no machine"
}

@test "status says that it runs" {
	need_machine
	run -0 podflare machine status
	[[ $output == *running* ]]
	podflare --json machine status | jq -e .
}

@test "shell runs a command: output, exit code, stdin" {
	need_machine
	run --separate-stderr -0 podflare machine shell -- echo hello
	[ "$output" = hello ]
	run -6 podflare machine shell -- sh -c 'exit 6'
	run --separate-stderr -127 podflare machine shell -- nosuchprogram
	[ "$(echo text | podflare machine shell -- cat)" = text ]
}

@test "one emulated CPU, and /dev/kvm in it" {
	need_machine
	[ "$(podflare machine shell -- nproc)" = 1 ]
	podflare machine shell -- test -c /dev/kvm
}

@test "its sockets are the user's own" {
	need_machine
	[ "$(stat -c %a "$XDG_RUNTIME_DIR/podflare")" = 700 ]
}

@test "a second machine on the same disk is refused" {
	need_machine
	mkdir -m 700 run
	run --separate-stderr -1 env XDG_RUNTIME_DIR="$PWD/run" \
		timeout 60 podflare machine start
	error_says 'another emulated machine uses the disk'
	hint_says "$XDG_RUNTIME_DIR/podflare/machine"
	podflare machine shell -- true
}

@test "stop loses nothing that was acknowledged" {
	need_machine
	create stop1
	podflare exec stop1 sh -c 'echo kept >/root/kept; mkdir -p /opt/a/b'
	time_limit 300
	podflare machine stop
	run podflare machine status
	[[ $output != *running* ]]
	[ "$(podflare exec stop1 cat /root/kept)" = kept ]
	podflare exec stop1 test -d /opt/a/b
	podflare rm stop1
}

@test "a killed machine comes up again with what was synced" {
	need_machine
	time_limit 300
	create stop2
	podflare exec stop2 sh -c 'echo kept >/root/kept; sync'
	pid=$(podflare --json machine status | jq .pid)
	kill -9 "$pid"
	[ "$(podflare exec stop2 cat /root/kept)" = kept ]
	podflare rm stop2
}

@test "no hardware virtualization and no QEMU: an error with the cure" {
	need_machine
	mkdir run
	chmod 700 run
	run --separate-stderr env XDG_RUNTIME_DIR="$PWD/run" \
		PATH="$PODFLARE_BUILD" /usr/bin/timeout 60 \
		"$PODFLARE_BUILD/podflare" create
	[ "$status" -eq 1 ]
	error_says virtualization
	hint_says qemu
}
