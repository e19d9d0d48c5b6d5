#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/disk-full.bats - a full disk of the host: create, run, image build
# seconds: 120
# timeout: 900
load helper

# on_small_disk SIZE FOLDER COMMAND...: with a small file system at FOLDER.
on_small_disk() {
	mkdir -p "$2"
	own_mounts sh -c 'mount -t tmpfs -o "size=$1,mode=755" tmpfs "$2" && shift 2 &&
		exec "$@"' sh "$@"
}

teardown() {
	[ ! -d run ] || end_runner
	exec 7>&-
	[ -z "$machine" ] || [ -d run ] || room
	watchdog_stop
}

# ---- the runner

@test "no room for a sandbox: create says so and leaves nothing" {
	own_runner
	run --separate-stderr -1 on_small_disk 60M data sh -c '
		mkdir data/podflare
		ln -s "$1" data/podflare/images
		podflare create -n full1
		rc=$?
		ls -A data/podflare/sandboxes data/podflare/disks
		exit $rc' sh "${images:?}"
	error_says "$PWD/data/podflare: the disk is full"
	hint_says XDG_DATA_HOME
	[ "$output" = "data/podflare/disks:

data/podflare/sandboxes:" ]
}

@test "no room for a runner: it does not start, and says why" {
	own_runner
	run --separate-stderr -1 on_small_disk 8M data podflare ls
	error_says "cannot start the runner: $PWD/data/podflare: the disk is full"
	hint_says XDG_DATA_HOME
	[ ! -S run/podflare/runner.sock ]
}

# ---- image build

# build_on SIZE FOLDER: a build of the smallest image, with a full disk there.
build_on() {
	printf 'name: full\nfrom: debian:bookworm\n' >x.yaml
	mkdir -p tmp data
	chmod 755 . tmp
	export TMPDIR=$PWD/tmp XDG_DATA_HOME=$PWD/data
	time_limit 200
	run --separate-stderr -1 on_small_disk "$1" "$2" sh -c '
		podflare image build x.yaml
		rc=$?
		find data tmp -mindepth 1 -name ".tmp-*" -o \
			-mindepth 1 -name "podflare-build-*"
		exit $rc'
	# no name of an image, no left folder
	[ -z "$output" ]
	hint_says 'a build wants 2 GiB in'
	! grep -q podflare-build- /proc/mounts
}

@test "image build: no room to unpack the kernel" {
	build_on 8M tmp
	error_says 'No space left on device'
}

@test "image build: no room to unpack packages" {
	[ "$(id -u)" -eq 0 ] || skip "a user's build has no namespace to nest in"
	build_on 150M tmp
	error_says 'the disk is full'
}

@test "image build: no room for the kernel in the store" {
	build_on 8M data
	error_says 'No space left on device'
}

@test "image build: no room for the root file system in the store" {
	[ "$(id -u)" -eq 0 ] || skip "a user's build has no namespace to nest in"
	build_on 100M data
	error_says 'the disk is full'
}

# ---- guests

# small_host: natively, a runner of our own whose disk is a small one, made by a
# shell that lives in its mount namespace.
small_host() {
	[ -z "$machine" ] || return 0
	own_runner
	rm -r data
	mkfifo shell
	on_small_disk 2G data sh shell 3>&- &
	exec 7>shell
	echo "mkdir data/podflare && ln -s '${images:?}' data/podflare/images &&
		podflare ls && : >up" >&7
	wait_until 30 test -e up
}

# room [MIB]: so much is left where sandboxes lie; else much again.
room() {
	if [ -n "$machine" ]; then
		in_host sh -c 'rm -f /data/share/filler
			[ -n "$1" ] || exit 0
			keep=$1
			set -- $(df -P -m /data | tail -n 1)
			fallocate -l $(($4 - keep))M /data/share/filler' sh "${1:-}"
	else
		rm -f ready
		echo "mount -o remount,size=\$((\$(du -sm data | cut -f1) + \
			${1:-2000}))M data && : >ready" >&7
		wait_until 10 test -e ready
	fi
}

@test "the disk becomes full under a guest: told, and the others go on" {
	small_host
	create full2
	create full3
	room 30
	# once its ext4 has given up, Linux may let a writer wait for ever
	run --separate-stderr podflare exec --timeout 20s full2 sh -c \
		'head -c 100M /dev/zero >/root/fill && sync /root/fill'
	[ "$status" -ne 0 ]
	[[ $(field full2 .reason) == *"the host's disk is full"* ]]
	[ "$(podflare exec full3 echo alive)" = alive ]
	podflare rm full2 full3
	room
	create full2
	podflare rm full2
}

# ---- the emulated machine

@test "no room under the emulated machine: told, and it goes on afterwards" {
	[ -n "$machine" ] || skip "this processor needs no emulated machine"
	time_limit 200
	own_runner
	export PODFLARE_MACHINE=always PODFLARE_MACHINE_MEMORY=2G
	mkdir -p data/podflare/machine
	mkfifo shell
	on_small_disk 200M data/podflare/machine sh shell 3>&- &
	shell=$!
	exec 7>shell
	echo 'podflare machine start && : >up' >&7
	wait_until 60 test -e up
	run --separate-stderr -1 podflare create -n full4 --memory 192M
	error_says "the host's disk is full, the emulated machine stands still"
	hint_says 'free some space'
	run --separate-stderr -1 podflare ls
	error_says "the host's disk is full"
	[[ $(podflare machine status) == *stalled* ]]
	echo 'mount -o remount,size=2G data/podflare/machine' >&7
	wait_until 30 podflare ls
	create full4
	podflare rm full4
	podflare machine stop
	exec 7>&-
	wait $shell
}
