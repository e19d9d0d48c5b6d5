#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/cli.bats - the command line itself: usage, help, errors
# seconds: 5
load helper

@test "no command: usage error" {
	run --separate-stderr -2 podflare
	error_says "command"
}

@test "unknown command: did you mean" {
	run --separate-stderr -2 podflare craete
	error_says craete
	hint_says create
	[ -z "$output" ]
}

@test "unknown option: exit 2" {
	run --separate-stderr -2 podflare ls --nosuch
	error_says nosuch
}

@test "misspelt option: did you mean" {
	run --separate-stderr -2 podflare create --memry 1G
	hint_says --memory
}

@test "an option without its value: exit 2" {
	run --separate-stderr -2 podflare create --name
	error_says name
}

@test "operands too few and too many: exit 2" {
	run --separate-stderr -2 podflare rm
	run --separate-stderr -2 podflare show a b
}

@test "a size that is none: exit 2" {
	run --separate-stderr -2 podflare create --memory lots
	error_says lots
}

@test "exec's own failures are 125, usage 2" {
	run --separate-stderr -125 podflare exec nosuchsandbox true
	error_says nosuchsandbox
	run --separate-stderr -2 podflare exec
}

@test "unique prefixes of commands are accepted" {
	run --separate-stderr -0 podflare vers
	[[ $output == *podflare* ]]
}

@test "an ambiguous prefix is refused and the candidates are named" {
	run --separate-stderr -2 podflare re
	stderr_says "re"
	run --separate-stderr -2 podflare p
}

@test "version on stdout" {
	run --separate-stderr -0 podflare version
	[[ $output == *0.1.0* ]]
	run --separate-stderr -0 podflare --version
	[[ $output == *0.1.0* ]]
}

@test "-h prints usage on stdout" {
	run --separate-stderr -0 podflare create -h
	[[ $output == "usage: podflare create"* ]]
	run --separate-stderr -0 podflare -h
	[[ $output == *create* ]]
}

@test "help shows a manual page" {
	run --separate-stderr -0 podflare help create
	[[ $output == *SYNOPSIS* ]]
}

# only PROGRAM... -- COMMAND...: nothing else is in its PATH.
only() {
	local command

	while [ "$1" != -- ]; do
		ln -s "$(type -P "$1")" . || return
		shift
	done
	shift
	command=$(type -P "$1")
	shift
	timeout 30 env PATH="$PWD" "$command" "$@"
}

@test "help by mandoc alone is plain text" {
	run --separate-stderr -0 only mandoc -- podflare help create
	[[ $output == *SYNOPSIS*--memory* && $output != *$'\b'* ]]
}

@test "help without man and mandoc is the usage" {
	run --separate-stderr -0 only -- podflare help create
	[[ $output == "usage: podflare create"* ]]
}

@test "help of what is not there: exit 2" {
	run --separate-stderr podflare help nosuch
	[ "$status" -eq 2 ] || [ "$status" -eq 1 ]
	error_says nosuch
}

@test "errors as JSON with --json" {
	run --separate-stderr podflare --json show nosuchsandbox
	[ "$status" -eq 1 ]
	jq -e '.error.code == "not_found" and (.error.message | length > 0)' \
		<<<"${stderr-}$output"
}

@test "a host that is none of the known kinds" {
	run --separate-stderr podflare -H gopher://x ls
	[ "$status" -ne 0 ]
	error_says gopher
}

@test "a runner socket that nobody serves" {
	run --separate-stderr -1 podflare -H "unix:$PWD/nobody.sock" ls
	error_says nobody.sock
}

@test "a full stdout is an error" {
	run --separate-stderr podflare version
	time_limit 20
	podflare version >/dev/full 2>err && return 1
	grep -q 'podflare: error: ' err
}

@test "doctor says how sandboxes run here" {
	run --separate-stderr podflare doctor
	[[ $output$stderr == *virtualization* ]]
	[ "$status" -eq 0 ]
	run --separate-stderr podflare --json doctor
	jq -e . <<<"$output"
}
