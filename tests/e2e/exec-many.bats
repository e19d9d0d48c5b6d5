#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/exec-many.bats - 1,000 commands in one sandbox, none lost
# seconds: 90
# timeout: 900
load helper

@test "1,000 execs: every answer and every exit code arrives" {
	time_limit 880
	create many1
	: >wrong
	# Four at a time: a runner serves callers beside each other.
	for lane in 0 1 2 3; do
		(
			set +e
			for i in $(seq $lane 4 999); do
				got=$(podflare exec many1 sh -c \
					"echo $i; exit $((i % 100))" 3>&- 4>&-)
				rc=$?
				[ "$got/$rc" = "$i/$((i % 100))" ] ||
					echo "$i: '$got', $rc" >>wrong
				echo "$i" >>"done.$lane"
			done
		) &
		lanes[lane]=$!
	done
	for lane in 0 1 2 3; do
		wait "${lanes[lane]}"
	done
	cat wrong
	[ ! -s wrong ]
	[ "$(cat done.* | sort -n | uniq | wc -l)" = 1000 ]
	# Nothing of them is left in the guest or on the connection.
	podflare --json show many1 | jq -e '.sessions | length <= 1'
	podflare rm many1
}
