#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/export.bats - snapshot export, import; full disks and kills meanwhile
# seconds: 180
# timeout: 900
load helper

setup_file() {
	create ex1 -e WORD=here --label keep=me
	podflare exec ex1 sh -c 'echo before >/root/file; mkdir /tmp/run'
	podflare exec -d ex1 sh -c \
		'for i in $(seq 100000); do echo $i >/tmp/run/i; sleep 0.1; done'
	wait_until 30 podflare exec ex1 test -s /tmp/run/i
	podflare snapshot create ex1 ex-good
	podflare snapshot export ex-good "$BATS_FILE_TMPDIR/good"
}

teardown_file() {
	[ -z "$machine" ] || in_host rm -f /data/share/filler
	[ -z "$machine" ] || show_image /data/share/podflare/images
	podflare rm -f ex1 ex2 ex3
	for s in $(podflare -q snapshot ls | grep '^ex'); do
		podflare snapshot rm "$s"
	done
}

# counts SANDBOX: what was running at the snapshot runs on.
counts() {
	podflare exec "$1" timeout 30 sh -c 'until i=$(cat /tmp/run/i); [ -n "$i" ]
		do :; done
		until [ "0$(cat /tmp/run/i)" -gt "$i" ]; do sleep 0.1; done'
}

# works SNAPSHOT: a copy of it goes on.
works() {
	podflare create --from "$1" -n ex2
	counts ex2
	[ "$(podflare exec ex2 sh -c 'cat /root/file; echo $WORD')" = \
		$'before\nhere' ]
	[ "$(field ex2 .labels.keep)" = me ]
	podflare rm ex2
}

# folders: what there is of snapshots, for comparison.
folders() {
	local data=${XDG_DATA_HOME:-$HOME/.local/share}

	[ -z "$machine" ] || data=/data/share
	in_host ls -A "$data/podflare/snapshots"
}

@test "to a file, and back" {
	[ "$(stat -c %a "$BATS_FILE_TMPDIR/good")" = 600 ]
	# not as large as the memory, let alone the disk
	[ "$(stat -c %s "$BATS_FILE_TMPDIR/good")" -lt $((150 << 20)) ]
	run --separate-stderr -1 podflare snapshot import "$BATS_FILE_TMPDIR/good"
	error_says 'snapshot ex-good: exists already'
	hint_says 'another name'
	[ "$(podflare snapshot import "$BATS_FILE_TMPDIR/good" ex-other)" = ex-other ]
	podflare --json snapshot show ex-other |
		jq -e '.how == "import" and .sandbox_name == "ex1"'
	works ex-other
	podflare snapshot rm ex-good
	[ "$(podflare snapshot import "$BATS_FILE_TMPDIR/good")" = ex-good ]
	works ex-good
	podflare snapshot rm ex-other
}

@test "through pipes, also over a byte stream to the runner" {
	podflare snapshot export ex-good | podflare snapshot import - ex-pipe
	works ex-pipe
	podflare snapshot rm ex-pipe
	podflare -H 'exec:podflare dial-stdio' snapshot export ex-good - |
		podflare -H 'exec:podflare dial-stdio' snapshot import - ex-pipe
	works ex-pipe
	podflare snapshot rm ex-pipe
	podflare snapshot export ex-good /dev/null
}

@test "of a snapshot that is a copy's, after a while of use" {
	podflare create --from ex-good -n ex3
	podflare exec ex3 sh -c 'head -c 5000000 /dev/urandom >/root/big; sync
		sha256sum </root/big >/root/sum; rm /root/file'
	podflare freeze ex3
	podflare snapshot create ex3 ex-used
	podflare rm ex3
	podflare snapshot export ex-used | podflare snapshot import - ex-used2
	podflare snapshot rm ex-used
	podflare create --from ex-used2 -n ex3
	counts ex3
	podflare exec ex3 sh -c 'sha256sum </root/big | diff - /root/sum &&
		test ! -e /root/file'
	podflare rm ex3
	podflare snapshot rm ex-used2
}

