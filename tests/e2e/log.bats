#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/log.bats - who came from whom
# seconds: 30
load helper

setup_file() {
	create log1
	podflare fork -n 2 log1
	podflare fork log1-1
	podflare merge log1 log1-2
	create log2
	podflare rm log2
}

teardown_file() {
	podflare -q ls | grep "^log" | xargs -r timeout 60 podflare rm -f
}

# events [SANDBOX]: what and of whom, the oldest first.
events() {
	podflare --json log "$@" |
		jq -r '.[] | [.what, .name, .parent_name // empty] | join(" ")'
}

@test "what happened to a sandbox and to those that it is kin to" {
	events log1 >out
	diff - out <<-'END'
	create log1
	fork log1-1 log1
	fork log1-2 log1
	merge log1-2 log1
	END
	events log1-1-1 >out
	diff - out <<-'END'
	create log1
	fork log1-1 log1
	fork log1-1-1 log1-1
	END
}

@test "a sandbox that is gone" {
	[ "$(events log2 | tail -n 2 | xargs)" = "create log2 rm log2" ]
	run --separate-stderr -1 podflare log nosuch
	error_says nosuch
}

@test "the newest comes first" {
	podflare log log1 >out
	[ "$(wc -l <out)" -eq 4 ]
	[[ $(head -n 1 out) == *"merge  log1-2 into log1" ]]
	[[ $(tail -n 1 out) == *"create log1" ]]
}

@test "the graph" {
	podflare log --graph log1 | sed 's/ 20[0-9-]* [0-9:]*//' >out
	diff - out <<-'END'
	*   merge  log1-2 into log1
	|\
	| *   fork   log1-2 from log1
	|/
	| *   fork   log1-1 from log1
	|/
	*   create log1
	END
}

@test "merged files, freezes and thaws" {
	create log3
	podflare fork -n 2 log3
	podflare exec log3-1 sh -c 'echo one >/root/one'
	podflare exec log3-2 sh -c 'echo two >/root/two'
	podflare merge --files log3 log3-1 log3-2
	# nothing to merge is no event, nor is what was only tried
	podflare merge --files log3 log3-1
	podflare exec log3-1 sh -c 'echo more >/root/more'
	podflare merge --files --dry-run log3 log3-1
	podflare freeze log3
	podflare thaw log3
	events log3 >out
	diff - out <<-'END'
	create log3
	fork log3-1 log3
	fork log3-2 log3
	merge-files log3-1 log3
	merge-files log3-2 log3
	freeze log3
	thaw log3
	END
	podflare log --graph log3 | sed 's/ 20[0-9-]* [0-9:]*//' >out
	diff - out <<-'END'
	*   thaw   log3
	*   freeze log3
	*   merge-files log3-2 into log3
	|\
	* |   merge-files log3-1 into log3
	|_|\
	| * |   fork   log3-2 from log3
	|/  |
	|   *   fork   log3-1 from log3
	|__/
	*   create log3
	END
	podflare rm log3 log3-1 log3-2
}

@test "it survives the runner" {
	events >before
	kill_named podflared
	events | diff before -
}

@test "usage" {
	run --separate-stderr -2 podflare log log1 log2
	run --separate-stderr -2 podflare log --nosuch
}
