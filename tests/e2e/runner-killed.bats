#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/runner-killed.bats - kill -9 of the runner loses nothing
# seconds: 25
# timeout: 700
load helper

setup_file() {
	create rk1
}

teardown_file() {
	podflare rm -f rk1 rk2
}

@test "the next command starts a new runner, which finds the sandbox" {
	pid=$(field rk1 .pid)
	kill_named podflared
	[ "$(podflare exec rk1 hostname)" = rk1 ]
	[ "$(field rk1 .pid)" = "$pid" ]
}

@test "a running command goes on, and its exit code arrives" {
	mkfifo in
	env --default-signal=INT podflare exec -i rk1 sh -c \
		'echo up; read -r word; echo "got $word"; exit 42' <in >out &
	pid=$!
	exec 7>in
	wait_until 30 grep -q up out
	kill_named podflared
	echo late >&7
	exec 7>&-
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 42 ]
	grep -qx 'got late' out
}

@test "a command that nobody waited for can be found afterwards" {
	env --default-signal=INT podflare exec rk1 sh -c 'echo $$ >/tmp/bg.pid; exec sleep 1000' &
	pid=$!
	wait_until 30 podflare exec rk1 test -s /tmp/bg.pid
	kill_named podflared
	podflare exec rk1 sh -c 'kill -0 "$(cat /tmp/bg.pid)"'
	podflare exec rk1 sh -c 'kill "$(cat /tmp/bg.pid)"'
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 143 ]
}

@test "killed 20 times during work, nothing is lost" {
	time_limit 600
	podflare exec rk1 sh -c ': >/root/count'
	# One long command of which no line may be missing ...
	mkfifo in
	env --default-signal=INT podflare exec -i rk1 sh -c \
		'while read -r n; do echo "$n"; done; exit 17' <in >long &
	long=$!
	exec 7>in
	# It has begun: a runner killed before that is free to say so.
	echo 0 >&7
	wait_until 30 grep -qx 0 long
	for i in $(seq 20); do
		echo "$i" >&7
		# ... and short ones, which may fail while the runner dies, but
		# then say so: what they acknowledged was done.
		podflare exec rk1 sh -c "echo $i >>/root/count; sync" \
			>/dev/null 2>&1 3>&- 4>&- 7>&- &
		short=$!
		kill_named podflared
		rc=0
		wait $short || rc=$?
		if [ $rc -eq 0 ]; then
			echo "$i" >>acknowledged
		else
			[ $rc -eq 125 ]
		fi
		[ "$(podflare exec rk1 hostname 7>&-)" = rk1 ]
	done
	exec 7>&-
	rc=0
	wait $long || rc=$?
	[ $rc -eq 17 ]
	seq 0 20 | diff - long
	podflare exec rk1 cat /root/count >count
	while read -r i; do
		grep -qx "$i" count
	done <acknowledged
	[ "$(sort count | uniq -d | wc -l)" = 0 ]
}

@test "killed while a sandbox is made: it is there or it is not" {
	env --default-signal=INT podflare create -n rk2 --memory 192M >made 2>err &
	pid=$!
	wait_until 30 bash -c 'podflare -q ls | grep -qx rk2'
	kill_named podflared
	rc=0
	wait $pid || rc=$?
	state=$(podflare --json ls | jq -r '.[] | select(.name == "rk2").state')
	case $state in
	running | creating) wait_until 60 podflare exec rk2 true ;;
	failed) podflare --json show rk2 | jq -e '.reason | length > 0' ;;
	'') ;;
	*) return 1 ;;
	esac
	podflare rm -f rk2
	podflare exec rk1 true
}

@test "no second runner, no process without a sandbox" {
	podflare rm -f rk2
	podflare exec rk1 true
	n=$(in_host sh -c 'n=0; for p in /proc/[0-9]*; do
		read -r name <"$p/comm" || continue
		[ "$name" = podflared ] || continue
		[ -z "$1" ] || tr "\0" "\n" <"$p/environ" |
			grep -qxF "XDG_RUNTIME_DIR=$1" || continue
		n=$((n + 1)); done 2>/dev/null; echo $n' \
		sh "$([ -n "$machine" ] || echo "$XDG_RUNTIME_DIR")")
	[ "$n" = 1 ]
}

no_zombies() {
	in_host sh -c 'for s in /proc/[0-9]*/status; do
		read -r key name <"$s" || continue
		[ "$name" != podflare-vmm ] || ! grep -q "^State:.*Z" "$s" || exit 1
	done 2>/dev/null'
}

@test "a VMM that outlives its runner is reaped" {
	[ -n "$machine" ] || skip "that is for the init of this host"
	create rk2
	podflare fork rk2 >/dev/null
	kill_named podflared
	podflare rm rk2 rk2-1
	wait_until 20 no_zombies
}
