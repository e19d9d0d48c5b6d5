#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/api.bats - the runner's socket, spoken to by hand
# seconds: 3
load helper

hello='{"jsonrpc":"2.0","id":1,"method":"runner.hello","params":{"protocol":1,"version":"0.1.0"}}'

# say LINE...: after the greeting; prints the replies.
say() {
	printf '%s\n' "$hello" "$@" | podflare dial-stdio
}

# code_of REPLY-ID: the stable name of that reply's error.
code_of() {
	jq -r --argjson id "$1" 'select(.id == $id) | .error.data.code' <<<"$output"
}

@test "hello answers with the version and the runner's pid" {
	say | jq -e 'select(.id == 1) | .result |
		.protocol == 1 and .pid > 0 and (.version | length > 0)'
}

@test "another protocol version is refused with a reason" {
	run podflare dial-stdio <<<"${hello/:1,\"version/:99,\"version}"
	[ "$(code_of 1)" = version ]
}

@test "an unknown method, unknown parameters, wrong types" {
	run say '{"jsonrpc":"2.0","id":2,"method":"sandbox.nosuch","params":{}}' \
		'{"jsonrpc":"2.0","id":3,"method":"sandbox.create","params":{"nmae":"x"}}' \
		'{"jsonrpc":"2.0","id":4,"method":"sandbox.create","params":{"cpus":"many"}}'
	[[ $(code_of 2) =~ ^(usage|protocol|not_found)$ ]]
	[ "$(code_of 3)" = usage ]
	[ "$(code_of 4)" = usage ]
}

@test "an unknown sandbox is not_found" {
	run say '{"jsonrpc":"2.0","id":2,"method":"sandbox.show","params":{"sandbox":"nosuch"}}'
	[ "$(code_of 2)" = not_found ]
}

@test "garbage, duplicate keys and deep nesting end that connection only" {
	deep=$(printf '[%.0s' {1..100})$(printf ']%.0s' {1..100})
	for line in 'no json' '{"a":1,"a":2}' "{\"x\":$deep}" '[]' '""'; do
		run say "$line" \
			'{"jsonrpc":"2.0","id":9,"method":"runner.info","params":{}}'
		[[ $output != *'"uptime_ms"'* ]]
	done
	say '{"jsonrpc":"2.0","id":9,"method":"runner.info","params":{}}' |
		grep -q uptime_ms
}

@test "a line over 1 MiB ends that connection only" {
	run bash -c '{ echo "$1"; head -c 2000000 /dev/zero | tr "\0" " "; echo; } |
		timeout 30 podflare dial-stdio' sh "$hello"
	say '{"jsonrpc":"2.0","id":9,"method":"runner.info","params":{}}' |
		grep -q uptime_ms
}

@test "a call before the greeting is refused" {
	run podflare dial-stdio \
		<<<'{"jsonrpc":"2.0","id":9,"method":"sandbox.list","params":{}}'
	[[ $output != *'"sandboxes"'* ]]
}

@test "the runtime folder is ours alone" {
	podflare ls
	[ "$(stat -c %a "$XDG_RUNTIME_DIR/podflare")" = 700 ]
}

@test "a runtime folder that others can enter is refused" {
	mkdir open
	mkdir -m 777 open/podflare
	chmod 777 open/podflare
	run --separate-stderr env XDG_RUNTIME_DIR="$PWD/open" timeout 30 \
		podflare ls
	[ "$status" -eq 1 ]
	error_says open/podflare
}