# flip FILE OFFSET: one bit of it.
flip() {
	v=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf "\\$(printf %03o $((v ^ 4)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

@test "damage: refused, and nothing is left" {
	before=$(folders)
	size=$(stat -c %s "$BATS_FILE_TMPDIR/good")
	cp "$BATS_FILE_TMPDIR/good" bad
	for at in 3 9 14 30 600 5000 $((size / 2)) $((size - 3)); do
		flip bad $at
		run --separate-stderr podflare snapshot import bad ex-bad
		[ "$status" -eq 1 ] || [ $at -le 8 ]
		[ "$status" -ne 0 ]
		error_says ''
		flip bad $at
	done
	cmp bad "$BATS_FILE_TMPDIR/good"
	flip bad 9
	run --separate-stderr -1 podflare snapshot import bad ex-bad
	error_says 'of format 1025, this podflare knows 1'
	for n in 0 10 100 3000 $((size / 2)) $((size - 1)); do
		head -c $n "$BATS_FILE_TMPDIR/good" >short
		run --separate-stderr podflare snapshot import short ex-bad
		[ "$status" -ne 0 ]
	done
	error_says 'snapshot ex-bad: cannot be imported: it was cut short'
	run --separate-stderr -2 podflare snapshot import /etc/passwd
	error_says 'not an exported snapshot'
	run --separate-stderr -1 podflare snapshot import nosuch
	error_says nosuch
	run --separate-stderr -1 podflare snapshot import .
	error_says 'Is a directory'
	[ "$(folders)" = "$before" ]
	[ "$(podflare -q snapshot ls)" = ex-good ]
}

# show_image: bring back what the next test hides.
show_image() {
	in_host sh -c 'cd "$1" && for i in .hidden-*; do
		[ ! -e "$i" ] || mv "$i" "${i#.hidden-}"; done' sh "$1"
}

@test "an image that is not there is named" {
	[ -n "$machine" ] || skip "the images are this host's own"
	store=/data/share/podflare/images
	digest=$(podflare --json snapshot show ex-good | jq -r .image_digest)
	in_host mv "$store/$digest" "$store/.hidden-$digest"
	run --separate-stderr env XDG_DATA_HOME="$PWD/none" timeout 60 podflare \
		-H "exec:env XDG_DATA_HOME=$XDG_DATA_HOME podflare dial-stdio" \
		snapshot import "$BATS_FILE_TMPDIR/good" ex-img
	show_image "$store"
	[ "$status" -eq 1 ]
	error_says "its image default ($digest) is not here"
	hint_says "$digest"
	works ex-good
}

@test "a full disk where the file goes" {
	mkdir small
	run --separate-stderr -1 own_mounts sh -c '
		mount -t tmpfs -o size=1M tmpfs small
		timeout 60 podflare snapshot export ex-good small/file
		rc=$?
		ls -A small
		exit $rc'
	error_says 'No space left on device'
	[ -z "$output" ]
	run --separate-stderr -1 podflare snapshot export ex-good nosuch/file
	error_says nosuch/file
	run --separate-stderr -1 podflare snapshot export nosuch file
	[ ! -e file ]
}

@test "a full disk under the runner: snapshot, freeze, reset, import" {
	[ -n "$machine" ] || skip "the disk is this host's own"
	create ex3 --memory 384M
	podflare exec -d ex3 python3 -c 'import os, time
x = os.urandom(120 << 20)
open("/tmp/ready", "w")
time.sleep(1000)'
	wait_until 60 podflare exec ex3 test -e /tmp/ready
	podflare snapshot create ex3 ex-big
	podflare snapshot export ex-big big
	podflare snapshot rm ex-big
	pid=$(field ex3 .pid)
	before=$(folders)
	in_host sh -c 'set -- $(df -P -m /data | tail -n 1)
		fallocate -l $(($4 - 90))M /data/share/filler'
	run --separate-stderr -1 podflare snapshot create ex3 ex-big
	error_says 'No space left'
	run --separate-stderr -1 podflare freeze ex3
	error_says 'No space left'
	run --separate-stderr -1 podflare reset ex3 ex-good
	error_says 'ex3: not reset: '
	error_says 'No space left'
	run --separate-stderr -1 podflare snapshot import big
	error_says 'No space left'
	[ "$(folders)" = "$before" ]
	[ "$(field ex3 .pid)" = "$pid" ]
	[ "$(field ex3 .state)" = running ]
	podflare exec ex3 test -e /tmp/ready
	in_host rm /data/share/filler
	[ "$(podflare snapshot import big)" = ex-big ]
	podflare rm ex3
	podflare snapshot rm ex-big
}

@test "Ctrl-C: no file, no snapshot" {
	before=$(folders)
	for wait in 0.1 0.3; do
		env --default-signal=INT podflare snapshot export ex-good out &
		sleep $wait
		kill -INT $! || true
		rc=0
		wait $! || rc=$?
		# a file that is there is whole
		[ $rc -eq 130 ] || [ $rc -eq 0 ]
		[ $rc -eq 0 ] || [ ! -e out ]
		[ ! -e out ] || cmp out "$BATS_FILE_TMPDIR/good"
		rm -f out
		env --default-signal=INT podflare snapshot import \
			"$BATS_FILE_TMPDIR/good" ex-int >/dev/null &
		sleep $wait
		kill -INT $! || true
		rc=0
		wait $! || rc=$?
		[ $rc -eq 0 ] || wait_until 30 no_other
		[ $rc -ne 0 ] || podflare snapshot rm ex-int
	done
	[ "$(folders)" = "$before" ]
	[ -z "$(ls -A)" ]
}

no_other() {
	[ "$(podflare -q snapshot ls)" = ex-good ] && [ "$(folders | wc -l)" -eq 1 ]
}

@test "kill -9 of the runner meanwhile" {
	podflare snapshot export ex-good out 2>err &
	sleep 0.2
	kill_named podflared
	rc=0
	wait $! || rc=$?
	[ $rc -eq 0 ] || [ ! -e out ]
	for wait in 0.2 0.6; do
		podflare snapshot import "$BATS_FILE_TMPDIR/good" ex-kill \
			>/dev/null 2>&1 &
		sleep $wait
		kill_named podflared
		wait $! || true
		# it is there, and good, or it is not there
		if podflare -q snapshot ls | grep -qx ex-kill; then
			works ex-kill
			podflare snapshot rm ex-kill
		fi
		no_other
	done
	counts ex1
}

@test "what makes no sense is refused" {
	run --separate-stderr -2 podflare snapshot export
	run --separate-stderr -2 podflare snapshot import a b c
	run --separate-stderr podflare snapshot import - </dev/null
	[ "$status" -ne 0 ]
	error_says 'it is empty'
	run --separate-stderr podflare snapshot import \
		"$BATS_FILE_TMPDIR/good" ../x
	[ "$status" -ne 0 ]
	error_says 'not a valid name'
}
