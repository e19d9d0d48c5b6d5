#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/fork.bats - live forks, attach
# seconds: 110
load helper

# Its first session counts in memory, some times a second, and tells the file.
counter='i=0; while :; do i=$((i+1)); echo $i >/root/count; echo $i; sleep 0.3; done'

setup_file() {
	create fork1
	podflare exec -d fork1 sh -c "$counter" >"$BATS_FILE_TMPDIR/session"
}

teardown_file() {
	podflare -q ls | grep "^fork" | xargs -r timeout 60 podflare rm -f
}

# What a test has made goes with it.
teardown() {
	watchdog_stop
	podflare -q ls | grep '^fork' | grep -vx fork1 |
		xargs -r timeout 60 podflare rm -f
}

# count SANDBOX: what its counter has come to.
count() {
	podflare exec "$1" cat /root/count
}

counts_on() {
	local before

	wait_until 10 has_count "$1"
	wait_until 30 counts_past "$1" "$before"
}

# The file is empty for a moment whenever it is written.
has_count() {
	before=$(count "$1")
	[ -n "$before" ]
}

counts_past() {
	[ "$(count "$1")" -gt "$2" ]
}

# power_off NAME: and wait until it has.
power_off() {
	podflare exec "$1" sh -c 'sync; echo o >/proc/sysrq-trigger
		exec sleep 100' || true
	wait_until 60 is_state "$1" stopped
}

is_state() {
	[ "$(field "$1" .state)" = "$2" ]
}

# The image's template is one, too.
vmms() {
	left_of_sandboxes | grep -c VMM
}

at_most_vmms() {
	[ "$(vmms)" -le "$1" ]
}

@test "a copy goes on from that instant, and so does its parent" {
	before=$(count fork1)
	run --separate-stderr -0 podflare fork fork1
	[ "$output" = fork1-1 ]
	[ "$(field fork1-1 .state)" = running ]
	[ "$(field fork1-1 .origin.how)" = fork ]
	[ "$(field fork1-1 .origin.parent_name)" = fork1 ]
	[ "$(count fork1-1)" -ge "$before" ]
	counts_on fork1-1
	counts_on fork1
}

@test "memory and disk are each one's own afterwards" {
	podflare exec fork1 sh -c 'echo both >/root/file; echo both >/tmp/file'
	podflare fork --name fork2 fork1
	podflare exec fork2 sh -c 'cat /root/file /tmp/file' >out
	printf 'both\nboth\n' | diff - out
	podflare exec fork2 sh -c 'echo copy >/root/file; rm /tmp/file'
	podflare exec fork1 sh -c 'echo parent >/root/new'
	[ "$(podflare exec fork1 cat /root/file /tmp/file | xargs)" = "both both" ]
	run podflare exec fork2 ls /root/file /root/new /tmp/file
	[[ $output == *"/root/new"*"No such file"* ]]
	[[ $output == *"/tmp/file"*"No such file"* ]]
	[ "$(podflare exec fork2 cat /root/file)" = copy ]
}

@test "what was written and not synced is in the copy, whole" {
	podflare exec fork1 sh -c 'head -c 20000000 /dev/urandom >/root/data;
		sha256sum </root/data' >sum
	podflare fork --name fork2 fork1
	podflare exec fork2 sh -c 'sha256sum </root/data' | diff sum -
	podflare exec fork2 sh -c 'sync; echo 3 >/proc/sys/vm/drop_caches;
		sha256sum </root/data' | diff sum -
	podflare exec fork1 sh -c 'sync; echo 3 >/proc/sys/vm/drop_caches;
		sha256sum </root/data; rm /root/data' | diff sum -
}

