#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/create.bats - create, ls, show, logs, rm, and their failures
# seconds: 45
load helper

setup_file() {
	create create1 -e COLOR=blue --label team=a --label x=y
}

teardown_file() {
	podflare rm -f create1
}

@test "create prints the name alone" {
	run --separate-stderr -0 podflare create --memory 192M
	[[ $output =~ ^[a-z0-9][a-z0-9_.-]*$ ]]
	run -0 --separate-stderr podflare rm "$output"
}

@test "ls shows it, --json and -q too" {
	run --separate-stderr -0 podflare ls
	[[ ${lines[0]} == *NAME*STATE* ]]
	[[ $output == *create1*running* ]]
	podflare --json ls | jq -e 'map(select(.name == "create1")) | length == 1'
	podflare -q ls | grep -qx create1
}

@test "show tells image, size, labels and the guest's figures" {
	podflare --json show create1 >show
	jq -e '.state == "running" and .cpus == 1 and .labels.team == "a" and
		.memory == 192 * 1048576 and .image == "default"' show
	jq -e '.guest | type == "object"' show
	run -0 podflare show create1
	[[ $output == *running* ]]
	[[ $output == *team=a* ]]
}

@test "create's variables are in every command" {
	run --separate-stderr -0 podflare exec create1 printenv COLOR
	[ "$output" = blue ]
}

@test "a unique prefix of the id is enough" {
	id=$(field create1 .id)
	run --separate-stderr -0 podflare exec "${id:0:8}" hostname
	[ "$output" = create1 ]
}

@test "an existing name is refused" {
	run --separate-stderr -1 podflare create -n create1
	error_says create1
}

@test "names that are not valid are refused: exit 2" {
	for name in Upper -dash ../up "a b" "$(printf 'x%.0s' {1..64})" ''; do
		run --separate-stderr podflare create "--name=$name"
		[ "$status" -eq 2 ] || { echo "'$name': $status"; return 1; }
	done
}

@test "bounds of CPUs, memory and disk" {
	run --separate-stderr -2 podflare create --cpus 9
	error_says cpu
	run --separate-stderr -2 podflare create --memory 64M
	error_says memory
	run --separate-stderr -2 podflare create --memory 17G
	run --separate-stderr -2 podflare create --disk 65G
	error_says disk
}

@test "an image that is not there" {
	run --separate-stderr -1 podflare create --image nosuchimage
	error_says nosuchimage
	hint_says "image"
}

@test "several CPUs" {
	[ "$(podflare run --cpus 2 --memory 192M nproc)" = 2 ]
}

@test "the guest has the memory and disk that were asked for" {
	podflare run --memory 256M --disk 2G sh -c \
		'grep MemTotal /proc/meminfo; df -k --output=size / | tail -1' >out
	read -r _ kib _ <out
	[ "$kib" -gt 200000 ] && [ "$kib" -lt 262144 ]
	disk=$(tail -n 1 out)
	[ "$disk" -gt 1800000 ] && [ "$disk" -le 2097152 ]
}

@test "logs show what was written to the console, --tail cuts" {
	podflare exec create1 sh -c \
		'printf "one\ntwo\n\033[31mthree\n" >/dev/console'
	run --separate-stderr -0 podflare logs create1
	[[ $output == *$'one\ntwo\n'* ]]
	run --separate-stderr -0 podflare logs --tail 1 create1
	[ ${#lines[@]} -eq 1 ]
	# The guest's control characters do not reach our terminal.
	[[ $output == *three* && $output != *$'\033'* ]]
}

@test "two sandboxes share nothing" {
	create create2
	podflare exec create2 sh -c 'echo two >/root/which'
	run ! podflare exec create1 test -e /root/which
	[ "$(podflare exec create2 hostname)" = create2 ]
	podflare rm create2
}

@test "rm prints names, refuses unknown ones, -f does not mind" {
	create create3
	run --separate-stderr -1 podflare rm create3 nosuch1 nosuch2
	[ "$output" = create3 ]
	error_says nosuch1
	stderr_says "nosuch2"
	run --separate-stderr -0 podflare rm -f nosuch1
	[ -z "$output$stderr" ]
}

@test "a removed sandbox leaves no process and no folder" {
	create create4
	pid=$(field create4 .pid)
	id=$(field create4 .id)
	podflare rm create4
	run ! in_host test -d "/proc/$pid"
	if [ -z "$machine" ]; then
		[ -z "$(find "$XDG_RUNTIME_DIR" "$XDG_DATA_HOME" \
			"$XDG_STATE_HOME" -name "*$id*")" ]
	fi
	run --separate-stderr -1 podflare show create4
}
