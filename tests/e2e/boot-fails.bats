#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/boot-fails.bats - kernels that do not come up: why, and nothing is left
# seconds: 35
load helper

setup_file() {
	# Neither /init nor a disk driver: the stock kernel finds no root.
	head -c 100000 /dev/urandom | variant nomodules modules.cpio
}

teardown_file() {
	podflare rm -f boot1 boot2 >/dev/null
	podflare image rm -f nomodules
}

@test "a kernel that panics: its last lines, exit 1, nothing left" {
	before=$(left_of_sandboxes)
	run --separate-stderr -1 podflare create -n boot1 --image nomodules \
		--memory 192M
	[ -z "$output" ]
	error_says 'sandbox boot1: boot failed: the guest'"'"'s kernel panicked'
	stderr_says "the console's last lines:"
	stderr_says 'Kernel panic - not syncing'
	run --separate-stderr -1 podflare show boot1
	[ "$(left_of_sandboxes)" = "$before" ]
}

@test "run says it too: exit 125" {
	before=$(left_of_sandboxes)
	run --separate-stderr -125 podflare run --image nomodules \
		--memory 192M true
	stderr_says 'Kernel panic - not syncing'
	[ "$(left_of_sandboxes)" = "$before" ]
}

@test "with --json the console is in the error object" {
	run --separate-stderr -1 podflare --json create --image nomodules \
		--memory 192M
	jq -e '.error.code == "guest" and
		(.error.console | test("Kernel panic - not syncing"))' \
		<<<"${stderr-}"
}

is_stopped() {
	[ "$(field boot2 .state)" = stopped ]
}

@test "a stopped sandbox that does not start again: its last lines, too" {
	create boot2
	pid=$(field boot2 .pid)
	# It destroys its own disk and powers off.
	run podflare exec boot2 sh -c 'dd if=/dev/zero of=/dev/vdb bs=1M count=8 \
		conv=fsync; echo o >/proc/sysrq-trigger; exec sleep 100'
	wait_until 20 is_stopped
	run --separate-stderr -125 podflare exec boot2 true
	error_says 'sandbox boot2: '
	stderr_says "the console's last lines:"
	stderr_says 'cannot mount /dev/vdb'
	hint_says 'podflare logs boot2'
	run --separate-stderr -1 podflare cp boot2:/etc/passwd .
	stderr_says 'cannot mount /dev/vdb'
	is_stopped
	run ! in_host test -d "/proc/$pid"
	podflare rm boot2
}
