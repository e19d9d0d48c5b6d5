#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/exec.bats - exec: streams, environment, exit codes, signals
# seconds: 20
load helper

setup_file() {
	create exec1
}

teardown_file() {
	podflare rm -f exec1
}

@test "stdout and stderr come apart" {
	run --separate-stderr -0 podflare exec exec1 sh -c 'echo a; echo b >&2'
	[ "$output" = a ]
	stderr_says b
}

@test "the command's exit code is ours" {
	run -7 podflare exec exec1 sh -c 'exit 7'
	run -255 podflare exec exec1 sh -c 'exit 255'
}

@test "127 when there is no such program" {
	run --separate-stderr -127 podflare exec exec1 nosuchprogram
	error_says nosuchprogram
}

@test "126 when it is not executable" {
	run --separate-stderr -126 podflare exec exec1 /etc/passwd
	run --separate-stderr -126 podflare exec exec1 /root
}

@test "128+N when a signal ended it" {
	run --separate-stderr -137 podflare exec exec1 sh -c 'kill -9 $$'
	run --separate-stderr -143 podflare exec exec1 sh -c 'kill -15 $$'
}

@test "124 when it timed out, at once" {
	start=$SECONDS
	run --separate-stderr -124 podflare exec --timeout 1s exec1 sleep 100
	[ $((SECONDS - start)) -lt 20 ]
}

@test "a command that ignores SIGTERM is killed after a timeout" {
	run --separate-stderr -124 podflare exec --timeout 1s exec1 \
		sh -c 'trap "" TERM; while :; do sleep 1; done'
}

@test "-i passes stdin, to its end" {
	run -0 podflare exec -i exec1 wc -c < <(head -c 1000000 /dev/zero)
	[ "$output" = 1000000 ]
}

@test "without -i stdin is empty" {
	run -0 podflare exec exec1 cat < <(echo text)
	[ -z "$output" ]
}

@test "stdin that nobody reads stops nothing" {
	run -3 podflare exec -i exec1 sh -c 'exit 3' < <(
		head -c 8000000 /dev/zero 2>/dev/null)
}

@test "-e sets and passes on variables" {
	run -0 env OURS=mine timeout 60 podflare exec -e A=1 -e B= -e OURS \
		exec1 sh -c 'echo "$A,$B,$OURS"'
	[ "$output" = 1,,mine ]
}

@test "a variable without a name is a usage error" {
	run --separate-stderr -2 podflare exec -e =x exec1 true
}

@test "-w sets the directory; one that is not there is an error" {
	run -0 podflare exec -w /usr/lib exec1 pwd
	[ "$output" = /usr/lib ]
	run --separate-stderr podflare exec -w /nosuch exec1 pwd
	[ "$status" -ge 125 ] && [ "$status" -le 127 ]
	error_says /nosuch
}

@test "-u changes the user; one that is not there is an error" {
	run -0 podflare exec -u nobody exec1 id -un
	[ "$output" = nobody ]
	run -0 podflare exec -u 1234:5678 exec1 sh -c 'id -u; id -g'
	[ "$output" = $'1234\n5678' ]
	run --separate-stderr podflare exec -u nosuchuser exec1 true
	[ "$status" -ge 125 ]
	error_says nosuchuser
}

@test "the base environment is there" {
	run -0 podflare exec exec1 sh -c 'echo "$HOME $USER"; command -v gcc'
	[ "${lines[0]}" = "/root root" ]
	[ "${lines[1]}" = /usr/bin/gcc ]
}

@test "arguments arrive as they are" {
	run -0 podflare exec exec1 printf '%s|' 'a b' '' '*' $'new\nline' 'ä' -- -n
	[ "$output" = $'a b||*|new\nline|ä|--|-n|' ]
}

@test "-- ends our options" {
	run -0 podflare exec exec1 -- echo -h
	[ "$output" = -h ]
}

@test "10 MB of output come whole" {
	sum=$(head -c 10000000 /dev/zero | tr '\0' x | sha256sum)
	run -0 bash -c 'timeout 60 podflare exec exec1 sh -c \
		"head -c 10000000 /dev/zero | tr \"\\0\" x" | sha256sum'
	[ "$output" = "$sum" ]
}

@test "a closed stdout ends the command" {
	timeout 60 podflare exec exec1 sh -c \
		'echo $$ >/tmp/yes.pid; exec yes' 2>err | head -n 1
	wait_until 20 podflare exec exec1 sh -c \
		'! kill -0 "$(cat /tmp/yes.pid)" 2>/dev/null'
}

@test "Ctrl-C reaches the command, which may handle it" {
	env --default-signal=INT podflare exec exec1 sh -c \
		'trap "echo caught; exit 5" INT; echo up; while :; do sleep 0.1; done' \
		>out &
	pid=$!
	wait_until 30 grep -q up out
	kill -INT $pid
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 5 ]
	grep -q caught out
}

@test "SIGTERM to us ends the command: 143" {
	env --default-signal=INT podflare exec exec1 sh -c \
		'echo $$ >/tmp/sleep.pid; echo up; exec sleep 1000' >out &
	pid=$!
	wait_until 30 grep -q up out
	kill -TERM $pid
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 143 ]
	wait_until 20 podflare exec exec1 sh -c \
		'! kill -0 "$(cat /tmp/sleep.pid)" 2>/dev/null'
}

@test "when we are killed the command gets SIGHUP" {
	env --default-signal=INT podflare exec exec1 sh -c \
		'trap "echo hup >/tmp/hup; exit" HUP; echo up; while :; do sleep 0.1; done' \
		>out &
	pid=$!
	wait_until 30 grep -q up out
	kill -KILL $pid
	wait_until 20 podflare exec exec1 test -e /tmp/hup
}

@test "-t gives a terminal with our size" {
	run -0 podflare exec -t exec1 sh -c 'test -t 0 && test -t 1 && echo tty'
	[[ $output == tty* ]]
}

@test "processes that a command leaves are reaped" {
	run -0 podflare exec exec1 sh -c 'for i in 1 2 3 4 5; do
		(sleep 0.01 &) ; done; sleep 0.3; grep -l "^State:.Z" \
		/proc/[0-9]*/status 2>/dev/null | wc -l'
	[ "$output" = 0 ]
}

@test "an unknown sandbox: 125" {
	run --separate-stderr -125 podflare exec nosuch true
	error_says nosuch
}

@test "many commands at once" {
	for i in $(seq 20); do
		env --default-signal=INT podflare exec exec1 echo "number $i" >"out.$i" &
		pids[i]=$!
	done
	for i in $(seq 20); do
		wait "${pids[i]}"
		[ "$(cat "out.$i")" = "number $i" ]
	done
}
