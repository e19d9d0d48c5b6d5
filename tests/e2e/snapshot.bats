#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/snapshot.bats - snapshot, create --from
# seconds: 90
# timeout: 900
load helper

setup_file() {
	create sn1
	podflare exec sn1 sh -c 'echo before >/root/file; mkdir /tmp/run'
	podflare exec -d sn1 sh -c \
		'for i in $(seq 100000); do echo $i >/tmp/run/i; sleep 0.1; done'
	wait_until 30 podflare exec sn1 test -s /tmp/run/i
	podflare exec sn1 sh -c 'tr -d - </proc/sys/kernel/random/uuid \
		>/etc/machine-id'
}

teardown_file() {
	podflare rm -f sn1 sn2 sn3 sn4 sn5 sn6-1 sn6-2 sn6-3
	for s in $(podflare -q snapshot ls); do
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

@test "its sandbox goes on, copies go on from that instant" {
	[ "$(podflare snapshot create sn1 point)" = point ]
	counts sn1
	podflare exec sn1 sh -c 'echo after >/root/file'
	[ "$(podflare create --from point -n sn2)" = sn2 ]
	[ "$(podflare create --from point -n sn3 -e MORE=1)" = sn3 ]
	for s in sn2 sn3; do
		counts $s
		[ "$(podflare exec $s cat /root/file)" = before ]
		podflare exec $s sh -c "echo $s >/root/file; sync"
	done
	[ "$(podflare exec sn3 printenv MORE)" = 1 ]
	[ "$(podflare exec sn1 cat /root/file)" = after ]
	[ "$(podflare exec sn2 cat /root/file)" = sn2 ]
	[ "$(field sn2 .origin.how)" = snapshot ]
	[ "$(field sn2 .origin.parent_name)" = point ]
}

@test "several copies at once, and run --from" {
	for i in 1 2 3; do
		podflare create --from point -n sn6-$i &
		pids[i]=$!
	done
	for i in 1 2 3; do
		wait "${pids[i]}"
		[ "$(podflare exec sn6-$i cat /root/file)" = before ]
	done
	podflare rm sn6-1 sn6-2 sn6-3
	[ "$(podflare run --from point -- cat /root/file)" = before ]
	run --separate-stderr -125 podflare run --from nosuch -- true
	error_says 'snapshot nosuch'
}

@test "copies are machines of their own" {
	for s in sn1 sn2 sn3; do
		podflare exec $s cat /etc/machine-id >>ids
		podflare exec $s cat /proc/sys/kernel/random/uuid >>random
		podflare exec $s python3 -c 'import os; print(os.urandom(8).hex())' \
			>>random
		[ "$(podflare exec $s hostname)" = $s ]
	done
	[ "$(sort -u ids | wc -l)" -eq 3 ]
	[ "$(sort -u random | wc -l)" -eq 6 ]
	guest=$(podflare exec sn2 date +%s)
	host=$(in_host date +%s)
	[ $((host - guest)) -le 3 ] && [ $((guest - host)) -le 3 ]
}

@test "ls, show, names" {
	podflare snapshot ls | grep -q '^point .*sn1'
	[ "$(podflare -q snapshot ls)" = point ]
	podflare snapshot show point | grep -q '^sandbox *sn1'
	podflare --json snapshot show point | jq -e ".size > 100000"
	[ "$(podflare snapshot create sn1)" = sn1-1 ]
	[ "$(podflare snapshot create sn1)" = sn1-2 ]
	podflare snapshot rm sn1-1 sn1-2
	run --separate-stderr -1 podflare snapshot create sn1 point
	error_says 'point: exists already'
	run --separate-stderr podflare snapshot create sn1 ../point
	[ "$status" -ne 0 ]
	error_says 'not a valid name'
	run --separate-stderr -1 podflare snapshot show nosuch
	error_says nosuch
	run --separate-stderr -1 podflare create --from nosuch
	error_says 'snapshot nosuch'
	run --separate-stderr -2 podflare create --from point --memory 1G
	error_says memory
}

@test "copies live on without it, and without each other" {
	podflare freeze sn3
	podflare snapshot rm point
	podflare rm sn1
	counts sn2
	counts sn3
	podflare freeze sn2
	kill_named podflared
	counts sn2
	[ "$(podflare exec sn2 cat /root/file)" = sn2 ]
}

@test "of a frozen sandbox, which stays so" {
	podflare freeze sn2
	podflare snapshot create sn2 cold
	[ "$(field sn2 .state)" = frozen ]
	counts sn2
	podflare create --from cold -n sn4
	counts sn4
	podflare rm sn4
}

@test "a chain of snapshots and copies" {
	podflare exec sn2 sh -c ': >/root/chain'
	at=sn2
	for i in 1 2 3; do
		podflare exec $at sh -c "echo $i >>/root/chain"
		podflare snapshot create $at chain$i
		podflare create --from chain$i -n sn5-$i
		at=sn5-$i
		[ "$(podflare exec $at cat /root/chain)" = "$(seq $i)" ]
	done
	podflare snapshot rm chain1 chain2 chain3
	[ "$(podflare exec $at cat /root/chain)" = "$(seq 3)" ]
	podflare rm sn5-1 sn5-2 sn5-3
}

# folder SNAPSHOT: where its files lie, for in_host.
folder() {
	local data=${XDG_DATA_HOME:-$HOME/.local/share}

	[ -z "$machine" ] || data=/data/share
	echo "$data/podflare/snapshots/$(podflare --json snapshot show "$1" |
		jq -r .id)"
}