@test "copies have names, machine ids and randomness of their own" {
	podflare fork -n 3 --name fork2 fork1 >names
	printf 'fork2-1\nfork2-2\nfork2-3\n' | diff - names
	for name in fork1 fork2-1 fork2-2 fork2-3; do
		podflare exec "$name" sh -c 'hostname
			cat /etc/machine-id
			od -An -N16 -tx1 /dev/urandom
			od -An -N16 -tx1 /dev/random' >"$name"
		[ "$(head -n 1 "$name")" = "$name" ]
	done
	# Four names, and no line of randomness twice.
	[ "$(cat fork1 fork2-* | grep ' ' | sort | uniq -d | wc -l)" -eq 0 ]
	[ "$(cat fork1 fork2-* | grep -c ' ')" -eq 8 ]
	[ "$(sort -u fork1 fork2-* | grep -cxE '[0-9a-f]{32}')" -eq 4 ]
}

@test "the clock is right in a copy" {
	podflare fork --name fork2 fork1
	guest=$(podflare exec fork2 date +%s)
	host=$(in_host date +%s)
	[ $((host - guest)) -le 3 ] && [ $((guest - host)) -le 3 ]
}

@test "a command of the parent does not notice" {
	podflare exec fork1 sh -c 'for i in $(seq 50); do echo $i; sleep 0.05; done' \
		>out &
	pid=$!
	wait_until 30 test -s out
	podflare fork -n 2 --name fork2 fork1
	wait $pid
	seq 50 | diff - out
}

@test "commands run on in a copy, and can be attached" {
	session=$(cat "$BATS_FILE_TMPDIR/session")
	podflare exec fork1 sh -c 'sleep 4; echo ready; exit 7' >out 2>&1 &
	pid=$!
	wait_until 30 bash -c "podflare --json show fork1 |
		jq -e '[.sessions[] | select(.running)] | length >= 2' >/dev/null"
	podflare fork --name fork2 fork1
	other=$(field fork2 "[.sessions[] | select(.running and
		.session != $session)][0].session")
	run -7 podflare attach fork2 "$other"
	[ "$output" = ready ]
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 7 ]
	# The counter was begun detached: it can be left and had again.
	podflare attach fork2 "$session" >counted &
	pid=$!
	wait_until 30 test -s counted
	kill $pid
	wait $pid || true
	counts_on fork2
}

@test "attach says what it cannot" {
	run --separate-stderr -125 podflare attach fork1 4711
	error_says "no session 4711"
	run --separate-stderr -2 podflare attach fork1 x
	error_says "is not a number"
	hint_says show
	run --separate-stderr -125 podflare attach nosuch 1
	error_says nosuch
}

@test "a server listens in parent and copy" {
	podflare exec -d fork1 timeout 600 python3 -m http.server 8000 \
		--directory /etc
	get='import urllib.request as r
print(r.urlopen("http://127.0.0.1:8000/hostname").read().decode(), end="")'
	wait_until 60 podflare exec fork1 python3 -c "$get" 2>/dev/null
	podflare fork --name fork2 fork1
	podflare exec fork2 python3 -c "$get"
	podflare exec fork1 python3 -c "$get"
}

@test "five at once" {
	run --separate-stderr -0 podflare fork -n 5 -e WHO=five --name fork2 fork1
	[ "${#lines[@]}" -eq 5 ]
	for name in $output; do
		[ "$(podflare exec "$name" sh -c 'echo $WHO')" = five ]
		counts_on "$name"
	done
	counts_on fork1
}

@test "twenty levels" {
	create fork3
	podflare exec -d fork3 sh -c "${counter/0.3/2}"
	last=fork3
	for i in $(seq 20); do
		podflare fork --name "fork-l$i" "$last" >/dev/null
		podflare exec "fork-l$i" sh -c "echo $i >>/root/levels"
		last=fork-l$i
	done
	podflare exec fork-l20 cat /root/levels >out
	seq 20 | diff - out
	[ "$(podflare exec fork-l7 tail -n 1 /root/levels)" = 7 ]
	counts_on fork-l20
	run ! podflare exec fork3 ls /root/levels
	# The ones in between may go.
	seq -f fork-l%g 19 | xargs timeout 60 podflare rm
	counts_on fork-l20
}

