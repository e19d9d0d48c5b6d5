#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/check-help.sh - `podflare CMD -h` and the manual pages say the same
#
# From `podflare --dump-options` (tab-separated: command NAME SUMMARY; synopsis
# NAME TEXT; option NAME LETTER LONG ARG HELP): each command has a page, the page's
# SYNOPSIS holds the command's own line, and each option stands in the page.
# shellcheck source=tests/check-lib.bash
. "$(dirname "$0")/check-lib.bash"

podflare=$build/podflare

# text PAGE [SECTION]: the page as plain words, one space between.
text() {
	mandoc -T ascii -O width=1000 "$1" | sed 's/.\x08//g' |
		awk -v section="${2:-}" '
			/^[A-Z]/ { inside = (section == "" || $0 == section) }
			inside { print }' | tr -s ' \t\n' ' '
}

# page NAME: the file of "image build": its own or its parent's.
page() {
	local name=podflare-${1// /-}

	[ "$1" != - ] || name=podflare
	while [ ! -f "$tree/man/$name.1" ]; do
		case $name in
		podflare-*-*) name=${name%-*} ;;
		*) return 1 ;;
		esac
	done
	echo "$tree/man/$name.1"
}

check() {
	local kind name a b file usage

	[ -x "$podflare" ] || {
		bad "$podflare: not built"
		return
	}
	while IFS=$'\t' read -r kind name a b _; do
		case $kind in
		command | synopsis | option) ;;
		*) bad "--dump-options: what is '$kind'?" && continue ;;
		esac
		file=$(page "$name") || {
			[ "$kind" != command ] || bad "$name: no manual page"
			continue
		}
		case $kind in
		synopsis)
			case $(text "$file" SYNOPSIS) in
			*"$a"*) ;;
			*) bad "$name: the page's SYNOPSIS is not: $a" ;;
			esac
			[ "$name" != - ] || continue
			# shellcheck disable=SC2086
			usage=$("$podflare" $name -h </dev/null 2>&1 |
				tr -s ' \t\n' ' ')
			case $usage in
			*"usage: $a "*) ;;
			*) bad "$name -h does not begin with its synopsis" ;;
			esac
			;;
		option)
			[ "$a" = - ] || case $(text "$file") in
			*"$a"[!a-z-]*) ;;
			*) bad "$name: $a is not in its page" ;;
			esac
			[ "$b" = - ] || case $(text "$file") in
			*"$b"[!a-z-]*) ;;
			*) bad "$name: $b is not in its page" ;;
			esac
			;;
		esac
	done < <("$podflare" --dump-options)
}

# fake SYNOPSIS-OF-PAGE OPTION-OF-PAGE
fake() {
	put podflare <<-'END'
	#!/bin/sh
	case $1 in
	--dump-options)
		printf 'command\tcreate\tMake one\n'
		printf 'synopsis\tcreate\tpodflare create [-n NAME]\n'
		printf 'option\tcreate\t-n\t--name\tNAME\tname it\n' ;;
	*) printf 'usage: podflare create\n   [-n NAME]\n\nMake one.\n' ;;
	esac
	END
	chmod +x "$tree/podflare"
	put man/podflare-create.1 <<-END
	.Dd January 1, 2026
	.Dt PODFLARE-CREATE 1
	.Os
	.Sh NAME
	.Nm podflare-create
	.Nd make one
	.Sh SYNOPSIS
	$1
	.Sh OPTIONS
	.Bl -tag -width Ds
	.It Fl n , Fl -$2 Ar NAME
	Its name.
	.El
	END
}

selftest() {
	podflare=$tree/podflare
	fake 'podflare create [-n NAME]' name
	expect_good
	fake 'podflare create' name
	expect_bad "create: the page's SYNOPSIS is not"
	fake 'podflare create [-n NAME]' names
	expect_bad 'create: --name is not in its page'
	fake 'podflare create [-n NAME]' name
	rm "$tree/man/podflare-create.1"
	expect_bad 'create: no manual page'
	podflare=$build/podflare
}

check_main "$@"
