#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/template.bats - sandboxes as copies of a booted image
# seconds: 130
# timeout: 900
load helper

# Sizes of their own: a template belongs to an image and a size.
size=200M

setup_file() {
	variant templ
}

teardown_file() {
	podflare rm -f tm1 tm2 tm3 tm4 tm5
	podflare snapshot rm tms >/dev/null 2>&1 || true
	podflare image rm -f templ
}

new() {
	create "$1" --image templ --memory "${2:-$size}"
}

how() {
	field "$1" .origin.how
}

# The templates' folder, where they are.
templates() {
	local data=${XDG_DATA_HOME:-$HOME/.local/share}

	[ -z "$machine" ] || data=/data/share
	echo "$data/podflare/templates"
}

# of_templ COMMAND: in_host, run the shell command with $t being the folder of each
# template of this file's image; fails when there is none.
of_templ() {
	in_host sh -c 'for t in "$1"/*; do
		grep -qs "\"image\": \"templ\"" "$t/meta.json" || continue
		eval "$2" && n=1
	done
	[ -n "$n" ]' sh "$(templates)" "$1"
}

is_saved() {
	of_templ '[ -s "$t/memory" ] && [ -s "$t/state" ]'
}

# power_off NAME: and wait until it has.
power_off() {
	podflare exec "$1" sh -c 'sync; echo o >/proc/sysrq-trigger
		exec sleep 100' || true
	wait_until 60 is_stopped "$1"
}

is_stopped() {
	[ "$(field "$1" .state)" = stopped ]
}

no_template() {
	! of_templ true
}

# The VMMs of templates of our image, which are found by their folder.
kill_templates() {
	of_templ 'read -r pid rest <"$t/vmm.pid" && kill -9 "$pid"'
}

@test "the second create is a copy of what the first one booted" {
	new tm1
	new tm2
	[ "$(how tm1)" = zygote ]
	[ "$(how tm2)" = zygote ]
	run -0 field tm2 '.origin.steps[].name'
	[[ $output == *fork* ]]
	[[ $output != *kernel* ]]
	# for people
	run -0 podflare show tm2
	[[ $output =~ origin:\ +zygote ]]
	[[ $output =~ kept\ booted\ and\ warm ]]
	[[ $output =~ [0-9]\.[0-9]\ ms\ \ fork ]]
	[[ $output =~ [0-9]\.[0-9]\ ms\ \ agent ]]
}

@test "the first create boots and warms up, and says so" {
	local reply

	# what is asked of the runner directly has to be there
	podflare image warm --memory 206M templ
	mkfifo in
	podflare dial-stdio <in >out &
	local dial=$!
	exec 7>in
	printf '%s\n' '{"jsonrpc":"2.0","id":1,"method":"runner.hello","params":{"protocol":1,"version":"0"}}' \
		'{"jsonrpc":"2.0","id":2,"method":"sandbox.create","params":{"name":"tm3","image":"templ","memory":211812352}}' >&7
	wait_until 100 jq -es 'any(.[]; .id == 2)' out
	exec 7>&-
	wait "$dial"
	jq -e 'select(.id == 2) | .result.origin.how == "zygote"' out
	for reply in 'booting the kernel' 'warming up' \
		'copying the booted machine'; do
		grep -qF "\"$reply\"" out
	done
	jq -r 'select(.id == 2) | .result.origin.steps[].name' out >steps
	for reply in disk vmm kernel agent warmup fork; do
		grep -qx "$reply" steps
	done
	podflare rm tm3
}

@test "copies differ in name, machine id and randomness" {
	local what

	for what in hostname 'head -c 16 /dev/urandom | od -x' \
		'python3 -c "import random; print(random.random())"' \
		'cat /proc/sys/kernel/random/uuid' 'cat /etc/machine-id'; do
		[ "$(podflare exec tm1 sh -c "$what")" != \
			"$(podflare exec tm2 sh -c "$what")" ]
	done
	[ "$(podflare exec tm1 hostname)" = tm1 ]
}

# saved NAME: bytes that its memory takes on the disk.
saved() {
	field "$1" .memory_saved
}

@test "what a copy has of the template is not written again" {
	wait_until 60 is_saved
	new tm3
	podflare exec tm3 sh -c 'echo mine >/dev/shm/mine'
	podflare freeze tm3
	[ "$(saved tm3)" -lt $((16 << 20)) ]
	[ "$(podflare exec tm3 cat /dev/shm/mine)" = mine ]
	# now it is mapped from the template's file, and so are its forks
	podflare exec tm3 sh -c 'head -c 8M /dev/urandom >/dev/shm/more
		md5sum /dev/shm/more >/dev/shm/sum'
	podflare freeze tm3
	[ "$(saved tm3)" -gt $((8 << 20)) ]
	[ "$(saved tm3)" -lt $((28 << 20)) ]
	podflare exec tm3 md5sum -c /dev/shm/sum
	podflare fork --name tm4 tm3
	podflare freeze tm4
	[ "$(saved tm4)" -lt $((32 << 20)) ]
	podflare exec tm4 md5sum -c /dev/shm/sum
	podflare rm tm3 tm4
}

@test "copies have the right time" {
	local before now after

	# the template's clock stood still meanwhile
	new tm2
	before=$(in_host date +%s)
	now=$(podflare exec tm2 date +%s)
	after=$(in_host date +%s)
	[ "$now" -ge $((before - 1)) ]
	[ "$now" -le $((after + 1)) ]
}

