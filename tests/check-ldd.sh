#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/check-ldd.sh - what each program is linked with
#
# The less a program that distrusts its peer is linked with, the less can go
# wrong in it: podflare-vmm has libc and libseccomp alone, the guest's init is
# static and under 1 MiB, and YAML is parsed by the two that read config.yaml.
# shellcheck source=tests/check-lib.bash
. "$(dirname "$0")/check-lib.bash"

# needed FILE: the names of the libraries it is linked with, one a line.
needed() {
	readelf -d "$1" 2>/dev/null |
		sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

# linked PROGRAM REGEX-OF-ALLOWED
linked() {
	local lib

	[ -x "$bin/$1" ] || {
		bad "$1: not built in $bin"
		return
	}
	# Sanitizers bring their own libraries.
	while read -r lib; do
		[[ $lib =~ ^($2|libasan|libubsan)\.so ]] ||
			bad "$1: linked with $lib"
	done < <(needed "$bin/$1")
}

static() {
	local size

	[ -x "$bin/$1" ] || {
		bad "$1: not built in $bin"
		return
	}
	[ -z "$(needed "$bin/$1")" ] || bad "$1: not static"
	readelf -l "$bin/$1" | grep -q INTERP && bad "$1: has an interpreter"
	size=$(stat -c %s "$bin/$1")
	[ "$size" -lt 1048576 ] || bad "$1: $size bytes, 1 MiB or more"
}

check() {
	local libc='libc|libm|libgcc_s|ld-linux-x86-64'

	linked podflare-vmm "$libc|libseccomp"
	linked podflare-net "$libc|libslirp|libglib-2|libseccomp"
	linked podflared "$libc|libjansson|libarchive|libmd|libseccomp|libyaml-0"
	linked podflare-machine "$libc|libjansson|libmd"
	linked podflare-textdiff "$libc|libgit2"
	linked podflare "$libc|libjansson|libarchive|libmd|libyaml-0"
	static podflare-init
}

# program NAME FLAGS...: a tiny program in the self-test's build folder.
program() {
	local name=$1

	shift
	echo 'int main(void) { return 0; }' |
		${CC:-cc} -x c - -Wl,--no-as-needed -o "$bin/$name" "$@"
}

programs() {
	program podflare-vmm
	program podflare-net
	program podflared
	program podflare-machine
	program podflare
	program podflare-textdiff
	program podflare-init -static
}

selftest() {
	bin=$scratch/bin
	mkdir "$bin"
	programs
	expect_good
	program podflare-vmm -lyaml
	expect_bad 'podflare-vmm: linked with libyaml'
	programs
	program podflare-init
	expect_bad 'podflare-init: not static'
	program podflare-init -static
	truncate -s 2M "$bin/podflare-init"
	expect_bad '1 MiB or more'
	rm "$bin/podflared"
	expect_bad 'podflared: not built'
	bin=$build
}

check_main "$@"