@test "the parent may go before its copies" {
	create fork3
	podflare exec fork3 sh -c 'echo kept >/root/file; sync'
	podflare fork -n 2 fork3
	podflare rm fork3
	[ "$(podflare exec fork3-1 cat /root/file)" = kept ]
	podflare fork fork3-2
	podflare rm fork3-2 fork3-1
	[ "$(podflare exec fork3-2-1 cat /root/file)" = kept ]
}

@test "a copy that was stopped starts from its own disk" {
	podflare exec fork1 sh -c 'echo parent >/root/base'
	podflare fork --name fork2 fork1
	podflare exec fork2 sh -c 'echo copy >/root/own'
	power_off fork2
	run -0 --separate-stderr podflare exec fork2 cat /root/base /root/own
	[ "$output" = "parent
copy" ]
	# Both go on with disks of their own.
	podflare exec fork2 sh -c 'echo again >/root/own; sync'
	podflare exec fork1 cat /root/base
	podflare fork --name fork4 fork2
	[ "$(podflare exec fork4 cat /root/own)" = again ]
}

@test "bad numbers and names" {
	for n in 0 -1 10000 x; do
		run --separate-stderr -2 podflare fork -n "$n" fork1
	done
	error_says number
	run --separate-stderr -1 podflare fork nosuch
	error_says nosuch
	run --separate-stderr -2 podflare fork --name ../x fork1
	run --separate-stderr -1 podflare fork --name fork1 fork1
	error_says "exists already"
	run --separate-stderr -2 podflare fork
	run --separate-stderr -2 podflare fork fork1 fork2
	[ "$(podflare -q ls | grep -c '^fork')" -eq 1 ]
}

@test "only what runs can be forked" {
	create fork3
	podflare pause fork3
	run --separate-stderr -1 podflare fork fork3
	error_says paused
	hint_says resume
	podflare resume fork3
	power_off fork3
	run --separate-stderr -1 podflare fork fork3
	error_says stopped
	podflare rm fork3
}

@test "more copies than memory can carry are refused with the arithmetic" {
	kib=$(in_host awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
	[ "$kib" -lt 4000000 ] || [ -n "$machine" ] ||
		skip "this host has memory for 1000 copies"
	run --separate-stderr -1 podflare fork -n 1000 fork1
	error_says "MiB are available"
	[ "$(podflare -q ls | grep -c '^fork')" -eq 1 ]
	counts_on fork1
}

@test "kill -9 of one copy leaves the others" {
	podflare fork -n 3 --name fork2 fork1
	pid=$(field fork2-2 .pid)
	in_host kill -9 "$pid"
	wait_until 30 is_state fork2-2 failed
	counts_on fork2-1
	counts_on fork2-3
	counts_on fork1
}

@test "kill -9 of the parent leaves the copies" {
	create fork3
	podflare exec -d fork3 sh -c "$counter"
	podflare fork -n 2 fork3
	in_host kill -9 "$(field fork3 .pid)"
	wait_until 30 is_state fork3 failed
	counts_on fork3-1
	podflare fork fork3-1
	counts_on fork3-1-1
}

@test "kill -9 of the runner while it forks" {
	before=$(vmms)
	for ms in 0 40 80 120 200 300; do
		podflare fork -n 3 --name fork2 fork1 >names 2>/dev/null &
		pid=$!
		sleep "$(printf '0.%03d' $ms)"
		kill_named podflared || true
		wait $pid || true
		# What was told is there; what is there runs; all else is gone.
		podflare -q ls | grep '^fork2' >there || true
		[ ! -s names ] || diff names there
		for name in $(cat there); do
			counts_on "$name"
		done
		xargs -r timeout 60 podflare rm <there
		counts_on fork1
		wait_until 30 at_most_vmms "$before"
	done
}

@test "nothing is left of forks" {
	[ "$(podflare -q ls | grep -c '^fork')" -eq 1 ]
	podflare rm fork1
	run podflare -q ls
	[[ $output != *fork* ]]
}
