#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/twenty.bats - 20 sandboxes at once
# seconds: 80
# timeout: 900
load helper

@test "20 sandboxes run beside each other, each its own" {
	time_limit 880
	for i in $(seq 20); do
		podflare create -n "twenty$i" --memory 128M >"made.$i" 2>"err.$i" \
			3>&- 4>&- &
		pids[i]=$!
	done
	for i in $(seq 20); do
		wait "${pids[i]}" || { cat "err.$i"; return 1; }
	done
	[ "$(podflare --json ls | jq 'map(select(.state == "running" and
		(.name | startswith("twenty")))) | length')" = 20 ]
	for i in $(seq 20); do
		podflare exec "twenty$i" sh -c \
			"echo $i >/root/mine; hostname" >"out.$i" 3>&- 4>&- &
		pids[i]=$!
	done
	for i in $(seq 20); do
		wait "${pids[i]}"
		[ "$(cat "out.$i")" = "twenty$i" ]
	done
	for i in 1 10 20; do
		[ "$(podflare exec "twenty$i" cat /root/mine)" = "$i" ]
	done
	podflare rm twenty{1..20} | wc -l | grep -qx 20
	run ! bash -c 'podflare -q ls | grep twenty'
}
