#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/check-words.sh - words that must not stand in the tree
#
# Open ends, hosts of package registries (a user's sources are the user's), and
# absolute paths of somebody's machine.
# shellcheck source=tests/check-lib.bash
. "$(dirname "$0")/check-lib.bash"

# In pieces, so that this file is not its own first finding.
open_ends='TO''DO|FIX''ME|\bXX''X\b|\bHA''CK\b|not imple''mented|unimple''mented'
registries='([a-z]+\.)(deb''ian|npm''js|ub''untu)\.(org|com)|py''pi\.org'
registries+='|python''hosted\.org|crates\.i''o|docker\.i''o|ghcr\.i''o|quay\.i''o'
registries+='|proxy\.gol''ang\.org'
machines='(^|[^A-Za-z0-9_.$}])/(wo''rk|fa''rm|home/[a-z]+|Us''ers)/'

# scan WHAT REGEX FILE...
scan() {
	local what=$1 regex=$2 line

	shift 2
	while read -r line; do
		bad "$what: $line"
	done < <(cd "$tree" && grep -nIE -- "$regex" "$@" /dev/null)
}

check() {
	local code all

	mapfile -t code < <(sources '*.c' '*.h' '*.sh' '*.bash' '*.bats' \
		'*.mk' '*.ac' '*.am' quickstart runtests)
	mapfile -t all < <(sources '*')
	[ ${#code[@]} -eq 0 ] || scan 'an open end' "$open_ends" "${code[@]}"
	[ ${#all[@]} -eq 0 ] && return
	scan "a registry's host" "$registries" "${all[@]}"
	scan "a path of one machine" "$machines" "${all[@]}"
}

selftest() {
	echo 'int a; /* see /usr/share/doc, $HOME/x, ./work/y */' | put a.c
	expect_good
	echo "/* TO""DO: more */" | put a.c
	expect_bad 'an open end: a.c:1'
	echo "deb http://x.deb""ian.org stable" | put images/a.yaml
	expect_bad "a registry's host: images/a.yaml:1"
	echo "see /wo""rk/x" | put README.md
	expect_bad 'a path of one machine: README.md:1'
}

check_main "$@"
