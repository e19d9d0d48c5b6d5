# SPDX-License-Identifier: MIT
# tests/host.bash - packages, builds and progress, for quickstart and runtests
#
# Sourced with $top set to the tree. Everything it runs keeps its output in a log;
# a person sees one line per step, and the log's end when a step fails.
# shellcheck shell=bash disable=SC2034,SC2154

packages_build=(gcc libc6-dev make autoconf automake pkg-config
	libjansson-dev libyaml-dev libarchive-dev libseccomp-dev libmd-dev
	libgit2-dev libslirp-dev musl-tools)
packages_image=(mmdebstrap squashfs-tools e2fsprogs)
packages_test=(libcmocka-dev bats shellcheck mandoc expect jq procps
	xz-utils)
packages_machine=(qemu-system-x86 busybox-static)

say() {
	printf '==> %s\n' "$*"
}

# die WHAT [CURE]
die() {
	printf '%s: error: %s\n' "${0##*/}" "$1" >&2
	[ -z "${2:-}" ] || printf 'hint: %s\n' "$2" >&2
	exit 1
}

# tick TEXT: that it takes time: on a terminal the seconds, elsewhere a dot every
# 5 s.  Ctrl-C does not reach it, so it looks whether this script still runs.
tick() {
	local start=$SECONDS timer seconds=5

	exec {timer}<> <(:)
	[ ! -t 1 ] || seconds=1
	until read -rt $seconds -u "$timer" || [ ! -d /proc/$$ ]; do
		if [ -t 1 ]; then
			printf '\r==> %s ... %d s' "$1" $((SECONDS - start))
		else
			printf .
		fi
	done
}

# step TEXT LOG COMMAND...: run it with its output in LOG.
step() {
	local text=$1 log=$2 rc=0 start=$SECONDS ticker

	shift 2
	printf '==> %s ...' "$text"
	tick "$text" &
	ticker=$!
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	kill "$ticker" 2>/dev/null
	wait "$ticker" 2>/dev/null
	[ ! -t 1 ] || printf '\r==> %s ...' "$text"
	if [ $rc -eq 0 ]; then
		printf ' %d s\n' $((SECONDS - start))
		return 0
	fi
	printf ' failed (exit code %d); the end of %s:\n' $rc "${log#"$top"/}"
	tail -n 30 "$log" | sed 's/^/    /'
	return $rc
}

# Whether guests run on this processor directly; if not, $no_virt says why. Where
# it could, but /dev/kvm is not there or not ours, podflare is told to use the
# emulated machine.
hardware_virt() {
	no_virt='no hardware virtualization here'
	grep -qE '^flags\s*:.* (vmx|svm)( |$)' /proc/cpuinfo || return 1
	[ -r /dev/kvm ] && [ -w /dev/kvm ] && return
	no_virt='/dev/kvm cannot be opened (see build/podflare doctor)'
	export PODFLARE_MACHINE=always
	return 1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

may_be_root() {
	[ "$(id -u)" -ne 0 ] || return 0
	command -v sudo >/dev/null || return
	sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }
}

apt() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o DPkg::Lock::Timeout=120 "$@"
}

# One stale source among many fails an update; whether it matters shows then.
apt_install() {
	apt update
	apt install --no-install-recommends "$@"
}

# Install those of the named packages that are not; silent when all are there.
packages_install() {
	local missing=() p have

	have=$(dpkg-query -W -f '${binary:Package} ${db:Status-Status}\n' "$@" \
		2>/dev/null | sed -n 's/\(:[a-z0-9]*\)\{0,1\} installed$//p')
	for p; do
		grep -qxF "$p" <<<"$have" || missing+=("$p")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null ||
		die "these are missing: ${missing[*]}" \
			"install what your system calls them"
	say "missing: ${missing[*]}"
	may_be_root ||
		die "not root, and sudo does not work" \
			"let an administrator install what is missing:
apt-get install --no-install-recommends ${missing[*]}"
	step "installing them" "$logs/apt.log" \
		apt_install "${missing[@]}" ||
		die "these could not be installed: ${missing[*]}" \
			"see ${logs#"$top"/}/apt.log; is the network up?"
}

# The packages that a run needs, as this host is.
packages_run() {
	printf '%s\n' "${packages_build[@]}" "${packages_image[@]}"
	[ "$(id -u)" -eq 0 ] || echo uidmap
	hardware_virt || printf '%s\n' "${packages_machine[@]}"
}

# configured DIR FLAGS...: ../configure it when it has not been, or otherwise.
configured() {
	local dir=$1

	shift
	if [ ! -x "$top/configure" ] ||
	   [ -n "$(find "$top/configure.ac" -newer "$top/configure")" ]; then
		"$top/autogen.sh" || return
	fi
	mkdir -p "$dir"
	[ "$(cat "$dir/.flags" 2>/dev/null)" = "$*" ] &&
		[ -f "$dir/Makefile" ] && return
	(cd "$dir" && "$top/configure" "$@") && echo "$*" >"$dir/.flags"
}

# make_in DIR TARGETS...
make_in() {
	local dir=$1

	shift
	make -C "$dir" -j"$(nproc)" "$@"
}
