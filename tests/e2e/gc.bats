#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/gc.bats - what nobody needs goes; damage is found
# seconds: 60
# timeout: 900
# shellcheck disable=SC2154
load helper

store=${XDG_DATA_HOME:-$HOME/.local/share}/podflare
[ -z "$machine" ] || store=/data/share/podflare

setup_file() {
	create gc1 --disk 300M
	podflare snapshot create gc1 gcsnap
}

teardown_file() {
	podflare snapshot rm gcsnap
	podflare rm -f gc1
}

# spoil FILE OFFSET: another byte there, or back again.
spoil() {
	in_host sh -c 'old=$(dd if="$1" bs=1 skip="$2" count=1 2>/dev/null |
			od -An -tu1)
		printf "\\$(printf %o $((old ^ 16)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null' \
		sh "$store/$1" "$2"
}

# damage FILE CURE: that is what `gc --check` finds.
damage() {
	run --separate-stderr -1 podflare gc --check
	[[ $output == *"$1: "*"cure: "*"$2"* ]] || {
		echo "not in: $output $stderr"
		return 1
	}
	error_says "damaged"
}

snapshot_folder() {
	echo "snapshots/$(podflare --json snapshot show gcsnap | jq -r .id)"
}

@test "leftovers are named, removed, and nothing else is" {
	podflare gc
	in_host sh -c 'cd "$1/sandboxes" && mkdir 0123456789ab .rm-123456789abc &&
		echo left >0123456789ab/console.log &&
		echo left >"$2/disk.live.tmp"' sh "$store" "$(field gc1 .id)"
	run -0 --separate-stderr podflare gc --dry-run
	[[ $output == *"sandboxes/0123456789ab"* ]]
	[[ $output == *"sandboxes/.rm-123456789abc"* ]]
	[[ $output == *"disk.live.tmp"* ]]
	stderr_says "3 things would be removed"
	podflare --json gc | jq -e '(.removed | length) == 3 and .bytes > 0'
	run -0 --separate-stderr podflare gc
	[ -z "$output" ]
	stderr_says "0 things removed"
	[ "$(podflare exec gc1 echo runs)" = runs ]
}

@test "a store that is whole is whole, also while sandboxes work" {
	time_limit 800
	podflare exec gc1 sh -c 'dd if=/dev/zero of=/root/big bs=64k count=200' \
		2>/dev/null &
	pid=$!
	podflare gc --check
	wait $pid
	podflare --json gc --check | jq -e '.damage == [] and .layers > 0 and
		.memories > 0 and .images > 0 and .bytes > 0'
}

@test "one bit of a snapshot's memory" {
	time_limit 800
	dir=$(snapshot_folder)
	at=$(in_host cmp "$store/$dir/memory" /dev/zero 2>&1 |
		sed -n 's/.*\(char\|byte\) \([0-9]*\),.*/\2/p')
	[ -n "$at" ]
	spoil "$dir/memory" $((at - 1))
	damage "gcsnap: $dir/memory" "podflare snapshot rm gcsnap"
	spoil "$dir/memory" $((at - 1))
	podflare gc --check
}

@test "a layer that is cut, and one whose bitmap is wrong" {
	time_limit 800
	dir=$(snapshot_folder)
	layer=$(in_host ls "$store/$dir" | grep -m1 '^disk.*cow$')
	size=$(in_host stat -c %s "$store/$dir/$layer")
	spoil "$dir/$layer" 24
	damage "$dir/$layer" ""
	spoil "$dir/$layer" 24
	# behind the last cluster
	spoil "$dir/$layer" $((4096 + 12287))
	damage "$dir/$layer" ""
	spoil "$dir/$layer" $((4096 + 12287))
	in_host truncate -s $((size - 4096)) "$store/$dir/$layer"
	damage "$dir/$layer" ""
	in_host truncate -s "$size" "$store/$dir/$layer"
	podflare gc --check
	[ "$(podflare exec gc1 echo runs)" = runs ]
}

@test "what cannot be asked for" {
	run --separate-stderr -2 podflare gc --check --dry-run
	error_says "--check"
	run --separate-stderr -2 podflare gc everything
}
