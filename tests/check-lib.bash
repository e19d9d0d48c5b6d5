# SPDX-License-Identifier: MIT
# tests/check-lib.bash - what every check script shares; sourced by check-*.sh
#
# A check script defines two functions and calls check_main:
#   check      looks at the tree in $tree, calls `bad MESSAGE` for each fault
#   selftest   makes small trees with `put`, and says with `expect_good` and
#              `expect_bad PATTERN` what check must find in them: a check that
#              cannot fail proves nothing
# Output is TAP, one line for the self-test, one for the tree.
# shellcheck shell=bash

set -u
LC_ALL=C
export LC_ALL

check_name=$(basename "$0" .sh)
root=${srcdir:-$(dirname "$0")/..}
root=$(cd "$root" && pwd)
export build=${PODFLARE_BUILD:-$PWD}
tree=$root
faults=
selftest_faults=

# bad MESSAGE: the tree breaks the rule.
bad() {
	faults+="$1"$'\n'
}

# sources PATTERN...: files of the tree by name, without what a build makes.
sources() {
	local names=() p

	for p; do
		names+=(-o -name "$p")
	done
	(cd "$tree" && find . \( -name .git -o -name 'build*' -o \
		-name autom4te.cache -o -path ./configure -o -path ./configure~ -o \
		-path ./aclocal.m4 -o -path ./Makefile.in -o \
		-path './config.h*' -o -path './config.[ls]*' \) -prune -o -type f \
		\( "${names[@]:1}" \) -print | sed 's|^\./||' | sort)
}

# put FILE: standard input becomes FILE of the self-test's tree.
put() {
	mkdir -p "$(dirname "$tree/$1")"
	cat >"$tree/$1"
}

fresh() {
	rm -rf "${tree:?}"
	mkdir -p "$tree"
}

expect_good() {
	faults=
	check
	[ -z "$faults" ] || selftest_faults+="a good tree is refused: $faults"
	fresh
}

expect_bad() {
	faults=
	check
	case $faults in
	*$1*) ;;
	*) selftest_faults+="not found: $1; found: ${faults:-nothing}"$'\n' ;;
	esac
	fresh
}

# result NUMBER NAME FAULTS
result() {
	if [ -z "$3" ]; then
		echo "ok $1 - $check_name: $2"
		return 0
	fi
	echo "not ok $1 - $check_name: $2"
	printf '%s' "$3" | sed -n '1,40s/^/# /p'
	return 1
}

check_main() {
	local rc=0 scratch

	echo 1..2
	scratch=$(mktemp -d)
	# shellcheck disable=SC2064
	trap "rm -rf '$scratch'" EXIT
	tree=$scratch/t
	fresh
	selftest
	result 1 "finds what it is for" "$selftest_faults" || rc=1
	tree=${1:-$root}
	faults=
	check
	result 2 "the tree" "$faults" || rc=1
	exit $rc
}
