#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/check-sizes.sh - small files: .c median <= 220, none > 500; .h <= 120
# shellcheck source=tests/check-lib.bash
. "$(dirname "$0")/check-lib.bash"

# The contracts between processes are read as a whole, however long.
contracts='^(common/agent|runner/vmm/control)\.h$'

check() {
	local file lines max median all=()

	while read -r file; do
		lines=$(wc -l <"$tree/$file")
		max=500
		case $file in
		*.c) all+=("$lines") ;;
		*) max=120 ;;
		esac
		[[ $file =~ $contracts ]] && continue
		[ "$lines" -le $max ] || bad "$file: $lines lines, over $max"
	done < <(sources '*.c' '*.h')
	median=$(printf '%s\n' "${all[@]:-0}" | sort -n |
		awk '{ l[NR] = $1 } END { print l[int((NR + 1) / 2)] }')
	[ "$median" -le 220 ] || bad "median of the .c files: $median, over 220"
}

selftest() {
	seq 500 | put a.c
	seq 10 | put b.c
	seq 120 | put b.h
	seq 300 | put common/agent.h
	expect_good
	seq 501 | put a.c
	seq 10 | put b.c
	expect_bad 'a.c: 501 lines'
	seq 121 | put a.h
	expect_bad 'a.h: 121 lines'
	seq 221 | put a.c
	seq 221 | put b.c
	seq 10 | put c.c
	expect_bad 'median of the .c files: 221'
}

check_main "$@"
