# SPDX-License-Identifier: MIT
# tests/e2e/helper.bash - what the end-to-end tests share; `load helper`
#
# Every file has sandboxes of its own, named after it, so that files can run in
# any order and beside each other.  Each call of podflare has a time limit; each
# test has one too (TEST_SECONDS, 240).
# shellcheck shell=bash disable=SC2034,SC2154

bats_require_minimum_version 1.5.0

# Where the runner and its VMMs run: in the emulated machine when there is one.
machine=${E2E_MACHINE:-}

podflare() {
	timeout --foreground -k 5 "${PF_SECONDS:-120}" podflare "$@"
}

# in_host COMMAND...: where the sandboxes' processes are.
in_host() {
	if [ -n "$machine" ]; then
		podflare machine shell -- "$@"
	else
		"$@"
	fi
}

# kill_named NAME: kill -9 our processes of that name; fails when there is none.
kill_named() {
	in_host sh -c '
	for p in /proc/[0-9]*; do
		read -r name <"$p/comm" || continue
		[ "$name" = "$1" ] || continue
		[ -z "$2" ] || tr "\0" "\n" <"$p/environ" |
			grep -qxF "XDG_RUNTIME_DIR=$2" || continue
		kill -9 "${p#/proc/}" && n=1
	done 2>/dev/null
	[ -n "$n" ]' sh "$1" "$([ -n "$machine" ] || echo "$XDG_RUNTIME_DIR")"
}

# create NAME [OPTION...]: a small sandbox; a left one of that name goes first.
create() {
	local name=$1

	shift
	podflare rm -f "$name" >/dev/null 2>&1
	podflare create -n "$name" --memory 192M "$@"
}

# field SANDBOX JQ-FILTER
field() {
	podflare --json show "$1" | jq -r "$2"
}

# wait_until SECONDS COMMAND...: for what gives no event of its own.
wait_until() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || {
			echo "not within the time: $*"
			return 1
		}
		sleep 0.2
	done
}

# The result of `run --separate-stderr`: an error in one line, with its cure.
error_says() {
	[[ $stderr == *"podflare: error: "*"$1"* ]] || {
		echo "no error with '$1' in: $stderr"
		return 1
	}
}

stderr_says() {
	[[ $stderr == *"$1"* ]] || {
		echo "no '$1' in: $stderr"
		return 1
	}
}

hint_says() {
	[[ $stderr == *"hint: "*"$1"* ]] || {
		echo "no hint with '$1' in: $stderr"
		return 1
	}
}

# kill_tree PID: its descendants, and theirs.
kill_tree() {
	local child

	for child in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		[ "$child" != "$BASHPID" ] || continue
		kill_tree "$child"
		kill -9 "$child" 2>/dev/null
	done
}

# Every test's own limit: all that it runs is killed when the time is over.
watchdog_start() {
	local limit=${TEST_SECONDS:-240} test=$$

	(
		set +eET
		trap - ERR DEBUG EXIT
		exec 3>&- 4>&- >/dev/null 2>&1 </dev/null
		read -rt "$limit" <> <(:)
		while kill -0 "$test"; do
			kill_tree "$test"
			read -rt 1 <> <(:)
		done
	) &
	watchdog=$!
}

watchdog_stop() {
	[ -z "${watchdog:-}" ] || kill "$watchdog" 2>/dev/null || true
}

# time_limit SECONDS: for this test and for each podflare in it.
time_limit() {
	export PF_SECONDS=$1
	TEST_SECONDS=$1
	watchdog_stop
	watchdog_start
}

setup() {
	watchdog_start
	cd "$BATS_TEST_TMPDIR" || return
}

teardown() {
	watchdog_stop
}
