#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/reset.bats - reset: a sandbox becomes what a snapshot holds
# seconds: 60
# timeout: 600
load helper

setup_file() {
	create rs1 --label keep=me -e WORD=here
	podflare exec rs1 sh -c 'echo before >/root/file; mkdir /tmp/run
		tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id'
	podflare exec -d rs1 sh -c \
		'for i in $(seq 100000); do echo $i >/tmp/run/i; sleep 0.1; done'
	wait_until 30 podflare exec rs1 test -s /tmp/run/i
	podflare snapshot create rs1 rs-good
}

teardown_file() {
	podflare rm -f rs1 rs2 rs3
	for s in $(podflare -q snapshot ls | grep '^rs'); do
		podflare snapshot rm "$s"
	done
}

# counts SANDBOX: what was running at the snapshot runs on. The file is empty for
# a moment, each time.
counts() {
	podflare exec "$1" timeout 30 sh -c 'until i=$(cat /tmp/run/i); [ -n "$i" ]
		do :; done
		until [ "0$(cat /tmp/run/i)" -gt "$i" ]; do sleep 0.1; done'
}

@test "in place: name, id, variables and labels stay, all else is as it was" {
	id=$(field rs1 .id)
	pid=$(field rs1 .pid)
	podflare exec rs1 sh -c 'echo after >/root/file; rm -r /tmp/run'
	podflare exec rs1 sh -c 'echo started; sleep 1000' >out 2>err &
	command=$!
	wait_until 30 grep -q started out
	run --separate-stderr -0 podflare reset rs1 rs-good
	[ "$output" = rs1 ]
	stderr_says 'what it was is snapshot rs1-safety-1'
	# who was in it is told
	rc=0
	wait $command || rc=$?
	[ $rc -eq 125 ]
	grep -q 'rs1: was reset to snapshot rs-good' err
	[ "$(field rs1 .id)" = "$id" ]
	[ "$(field rs1 .pid)" != "$pid" ]
	[ "$(field rs1 .labels.keep)" = me ]
	[ "$(field rs1 .origin.parent_name)" = rs-good ]
	[ "$(podflare exec rs1 sh -c 'cat /root/file; echo $WORD; hostname')" = \
		$'before\nhere\nrs1' ]
	counts rs1
	[ "$(podflare --json snapshot show rs1-safety-1 | jq -r .how)" = safety ]
}

@test "and back: the safety snapshot has what it was" {
	run --separate-stderr -0 podflare reset --no-safety rs1 rs1-safety-1
	[ -z "$stderr" ] || ! stderr_says 'what it was'
	[ "$(podflare exec rs1 cat /root/file)" = after ]
	podflare exec rs1 test ! -e /tmp/run
	[ "$(podflare -q snapshot ls | grep -c '^rs1-safety')" -eq 1 ]
	podflare snapshot rm rs1-safety-1
}

@test "of a frozen sandbox" {
	podflare freeze rs1
	podflare reset rs1 rs-good
	[ "$(field rs1 .state)" = running ]
	counts rs1
	podflare reset rs1 rs1-safety-1
	[ "$(podflare exec rs1 cat /root/file)" = after ]
	podflare snapshot rm rs1-safety-1 rs1-safety-2
}

@test "of one that has failed: its disk is kept" {
	podflare exec rs1 sh -c 'echo failed >/root/file; sync'
	in_host kill -9 "$(field rs1 .pid)"
	wait_until 30 bash -c '[ "$(podflare --json show rs1 | jq -r .state)" = failed ]'
	podflare reset rs1 rs-good
	counts rs1
	[ "$(podflare exec rs1 cat /root/file)" = before ]
	podflare --json snapshot show rs1-safety-1 | jq -e .disk_only
	podflare create --from rs1-safety-1 -n rs2
	[ "$(podflare exec rs2 cat /root/file)" = failed ]
	podflare exec rs1 cat /etc/machine-id >ids
	podflare exec rs2 cat /etc/machine-id >>ids
	[ "$(sort -u ids | wc -l)" -eq 2 ]
	podflare rm rs2
	podflare reset rs1 rs1-safety-1
	[ "$(podflare exec rs1 cat /root/file)" = failed ]
	podflare snapshot rm rs1-safety-1 rs1-safety-2
}

@test "to a machine of another size: a note says so" {
	create rs3 --cpus 2
	run --separate-stderr -0 podflare reset --no-safety rs3 rs-good
	stderr_says 'cpus is now 1, was 2'
	counts rs3
	podflare rm rs3
}

@test "forks of it live on; it can be forked and merged afterwards" {
	podflare reset --no-safety rs1 rs-good
	podflare fork --name rs2 rs1
	podflare reset --no-safety rs1 rs-good
	counts rs2
	podflare exec rs2 sh -c 'echo fork >/root/file'
	podflare fork --name rs3 rs1
	podflare merge rs1 rs3
	counts rs1
	[ "$(podflare exec rs2 cat /root/file)" = fork ]
	podflare rm rs2
}

@test "the log tells of it" {
	podflare log rs1 | grep -q 'reset  *rs1 to rs-good'
	podflare log --graph rs1 | grep -q '^\*.*reset  *rs1 to rs-good'
	podflare --json log rs1 | jq -e '[.[] | select(.what == "reset")] |
		all(.snapshot_name | startswith("rs"))'
}

@test "what cannot be reset says why, and is as it was" {
	run --separate-stderr -1 podflare reset rs1 nosuch
	error_says 'snapshot nosuch'
	run --separate-stderr -1 podflare reset nosuch rs-good
	error_says 'sandbox nosuch'
	run --separate-stderr -2 podflare reset rs1
	podflare pause rs1
	run --separate-stderr -1 podflare reset rs1 rs-good
	error_says 'is paused'
	podflare resume rs1
	counts rs1
	[ -z "$(podflare -q snapshot ls | grep '^rs1')" ]
}

@test "kill -9 of the runner at any moment: the one or the other" {
	id=$(field rs1 .id)
	for wait in 0.1 0.3 0.5 0.8; do
		podflare exec rs1 sh -c 'echo other >/root/file'
		podflare reset rs1 rs-good >/dev/null 2>&1 3>&- 4>&- &
		sleep $wait
		kill_named podflared
		wait $! || true
		[ "$(field rs1 .id)" = "$id" ]
		case $(podflare exec rs1 cat /root/file) in
		before | other) ;;
		*) false ;;
		esac
		counts rs1
		[ "$(podflare -q ls | grep -c '^rs')" -eq 1 ]
		for s in $(podflare -q snapshot ls | grep '^rs1'); do
			podflare snapshot rm "$s"
		done
	done
}
