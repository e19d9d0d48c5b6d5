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

# each_named NAME COMMAND: in_host, run the shell command with $p being /proc/PID
# of each of our processes of that name; fails when there is none.
each_named() {
	in_host sh -c '
	for p in /proc/[0-9]*; do
		read -r name <"$p/comm" || continue
		[ "$name" = "$1" ] || continue
		[ -z "$3" ] || tr "\0" "\n" <"$p/environ" |
			grep -qxF "XDG_RUNTIME_DIR=$3" || continue
		eval "$2" && n=1
	done 2>/dev/null
	[ -n "$n" ]' sh "$1" "$2" \
		"$([ -n "$machine" ] || echo "$XDG_RUNTIME_DIR")"
}

# kill_named NAME: kill -9 our processes of that name; fails when there is none.
kill_named() {
	each_named "$1" 'kill -9 "${p#/proc/}"'
}

# left_of_sandboxes: our VMMs, without the templates' own, and the folders of
# sandboxes, one a line.
left_of_sandboxes() {
	local data=${XDG_DATA_HOME:-$HOME/.local/share} pids

	[ -z "$machine" ] || data=/data/share
	pids=$(in_host sh -c 'cat "$1"/podflare/templates/*/vmm.pid' sh "$data" \
		2>/dev/null | cut -d' ' -f1)
	# shellcheck disable=SC2086
	each_named podflare-vmm 'echo "VMM ${p#/proc/}"' |
		grep -vxF "$(printf 'VMM %s\n' ${pids:-none})" || true
	# before the first sandbox there is no such folder
	in_host ls -A "$data/podflare/sandboxes" 2>/dev/null || true
}

# create NAME [OPTION...]: a small sandbox; a left one of that name goes first.
create() {
	local name=$1

	shift
	podflare rm -f "$name" >/dev/null 2>&1
	podflare create -n "$name" --memory 192M "$@"
}

# first_data FILE: where its first byte is that is not zero, in_host.
first_data() {
	in_host sh -c 'set -- $(cmp -l "$1" /dev/zero | head -n 1)
		echo $(($1 - 1))' sh "$1"
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

# The image store of this host, which `image build` writes.
images=${XDG_DATA_HOME:-$HOME/.local/share}/podflare/images

# variant NAME [FILE]: the default image under another name, with standard input
# in FILE's place.
variant() {
	local dir=$images/.tmp-e2e-$1 json

	rm -rf "$dir"
	cp -al "$images/names/default/" "$dir"
	rm "$dir/image.json"
	if [ -n "${2:-}" ]; then
		rm "$dir/$2"
		cat >"$dir/$2"
	fi
	json=$(jq -c --arg n "$1" --arg f "${2:-base.img}" \
		--argjson size "$(stat -c %s "$dir/${2:-base.img}")" \
		--arg sum "$(sha256sum <"$dir/${2:-base.img}" | cut -d' ' -f1)" \
		'.name = $n | .files[$f] = {size: $size, sha256: $sum}' \
		"$images/names/default/image.json")
	printf '%s\n' "$json" >"$dir/image.json"
	sum=$(sha256sum <"$dir/image.json" | cut -d' ' -f1)
	mv -T "$dir" "$images/sha256-$sum"
	ln -sfn "../sha256-$sum" "$images/names/$1"
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

# own_mounts COMMAND...: as root of a mount namespace (and, if need be, of a user
# namespace) of its own.
own_mounts() {
	local user=()

	[ "$(id -u)" -eq 0 ] || user=(--map-root-user)
	unshare --mount "${user[@]}" "$@"
}

# own_runner: from here on, a runner of this test alone, with the images.
own_runner() {
	export PODFLARE_MACHINE=never XDG_RUNTIME_DIR=$PWD/run
	export XDG_DATA_HOME=$PWD/data XDG_STATE_HOME=$PWD/state
	mkdir -p run data/podflare
	chmod 700 run
	ln -s "${images:?}" data/podflare/images
}

# end_runner: the one of own_runner, if it runs; until its process is gone.
end_runner() {
	local pid

	[ -S run/podflare/runner.sock ] || return 0
	pid=$(printf '%s\n' '{"jsonrpc":"2.0","id":1,"method":"runner.hello","params":{"protocol":1,"version":"0"}}' \
		'{"jsonrpc":"2.0","id":2,"method":"runner.stop"}' |
		PODFLARE_MACHINE=never podflare dial-stdio |
		jq 'select(.id == 1) | .result.pid')
	wait_until 10 test ! -d "/proc/$pid"
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
