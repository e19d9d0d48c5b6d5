#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/freeze.bats - freeze, thaw
# seconds: 70
# timeout: 900
load helper

setup_file() {
	create fz1
	podflare exec -i fz1 sh -c 'cat >/root/work.py' <<'END'
import os, signal, tempfile, threading, time

# Work whose every step is written down: a file that stays open, one that has no
# name any more, a timer, a thread, a pipe to a child, 8 MiB that must not change.
log = os.open("/root/work.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
say = lambda *a: os.write(log, (" ".join(map(str, a)) + "\n").encode())
nameless = tempfile.TemporaryFile()
nameless.write(b"kept")
data = os.urandom(8 << 20)
want = hash(data)
r, w = os.pipe()
if os.fork() == 0:
    while os.read(r, 1):
        say("child")
waited = {signal.SIGALRM, signal.SIGUSR1}
signal.pthread_sigmask(signal.SIG_BLOCK, waited)
thread = threading.Thread(target=time.sleep, args=(100000,), daemon=True)
thread.start()
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
open("/root/work.pid", "w").write(str(os.getpid()))
ticks, last = 0, time.monotonic()
while True:
    if signal.sigwait(waited) == signal.SIGUSR1:
        nameless.seek(0)
        say("report", nameless.read().decode(), hash(bytes(data)) == want,
            thread.is_alive())
        os.write(w, b"x")
        continue
    now = time.monotonic()
    ticks += 1
    say("tick", ticks, "ok" if now >= last else "back")
    last = now
END
	podflare exec -d fz1 python3 /root/work.py
	wait_until 30 podflare exec fz1 test -s /root/work.pid
}

teardown_file() {
	podflare rm -f fz1 fz2 fz3
}

# works_on SANDBOX: the work goes on, and nothing of it was lost.
works_on() {
	local before

	before=$(podflare exec "$1" grep -c tick /root/work.log)
	podflare exec "$1" timeout 30 sh -c "until [ \$(grep -c tick \
		/root/work.log) -gt $((before + 2)) ]; do sleep 0.1; done"
	# it answers, and so does its child, by way of a pipe
	podflare exec "$1" timeout 30 sh -c 'n=$(grep -c child /root/work.log)
		kill -USR1 "$(cat /root/work.pid)"
		until [ "$(grep -c child /root/work.log)" -gt "$n" ]; do
			sleep 0.1; done'
	podflare exec "$1" cat /root/work.log >log
	[[ $(grep report log | tail -n 1) == "report kept True True" ]]
	! grep back log
	grep tick log | cut -d' ' -f2 | diff - <(seq "$(grep -c tick log)")
}

vmms_of() {
	in_host sh -c 'ls -d /proc/'"$1"' 2>/dev/null | wc -l'
}

@test "a frozen sandbox has no process, and its work goes on when it is needed" {
	pid=$(field fz1 .pid)
	[ "$(podflare freeze fz1)" = fz1 ]
	[ "$(field fz1 .state)" = frozen ]
	[ "$(field fz1 .pid)" = null ]
	[ "$(field fz1 .memory_saved)" -gt 8000000 ]
	[ "$(vmms_of "$pid")" -eq 0 ]
	# what does not need it does not wake it
	podflare ls | grep -q 'fz1 .*frozen'
	[ "$(field fz1 .state)" = frozen ]
	works_on fz1
	[ "$(field fz1 .state)" = running ]
}

@test "frozen twice in a row, and again: nothing is lost" {
	for _ in 1 2 3; do
		podflare freeze fz1
		[ "$(podflare thaw fz1)" = fz1 ]
	done
	podflare freeze fz1
	works_on fz1
}

@test "the clock is right, and time has not gone back" {
	up=$(podflare exec fz1 cut -d. -f1 /proc/uptime)
	podflare freeze fz1
	sleep 3
	guest=$(podflare exec fz1 date +%s)
	host=$(in_host date +%s)
	[ $((host - guest)) -le 3 ] && [ $((guest - host)) -le 3 ]
	[ "$(podflare exec fz1 cut -d. -f1 /proc/uptime)" -ge "$up" ]
	works_on fz1
}

@test "same machine: identity stays, randomness does not repeat" {
	id=$(podflare exec fz1 cat /etc/machine-id)
	boot=$(podflare exec fz1 cat /proc/sys/kernel/random/boot_id)
	podflare freeze fz1
	[ "$(podflare exec fz1 cat /etc/machine-id)" = "$id" ]
	[ "$(podflare exec fz1 cat /proc/sys/kernel/random/boot_id)" = "$boot" ]
	[ "$(podflare exec fz1 hostname)" = fz1 ]
}

@test "what was written before is there, also without sync" {
	podflare exec fz1 sh -c 'seq 100000 >/root/numbers'
	podflare freeze fz1
	podflare exec fz1 sha256sum /root/numbers >sum
	[ "$(cut -d' ' -f1 sum)" = "$(seq 100000 | sha256sum | cut -d' ' -f1)" ]
}

@test "kill -9 of the runner while it is frozen, and after" {
	podflare freeze fz1
	kill_named podflared
	[ "$(field fz1 .state)" = frozen ]
	works_on fz1
	kill_named podflared
	works_on fz1
}

@test "kill -9 of the runner while it is being frozen or thawed" {
	for wait in 0.05 0.2 0.4 0.8; do
		podflare freeze fz1 >/dev/null 2>&1 3>&- 4>&- &
		sleep $wait
		kill_named podflared
		wait $! || true
		[[ $(field fz1 .state) =~ ^(running|frozen)$ ]]
		works_on fz1
		podflare freeze fz1
		podflare thaw fz1 >/dev/null 2>&1 3>&- 4>&- &
		sleep $wait
		kill_named podflared
		wait $! || true
		[[ $(field fz1 .state) =~ ^(running|frozen)$ ]]
		works_on fz1
	done
}

# folder SANDBOX: where its files lie, for in_host.
folder() {
	local data=${XDG_DATA_HOME:-$HOME/.local/share}

	[ -z "$machine" ] || data=/data/share
	echo "$data/podflare/sandboxes/$(field "$1" .id)"
}

# flip FILE OFFSET: one bit of it.
flip() {
	in_host sh -c 'v=$(od -An -tu1 -j "$2" -N 1 "$1")
		printf "$(printf "\\%03o" $((v ^ 4)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null' sh "$@"
}

@test "one flipped bit: it says so, stays frozen, and nothing is lost" {
	podflare freeze fz1
	dir=$(folder fz1)
	for file in state memory template; do
		in_host test -e "$dir/$file" || continue
		at=5000
		# a byte that counts
		if [ $file != state ]; then
			at=$(in_host cmp "$dir/$file" /dev/zero |
				sed 's/.* \([0-9]*\), line.*/\1/')
			at=$((at - 1))
		fi
		flip "$dir/$file" $at
		run --separate-stderr -125 podflare exec fz1 true
		error_says fz1
		error_says damaged
		hint_says 'thaw --boot'
		[ "$(field fz1 .state)" = frozen ]
		field fz1 .reason | grep -q damaged
		flip "$dir/$file" $at
	done
	works_on fz1
}

@test "files cut short, or of somebody else" {
	podflare freeze fz1
	dir=$(folder fz1)
	in_host sh -c 'cp "$1/state" "$1/keep"; truncate -s 1000 "$1/state"' \
		sh "$dir"
	run --separate-stderr -1 podflare thaw fz1
	error_says 'state: '
	in_host sh -c 'echo nothing >"$1/state"' sh "$dir"
	run --separate-stderr -1 podflare thaw fz1
	error_says 'state: '
	in_host mv "$dir/keep" "$dir/state"
	works_on fz1
}

@test "thaw --boot: the disk without the memory" {
	create fz2
	podflare exec fz2 sh -c 'echo kept >/root/kept; sync'
	podflare freeze fz2
	in_host truncate -s 100 "$(folder fz2)/state"
	run --separate-stderr -1 podflare thaw fz2
	podflare thaw --boot fz2
	[ "$(podflare exec fz2 cat /root/kept)" = kept ]
	podflare freeze fz2
	[ "$(podflare exec fz2 cat /root/kept)" = kept ]
	podflare rm fz2
}

@test "a command of ours loses its stream and runs on" {
	env --default-signal=INT podflare exec fz1 sh -c \
		'echo up; sleep 3; echo done >/root/ended; sleep 1000' >out 2>err &
	pid=$!
	wait_until 30 grep -q up out
	podflare freeze fz1
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 125 ]
	grep -q 'podflare: error: ' err
	wait_until 30 podflare exec fz1 test -s /root/ended
}

@test "what cannot be frozen says why" {
	podflare thaw fz1
	podflare pause fz1
	run --separate-stderr -1 podflare freeze fz1
	error_says 'is paused'
	hint_says resume
	podflare resume fz1
	run --separate-stderr -1 podflare freeze nosuch
	error_says nosuch
	podflare freeze fz1
	run --separate-stderr -1 podflare pause fz1
	error_says 'is frozen'
	podflare freeze fz1
	podflare rm fz1
}

@test "eight virtual CPUs" {
	create fz3 --cpus 8
	podflare exec fz3 sh -c 'for i in 1 2 3 4 5 6 7 8; do
		(while :; do :; done) & done; sleep 0.2; nproc' >n
	[ "$(cat n)" = 8 ]
	podflare freeze fz3
	[ "$(podflare exec fz3 nproc)" = 8 ]
	[ "$(podflare exec fz3 sh -c 'taskset -c 7 echo there')" = there ]
	podflare rm fz3
}