@test "damage is found: nothing is made of it" {
	podflare snapshot create sn2 bad
	dir=$(folder bad)
	at=$(first_data "$dir/memory")
	in_host sh -c 'printf "\377\376" | dd of="$1/memory" bs=1 seek="$2" \
		conv=notrunc 2>/dev/null' sh "$dir" "$at"
	run --separate-stderr -1 podflare create --from bad -n sn4
	error_says "memory file: damaged at $((at / 2097152 * 2)) MiB"
	run --separate-stderr -1 podflare show sn4
	in_host truncate -s 64 "$dir/state"
	run --separate-stderr -1 podflare create --from bad -n sn4
	error_says 'state: '
	in_host rm "$dir/state"
	run --separate-stderr -1 podflare create --from bad -n sn4
	error_says 'state'
	podflare snapshot rm bad
	run --separate-stderr -1 podflare snapshot rm bad
}

@test "kill -9 of the runner while a snapshot is made" {
	for wait in 0.1 0.3 0.6; do
		podflare snapshot create sn2 killed >/dev/null 2>&1 3>&- 4>&- &
		sleep $wait
		kill_named podflared
		wait $! || true
		counts sn2
		# it is there, and good, or it is not there
		if podflare -q snapshot ls | grep -qx killed; then
			podflare create --from killed -n sn4
			counts sn4
			podflare rm sn4
			podflare snapshot rm killed
		fi
	done
	[ -z "$(podflare -q snapshot ls | grep -v cold)" ]
}

@test "what cannot be saved says why" {
	podflare pause sn2
	run --separate-stderr -1 podflare snapshot create sn2
	error_says 'is paused'
	hint_says resume
	podflare resume sn2
	run --separate-stderr -1 podflare snapshot create nosuch
}

# sound SANDBOX: its database is whole, and holds all that it says.
sound() {
	podflare exec "$1" sh -c 'kill -9 "$(cat /root/db.pid)"'
	[ "$(podflare exec "$1" python3 /root/db.py check)" = "ok 1" ]
}

@test "SQLite under load: each snapshot holds a sound database" {
	podflare exec -i sn2 sh -c 'cat >/root/db.py' <<'END'
import os, sqlite3, sys
db = sqlite3.connect("/root/db", isolation_level=None, timeout=30)
if len(sys.argv) > 1:
    print(*db.execute("pragma integrity_check").fetchone(),
          db.execute("select count(*) = max(n) from t").fetchone()[0])
    sys.exit()
db.execute("create table t (n integer primary key, filler text)")
for n in range(1, 10**9):
    db.execute("insert into t values (?, ?)", (n, "x" * 500))
    if n == 1:
        open("/root/db.pid", "w").write(str(os.getpid()))
END
	podflare exec -d sn2 python3 /root/db.py
	wait_until 90 podflare exec sn2 test -s /root/db.pid
	for i in 1 2 3; do
		sleep "0.$((RANDOM % 10))"
		podflare snapshot create sn2 db$i
		podflare create --from db$i -n sn4
		sound sn4
		podflare rm sn4
		podflare snapshot rm db$i
	done
	podflare freeze sn2
	sound sn2
}
