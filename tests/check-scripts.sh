#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/check-scripts.sh - shellcheck, level warning, for every script
# shellcheck source=tests/check-lib.bash
. "$(dirname "$0")/check-lib.bash"

check() {
	local file line list=()

	command -v shellcheck >/dev/null || {
		bad "shellcheck is not installed"
		return
	}
	while read -r file; do
		case $file in
		*.sh | *.bash | *.bats) list+=("$file") ;;
		*.md | *.c | *.h) ;;
		*) head -c 64 "$tree/$file" | head -n 1 |
			grep -qaE '^#!.*[/ ](ba|da)?sh' && list+=("$file") ;;
		esac
	done < <(sources '*')
	[ ${#list[@]} -gt 0 ] || return
	while read -r line; do
		bad "$line"
	done < <(cd "$tree" && shellcheck -x -S warning -f gcc "${list[@]}")
}

selftest() {
	printf '#!/bin/sh\necho "$1"\n' | put ok
	expect_good
	printf '#!/bin/sh\ncd /tmp/x\nls\n' | put tool
	expect_bad 'tool:2'
	printf '#!/usr/bin/env bats\n@test "a" {\n\tx=$(ls)\n}\n' | put a.bats
	expect_bad 'a.bats:3'
}

check_main "$@"
