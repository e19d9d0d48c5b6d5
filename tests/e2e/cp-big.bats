#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/cp-big.bats - 64 MiB both ways; many small files
# seconds: 30
load helper

setup_file() {
	create big1
}

teardown_file() {
	podflare rm -f big1
}

@test "64 MiB in and out with equal checksums" {
	time_limit 220
	head -c $((64 * 1048576)) /dev/urandom >big
	podflare cp big big1:/root/big
	want=$(sha256sum <big)
	[ "$(podflare exec big1 sh -c 'sha256sum </root/big')" = "$want" ]
	podflare cp big1:/root/big back
	[ "$(sha256sum <back)" = "$want" ]
}

@test "500 small files in one folder" {
	mkdir many
	for i in $(seq 500); do
		echo "file $i" >"many/$i"
	done
	podflare cp many big1:/root/many
	podflare cp big1:/root/many back
	diff -r many back
}

@test "a full disk in the guest is an error that says so" {
	create big2 --disk 64M
	head -c $((80 * 1048576)) /dev/zero | tr '\0' z >big
	run --separate-stderr -1 podflare cp big big2:/root/big
	stderr_says "pace"
	podflare exec big2 true
	podflare rm big2
}

@test "a full disk on our side is an error that leaves no partial file" {
	(
		ulimit -f 2048
		trap '' XFSZ
		timeout 100 podflare cp big1:/root/big small 2>err
	) && return 1
	grep -q 'podflare: error: ' err
	[ ! -e small ]
}
