#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/pool.bats - sandboxes that are ready before they are wanted; config.yaml
# seconds: 80
# timeout: 900
load helper

config=${XDG_CONFIG_HOME:-$HOME/.config}/podflare/config.yaml

setup_file() {
	variant pl
	podflare image warm pl
	configure 'pool: {pl: 2}'
}

teardown_file() {
	podflare rm -f pl1 pl2 pl3
	rm -f "$config"
	podflare image rm -f pl
	wait_until 30 is_ready 0 || true
}

configure() {
	mkdir -p "${config%/*}"
	printf '%s\n' "$1" >"$config.new"
	mv "$config.new" "$config"
}

# is_ready N: so many members, no more.
is_ready() {
	local n

	n=$(podflare --json image show pl 2>/dev/null | jq .pool.ready)
	[ "${n:-0}" = "$1" ]
}

full() {
	wait_until 90 is_ready "${1:-2}"
}

nothing_left() {
	[ -z "$(left_of_sandboxes)" ]
}

# new NAME [OPTION...]: of the default sizes.
new() {
	podflare rm -f "$1" >/dev/null 2>&1
	podflare create -n "$1" --image pl "${@:2}"
}

how() {
	field "$1" .origin.how
}

@test "it fills by itself, and nobody sees it" {
	full
	run -0 podflare ls
	[[ $output != *pl* ]]
	run -0 podflare image show pl
	[[ $output =~ pool\ +2\ of\ 2\ ready ]]
}

@test "create takes one, which is a sandbox as any other" {
	[ "$(new pl1 -e WHO=me --label a=b)" = pl1 ]
	[ "$(how pl1)" = pool ]
	[ "$(podflare exec pl1 hostname)" = pl1 ]
	# shellcheck disable=SC2016
	[ "$(podflare exec pl1 sh -c 'echo $WHO')" = me ]
	[ "$(field pl1 .labels.a)" = b ]
	[ "$(field pl1 '.labels | length')" = 1 ]
	podflare ls | grep -q 'pl1 .*running'
	# one that has stood still has the right time
	now=$(podflare exec pl1 date +%s)
	host=$(in_host date +%s)
	[ $((host - now)) -le 3 ] && [ $((now - host)) -le 3 ]
}

@test "show says in words how it came to be" {
	run -0 podflare show pl1
	[[ $output =~ origin:\ +pool:\ a\ sandbox\ of\ image\ pl\ that\ stood\ ready ]]
	[[ $output =~ [0-9]\.[0-9]\ ms\ \ in\ all: ]]
	[[ $output =~ [0-9]\.[0-9]\ ms\ \ agent\ +gave\ the\ guest\ its\ name ]]
	podflare freeze pl1
	podflare thaw pl1
	run -0 podflare show pl1
	[[ $output =~ pool: ]]
	[[ $output =~ ms\ \ when\ it\ was\ last\ thawed: ]]
	[[ $output =~ ms\ \ restore\ +read\ the\ memory\ from\ files ]]
}

@test "it fills again, and no two are alike" {
	full
	new pl1
	new pl2
	full
	new pl3
	for sb in pl1 pl2 pl3; do
		[ "$(how $sb)" = pool ]
	done
	for what in 'cat /proc/sys/kernel/random/uuid' \
		'head -c 16 /dev/urandom | od -An -x' \
		'python3 -c "import random; print(random.random())"' \
		'[ ! -s /etc/machine-id ] || cat /etc/machine-id; hostname'; do
		for sb in pl1 pl2 pl3; do
			podflare exec $sb sh -c "$what"
		done >all
		[ -z "$(sort all | uniq -d)" ]
	done
	# as any other: its disk, its copies
	podflare exec pl1 sh -c 'echo one >/root/f; sync'
	podflare exec pl2 test ! -e /root/f
	podflare fork --name pl4 pl1
	[ "$(podflare exec pl4 cat /root/f)" = one ]
	podflare rm pl4
}

@test "what is asked for otherwise is made otherwise" {
	full
	new pl1 --memory 200M
	[ "$(how pl1)" != pool ]
	new pl1
	[ "$(how pl1)" = pool ]
}

@test "kill -9 of the runner: members are adopted, sandboxes too" {
	full
	kill_named podflared
	[ "$(podflare exec pl1 hostname)" = pl1 ]
	[ "$(how pl1)" = pool ]
	is_ready 2 || full
	new pl2
	[ "$(how pl2)" = pool ]
}

# The VMMs that belong to no sandbox of the list.
kill_members() {
	in_host sh -c 'cd "$1" && for d in *; do
		grep -q "\"state\": \"pool\"" "$d/meta.json" || continue
		read -r pid rest <"$d/vmm.pid" && kill -9 "$pid"
	done' sh "$(sandboxes)"
}

sandboxes() {
	local data=${XDG_DATA_HOME:-$HOME/.local/share}

	[ -z "$machine" ] || data=/data/share
	echo "$data/podflare/sandboxes"
}

@test "kill -9 of members: others are made, nobody gets a dead one" {
	full
	kill_members
	new pl3
	[ "$(podflare exec pl3 echo ok)" = ok ]
	full
	[ "$(podflare exec pl1 echo ok)" = ok ]
}

@test "a restart of the host takes them, and they are made anew" {
	[ -n "$machine" ] || skip "this host is not restarted"
	time_limit 400
	full
	podflare machine stop
	podflare machine start
	full
	new pl2
	[ "$(how pl2)" = pool ]
	[ "$(podflare exec pl2 hostname)" = pl2 ]
}

@test "a config.yaml that is broken is told, and changes nothing" {
	full
	configure 'pol: {pl: 0}'
	run --separate-stderr -0 podflare ls
	stderr_says "podflare: warning: $config:1: unknown key \"pol\""
	stderr_says 'did you mean "pool"?'
	new pl2 2>/dev/null
	[ "$(how pl2 2>/dev/null)" = pool ]
	run -0 podflare doctor
	[[ $output =~ warning\ +config\ +.*unknown\ key ]]
	full
	configure $'# twice\npool: {pl: 1}\npool: {pl: 2}'
	run --separate-stderr -0 podflare ls
	stderr_says "$config:3: key \"pool\" stands twice"
	# it may be anything
	head -c 3000 /dev/urandom >"$config"
	run --separate-stderr -0 podflare ls
	stderr_says warning
	rm "$config"
	mkdir "$config"
	run --separate-stderr -0 podflare ls
	stderr_says 'not a regular file'
	rmdir "$config"
}

@test "less is wanted: they go; the file goes: all go" {
	configure 'pool: {pl: 1}'
	full 1
	rm "$config"
	full 0
	new pl2
	[ "$(how pl2)" = zygote ]
	podflare rm pl1 pl2 pl3
	wait_until 30 nothing_left
}

@test "an image that goes takes its pool along" {
	configure 'pool: {pl: 2}'
	full
	podflare image rm pl
	wait_until 30 nothing_left
	variant pl
	rm "$config"
}
