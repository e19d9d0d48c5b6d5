#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/fork-faults.bats - processes that die while there are forks
# seconds: 60
# timeout: 600
load helper

setup() {
	watchdog_start
	cd "$BATS_TEST_TMPDIR" || return
	create ff
	podflare exec -d ff sh -c \
		'i=0; while :; do i=$((i+1)); echo $i >/tmp/count; sleep 0.2; done'
	before=$(left_of_sandboxes | grep -c VMM)
}

teardown() {
	podflare -q ls | grep '^ff' | xargs -r timeout 60 podflare rm -f
	wait_until 30 nothing_left || tell_left
	watchdog_stop
}

# nothing_left: no process, no folder, and no socket but the templates'.
nothing_left() {
	local run=${XDG_RUNTIME_DIR:-} vmms

	[ -z "$machine" ] || run=/run/user/1000
	[ -z "$(left_of_sandboxes)" ] || return
	vmms=$(each_named podflare-vmm 'echo "$p"' | wc -l)
	[ "$(in_host ls "$run/podflare/vm" | wc -l)" -eq "$vmms" ]
}

tell_left() {
	left_of_sandboxes
	podflare ls
	return 1
}

runner_fds() {
	each_named podflared 'ls "$p/fd" | wc -l'
}

is_state() {
	[ "$(field "$1" .state)" = "$2" ]
}

# counts_on SANDBOX: it runs, with what ran in it.
counts_on() {
	local was

	was=$(podflare exec "$1" cat /tmp/count)
	podflare exec "$1" timeout 30 sh -c "until [ 0\$(cat /tmp/count) -gt \
		$((was + 1)) ]; do sleep 0.1; done"
}

# new_vmms: pids of VMMs that are none of those in the file "vmms".
new_vmms() {
	left_of_sandboxes | sed -n 's/^VMM //p' | grep -vxF -f vmms
}

note_vmms() {
	left_of_sandboxes | sed -n 's/^VMM //p' >vmms
}

at_most_vmms() {
	[ "$(left_of_sandboxes | grep -c VMM)" -le "$1" ]
}

# kill_next N: in the background, kill -9 the Nth VMM that comes into being, as
# soon as it is there.
kill_next() {
	in_host sh -c 'was=" "
		for p in /proc/[0-9]*; do was="$was${p#/proc/} "; done
		n=$1 end=$(($(date +%s) + 20))
		while [ $(date +%s) -lt $end ]; do
			for p in /proc/[0-9]*; do
				p=${p#/proc/}
				case $was in *" $p "*) continue ;; esac
				read -r name <"/proc/$p/comm" || continue
				[ "$name" = podflare-vmm ] || continue
				was="$was$p "
				n=$((n - 1))
				[ $n -gt 0 ] || { kill -9 "$p"; exit 0; }
			done
		done 2>/dev/null' sh "$1" &
	killer=$!
	sleep 0.5
}

@test "kill -9 of the point: what needs it says so, all else goes on" {
	note_vmms
	podflare fork --name ff1 ff
	child=$(field ff1 .pid)
	point=$(new_vmms | grep -vx "$child")
	[ "$(wc -w <<<"$point")" -eq 1 ]
	podflare exec ff1 sh -c 'echo new >/root/new'
	run -0 podflare diff ff1
	in_host kill -9 "$point"
	wait_until 10 at_most_vmms $((before + 1))
	run --separate-stderr -1 podflare diff ff1
	error_says "not there any more"
	stderr_says "hint: "
	run --separate-stderr -1 podflare merge --files ff ff1
	error_says "not there any more"
	run ! podflare exec ff test -e /root/new
	counts_on ff
	counts_on ff1
	# Forks, diffs against each other and merges are none of its business.
	podflare diff ff ff1
	podflare fork --name ff2 ff1
	counts_on ff2
	podflare merge ff ff1
	counts_on ff
}

@test "kill -9 of a copy while it is made: the others stand" {
	for n in 1 2 4; do
		kill_next $n
		run --separate-stderr podflare fork -n 4 --name ff1 ff
		wait $killer
		# its slot is told as an error, if it was not the point's
		podflare -q ls | grep '^ff1' >there || true
		if [ "$(wc -l <there)" -lt 4 ] || [ "$status" -ne 0 ]; then
			[ "$status" -eq 1 ]
			error_says ff1
		fi
		for name in $output; do
			is_state "$name" running && counts_on "$name" ||
				is_state "$name" failed
		done
		counts_on ff
		xargs -r timeout 60 podflare rm -f <there
		wait_until 30 at_most_vmms "$before"
		runner_fds >>fds
	done
	[ "$(tail -n 1 fds)" -le "$(head -n 1 fds)" ]
}

@test "kill -9 of the parent while it forks: those that were told run" {
	for ms in 50 120 200 350; do
		pid=$(field ff .pid)
		podflare fork -n 6 --name ff1 ff >names 2>err &
		fork=$!
		sleep "$(printf '0.%03d' $ms)"
		in_host kill -9 "$pid"
		rc=0
		wait $fork || rc=$?
		[ $rc -eq 0 ] || grep -q 'podflare: error: ' err
		wait_until 30 is_state ff failed
		podflare -q ls | grep '^ff1' >there || true
		sort names | diff - <(sort there)
		for name in $(cat there); do
			counts_on "$name"
		done
		run --separate-stderr -1 podflare fork ff
		error_says failed
		podflare rm ff
		xargs -r timeout 60 podflare rm -f <there
		wait_until 30 nothing_left || tell_left
		create ff
		podflare exec -d ff sh -c \
			'i=0; while :; do i=$((i+1)); echo $i >/tmp/count; sleep 0.2; done'
	done
}