@test "a copy's disk is its own, and whole after a power-off" {
	podflare exec tm1 sh -c 'echo one >/root/f; dd if=/dev/urandom \
		of=/root/big bs=1M count=4 2>&-; sha256sum /root/big >/root/sum'
	podflare exec tm2 test ! -e /root/f
	power_off tm1
	[ "$(podflare exec tm1 cat /root/f)" = one ]
	podflare exec tm1 sha256sum -c /root/sum
	run podflare exec tm1 sh -c 'dmesg | grep -i "ext4.*error"'
	[ -z "$output" ]
}

@test "a template is put into files" {
	wait_until 90 is_saved
	# on the host's disk it takes what is used, not all of its memory
	of_templ '[ $(du -m "$t/memory" | cut -f1) -lt 190 ]'
}

@test "without its process it comes from its files" {
	kill_templates
	new tm2
	[ "$(how tm2)" = 'template file' ]
	run -0 field tm2 '.origin.steps[].name'
	[[ $output == *restore* ]]
	[[ $output != *kernel* ]]
	[ "$(podflare exec tm2 hostname)" = tm2 ]
	[ "$(podflare exec tm2 python3 -c 'print(6*7)')" = 42 ]
	# it is in memory again
	new tm3
	[ "$(how tm3)" = zygote ]
	[ "$(podflare exec tm2 cat /proc/sys/kernel/random/uuid)" != \
		"$(podflare exec tm3 cat /proc/sys/kernel/random/uuid)" ]
}

@test "its sandboxes keep their disks over a restart from its files" {
	podflare exec tm3 sh -c 'echo three >/root/f'
	power_off tm3
	[ "$(podflare exec tm3 cat /root/f)" = three ]
}

@test "damaged files are not used" {
	# one bit of its memory
	of_templ 'o=$(grep -obUam1 PATH= "$t/memory" | head -n 1 | cut -d: -f1)
		printf X | dd of="$t/memory" bs=1 seek=${o:-65536} conv=notrunc 2>/dev/null'
	kill_templates
	new tm2
	[ "$(how tm2)" = zygote ]
	[ "$(podflare exec tm2 echo ok)" = ok ]
}

@test "kill -9 of a template that has no files: it is made again" {
	new tm2 204M
	kill_templates
	new tm3 204M
	[ "$(how tm3)" = zygote ]
	[ "$(podflare exec tm3 echo ok)" = ok ]
	# what was made of it lives on
	[ "$(podflare exec tm2 echo ok)" = ok ]
}

# on_disk BYTES: the template of that much memory has files.
on_disk() {
	podflare --json image show templ | jq -e --argjson m "$1" \
		'.templates[] | select(.memory == $m) | .on_disk' >/dev/null
}

@test "a template survives the host, and so do snapshots and what is frozen" {
	[ -n "$machine" ] || skip "this host is not restarted"
	podflare rm -f tm1 tm2 tm3
	podflare snapshot rm tms >/dev/null 2>&1 || true
	new tm1
	wait_until 90 on_disk 209715200
	podflare exec tm1 sh -c 'echo snap >/root/f'
	podflare snapshot create tm1 tms
	new tm3
	podflare exec tm3 sh -c 'echo frozen >/root/f; sleep 100000 &'
	podflare freeze tm3
	podflare fork --name tm4 tm1
	time_limit 400
	podflare machine stop
	podflare machine start
	new tm2
	[ "$(how tm2)" = 'template file' ]
	[ "$(podflare exec tm2 hostname)" = tm2 ]
	# the sandbox of before boots from its disk
	[ "$(podflare exec tm1 hostname)" = tm1 ]
	[ "$(podflare exec tm3 cat /root/f)" = frozen ]
	podflare exec tm3 pgrep sleep
	podflare create --from tms -n tm5
	[ "$(podflare exec tm5 cat /root/f)" = snap ]
	# the instant of a fork does not, which is told
	run -1 --separate-stderr podflare diff tm4
	error_says 'not there any more'
	hint_says 'the host was not restarted'
	run -1 --separate-stderr podflare merge --files tm1 tm4
	error_says 'not there any more'
	podflare rm tm4 tm5
	podflare snapshot rm tms
}

@test "image warm makes a template without a sandbox" {
	podflare rm -f tm1 tm2 tm3
	run -0 podflare image warm --memory 208M templ
	[[ ${lines[-1]} = templ ]]
	run -0 podflare image show templ
	[[ $output =~ 208\ MiB,\ 1\ CPU,\ disk\ 8\ GiB:\ in\ memory ]]
	podflare --json image show templ | jq -e '.templates[] |
		select(.memory == 218103808) | .in_memory and .memory_used > 0'
	new tm1 208M
	[ "$(field tm1 '[.origin.steps[].name] | index("kernel")')" = null ]
	run -1 --separate-stderr podflare image warm nosuch
	error_says nosuch
	run -2 --separate-stderr podflare image warm --cpus 99 templ
	error_says cpus
	run -2 podflare image warm
}

@test "an image that goes takes its templates along" {
	podflare rm -f tm1 tm2 tm3
	of_templ true
	podflare image rm templ
	wait_until 20 no_template
	run -1 --separate-stderr podflare create --image templ
	error_says templ
	variant templ
}
