#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/check-man.sh - mandoc -T lint finds nothing in the manual pages
# shellcheck source=tests/check-lib.bash
. "$(dirname "$0")/check-lib.bash"

check() {
	local line list

	command -v mandoc >/dev/null || {
		bad "mandoc is not installed"
		return
	}
	mapfile -t list < <(sources '*.[1-9]' | grep '^man/')
	[ ${#list[@]} -gt 0 ] || {
		bad "no manual page in man/"
		return
	}
	# References to pages that are not installed yet are no fault.
	while read -r line; do
		bad "$line"
	done < <(cd "$tree" && mandoc -T lint -W warning "${list[@]}" 2>&1 |
		grep -v 'referenced manual not found')
}

selftest() {
	put man/a.1 <<-'END'
	.Dd January 1, 2026
	.Dt A 1
	.Os
	.Sh NAME
	.Nm a
	.Nd do it
	.Sh DESCRIPTION
	Text.
	END
	expect_good
	put man/a.1 <<-'END'
	.Dd January 1, 2026
	.Dt A 1
	.Os
	.Sh NAME
	.Nm a
	.Nd do it
	.Sh DESCRIPTION
	.Bl -tag
	.It a
	END
	expect_bad 'man/a.1:'
	expect_bad 'no manual page'
}

check_main "$@"
