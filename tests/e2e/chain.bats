#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/chain.bats - forks make a disk's chain long, and it is made short again
# seconds: 150
# timeout: 1500
load helper

data=${XDG_DATA_HOME:-$HOME/.local/share}
[ -z "$machine" ] || data=/data/share

teardown_file() {
	podflare rm -f chain1 chain2 deep0 deep1
}

# layers SANDBOX: how many its disk has; a layer that is half made counts as 100.
layers() {
	in_host sh -c 'cd "$1" && n=$(ls | grep -c "^disk\.[0-9]*\.cow$")
		[ ! -e disk.live.tmp ] || n=$((n + 100))
		echo $n' sh "$data/podflare/sandboxes/$(field "$1" .id)"
}

is_short() {
	[ "$(layers "$1")" -le 16 ]
}

# Files are written all the time, with what they must hold.
writer='
cd /root
echo $$ >pid
i=0
while :; do
	i=$((i + 1))
	head -c $((i * 7919 % 60000 + 1)) /dev/urandom >f$i.tmp
	echo "$(md5sum <f$i.tmp)$i" >>sums
	mv f$i.tmp f$i
	[ $((i % 7)) -ne 0 ] || sync
	[ $i -lt 40 ] || rm -f f$((i - 39)) && sleep 0.3
done'

# What the writer has written, as far as it has come, is there.
check='
cd /root && tail -n 38 sums | head -n 36 | while read -r sum dash; do
	n=${dash#-}
	[ -e f$n ] || { echo "f$n is not there"; exit 1; }
	[ "$(md5sum <f$n)" = "$sum  -" ] || { echo "f$n is damaged"; exit 1; }
done && [ -s sums ]'

@test "a sandbox that writes is forked 60 times in a row" {
	time_limit 1400
	create chain1
	podflare exec chain1 sh -c "nohup sh -c '$writer' >/root/out 2>&1 </dev/null &"
	wait_until 60 podflare exec chain1 test -s /root/sums
	for i in $(seq 60); do
		podflare fork --name chain2 chain1 >/dev/null
		if [ $((i % 12)) -eq 0 ]; then
			podflare exec chain2 sh -c "$check"
		fi
		podflare rm chain2
	done
	wait_until 60 is_short chain1
	podflare exec chain1 sh -c "$check"
	# the writer has lived through all that
	podflare exec chain1 sh -c 'n=$(wc -l </root/sums); sleep 2
		[ "$(wc -l </root/sums)" -gt "$n" ]'
}

@test "it is whole after a freeze, and on a host that was switched off" {
	podflare freeze chain1
	podflare thaw chain1
	podflare exec chain1 sh -c "$check"
	podflare exec chain1 sh -c 'cd /root && kill "$(cat pid)" && rm -f f*.tmp &&
		md5sum f* >safe; sync; echo late >late'
	id=$(field chain1 .id)
	pid=$(field chain1 .pid)
	# neither has a chance; and the host does not know that pid any more
	kill_named podflared
	in_host sh -c 'kill -9 "$1"; cd "$2" && echo "1 1 none" >vmm.pid' \
		sh "$pid" "$data/podflare/sandboxes/$id"
	podflare exec chain1 sh -c 'cd /root && [ -s safe ] && md5sum -c --quiet safe'
	is_short chain1
	podflare rm chain1
}

@test "forks of forks, 50 deep: each level's file is there" {
	time_limit 1400
	create deep0
	for i in $(seq 50); do
		podflare exec "deep$(((i - 1) % 2))" sh -c \
			"head -c 20000 /dev/urandom >/root/l$i; cd /root; md5sum l$i >>sums"
		podflare fork --name "deep$((i % 2))" "deep$(((i - 1) % 2))" >/dev/null
		podflare rm "deep$(((i - 1) % 2))"
	done
	podflare exec deep0 sh -c 'cd /root && [ "$(wc -l <sums)" -eq 50 ] &&
		md5sum -c --quiet sums'
	podflare freeze deep0
	podflare thaw deep0
	podflare exec deep0 sh -c 'cd /root && md5sum -c --quiet sums'
	podflare rm deep0
}
