#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/fork-load.bats - forks and freezes in the middle of work
# seconds: 100
# timeout: 900
#
# At random moments; SEED=N in the environment repeats those of a run, whose
# number is told when a test fails.
load helper

setup() {
	watchdog_start
	cd "$BATS_TEST_TMPDIR" || return
	seed=${SEED:-$RANDOM}
	RANDOM=$seed
	echo "SEED=$seed"
}

teardown() {
	watchdog_stop
	podflare -q ls | grep '^load' | xargs -r timeout 60 podflare rm -f
}

a_moment() {
	sleep "0.$((RANDOM % 900 + 100))"
}

# A database of accounts, among which money moves without end: the sum stays.
bank='
import random, sqlite3, time
db = sqlite3.connect("/root/bank.db", isolation_level=None)
db.execute("pragma journal_mode=wal")
db.execute("create table if not exists a (id integer primary key, v integer)")
if not db.execute("select count(*) from a").fetchone()[0]:
    db.execute("begin")
    db.executemany("insert into a values (?, 100)", [(i,) for i in range(200)])
    db.execute("commit")
n = 0
while True:
    x, y = random.sample(range(200), 2)
    db.execute("begin immediate")
    db.execute("update a set v = v - 1 where id = ?", (x,))
    time.sleep(0.05)	# so that it is in the middle nearly always
    db.execute("update a set v = v + 1 where id = ?", (y,))
    db.execute("commit")
    n += 1
    if n % 10 == 0: open("/root/moves", "w").write(str(n))
'
audit='
import sqlite3
db = sqlite3.connect("/root/bank.db", timeout=30)
assert db.execute("pragma integrity_check").fetchone()[0] == "ok"
assert db.execute("select sum(v), count(*) from a").fetchone() == (20000, 200)
print("right")
'

# Files come, change and go; each holds its own name and length.
churn='
import os, random, time
os.makedirs("/root/churn", exist_ok=True)
open("/root/churn.pid", "w").write(str(os.getpid()))
while True:
    i = random.randrange(300)
    p = "/root/churn/%d" % i
    if random.random() < 0.3 and os.path.exists(p):
        os.unlink(p)
        continue
    n = random.randrange(1, 3000)
    with open(p + ".tmp", "w") as f: f.write("%d %d\n" % (i, n) + "x" * n)
    time.sleep(0.002)
    os.rename(p + ".tmp", p)
'
recount='
import os, signal
os.kill(int(open("/root/churn.pid").read()), signal.SIGKILL)
for where in "memory", "disk":
    bad = total = 0
    for name in os.listdir("/root/churn"):
        if name.endswith(".tmp"): continue
        data = open("/root/churn/" + name).read()
        i, n = map(int, data.split("\n")[0].split())
        bad += str(i) != name or len(data.split("\n")[1]) != n
        total += 1
    assert total > 10 and not bad, (where, total, bad)
    os.sync()
    open("/proc/sys/vm/drop_caches", "w").write("3")
print("right")
'

# audited SANDBOX: its books are right.
audited() {
	[ "$(podflare exec "$1" python3 -c "$audit")" = right ]
}

moves() {
	podflare exec "$1" cat /root/moves
}

# The file is empty for a moment whenever it is written.
moves_past() {
	[ "$(($(moves "$1")))" -gt "$2" ]
}

moves_on() {
	local was

	wait_until 30 moves_past "$1" 0
	was=$(($(moves "$1")))
	wait_until 60 moves_past "$1" "$was"
}

is_state() {
	[ "$(field "$1" .state)" = "$2" ]
}

# recounted SANDBOX: nobody writes any more; each file is whole, in memory and on
# the disk, and its file system has nothing to complain of.
recounted() {
	[ "$(podflare exec "$1" python3 -c "$recount")" = right ]
	[ "$(podflare exec "$1" sh -c "dmesg | grep -c 'EXT4-fs error'" ||
		true)" = 0 ]
}

@test "a database in the middle of transactions, forked" {
	create load1
	podflare exec -d load1 python3 -c "$bank"
	wait_until 60 moves_past load1 20
	for i in 1 2; do
		a_moment
		podflare fork -n 2 --name "load1-$i" load1
		audited "load1-$i-1"
		podflare rm "load1-$i-1"
	done
	# It goes on in the copy, too, and so in a copy of that.
	moves_on load1-1-2
	a_moment
	podflare fork --name load1-3 load1-1-2
	audited load1-1-2
	audited load1-3
	audited load1
	moves_on load1
}

@test "a database in the middle of transactions, frozen" {
	create load1
	podflare exec -d load1 python3 -c "$bank"
	wait_until 60 moves_past load1 20
	for i in 1 2; do
		a_moment
		podflare freeze load1
		if [ $i -eq 2 ]; then
			# twice in a row: between them it works some moments
			podflare thaw load1
			a_moment
			podflare freeze load1
			podflare thaw load1
			podflare freeze load1
		fi
		audited load1
		moves_on load1
	done
	# What was frozen and thawed is forked, and a copy is frozen.
	podflare fork --name load1-1 load1
	podflare freeze load1-1
	audited load1
	audited load1-1
	moves_on load1-1
}

@test "the disk of a copy that loses its power" {
	create load1
	podflare exec -d load1 python3 -c "$bank"
	wait_until 60 moves_past load1 20
	podflare fork -n 2 load1
	moves_on load1-1
	# Nothing is flushed by a reset at once.
	podflare exec load1-1 sh -c 'echo 1 >/proc/sys/kernel/sysrq
		echo b >/proc/sysrq-trigger; exec sleep 100' || true
	wait_until 60 is_state load1-1 stopped
	audited load1-1
	audited load1-2
	audited load1
}

@test "a file system under load" {
	create load2
	podflare exec -d load2 python3 -c "$churn"
	podflare exec -d load2 sh -c 'while :; do sync; sleep 1; done'
	wait_until 60 podflare exec load2 sh -c '[ $(ls /root/churn | wc -l) -gt 50 ]'
	for i in 1 2; do
		a_moment
		podflare fork --name "load2-$i" load2
		[ $i -ne 1 ] || podflare freeze load2
		[ $i -ne 2 ] || podflare freeze "load2-$i"
		recounted "load2-$i"
		podflare rm "load2-$i"
	done
	a_moment
	podflare freeze load2
	podflare thaw load2
	podflare freeze load2
	recounted load2
}

@test "a compiler" {
	create load3
	podflare exec load3 sh -c 'mkdir /root/c; cd /root/c
		for i in $(seq 8); do
			echo "#include <stdio.h>
			int f$i(void) { return printf(\"$i\"); }" >f$i.c
		done
		echo "int f1(void), f8(void);
			int main(void) { return f1() + f8() != 2; }" >main.c'
	podflare exec -d load3 sh -c 'cd /root/c
		for f in *.c; do gcc -O2 -c $f || exit 1; done
		gcc -o all *.o && touch built'
	wait_until 60 podflare exec load3 test -e /root/c/f1.o
	podflare fork -n 2 load3
	podflare freeze load3-1
	for name in load3 load3-1 load3-2; do
		wait_until 120 podflare exec "$name" test -e /root/c/built
		[ "$(podflare exec "$name" /root/c/all)" = 18 ]
	done
}

@test "four virtual CPUs, all busy" {
	create load4 --cpus 4
	[ "$(podflare exec load4 nproc)" = 4 ]
	podflare exec -d load4 python3 -c '
import multiprocessing as m, time
def work(k):
    i = 0
    while True:
        i += 1
        if i % 100 == 0:
            open("/root/w%d" % k, "w").write(str(i))
            time.sleep(0.3)
for k in range(4): m.Process(target=work, args=(k,)).start()
'
	wait_until 60 podflare exec load4 sh -c 'ls /root/w0 /root/w1 /root/w2 /root/w3'
	a_moment
	podflare fork --name load4-1 load4
	podflare freeze load4
	for name in load4-1 load4; do
		[ "$(podflare exec "$name" nproc)" = 4 ]
		# all of them, and timers on each processor
		podflare exec "$name" sh -c '
			for k in 0 1 2 3; do
				was=$(cat /root/w$k); i=0
				while now=$(cat /root/w$k); [ -z "$now" ] ||
					[ "$now" = "$was" ]; do
					i=$((i + 1))
					[ $i -lt 300 ] || exit 1
					sleep 0.1
				done
				taskset -c $k sleep 0.05
			done'
	done
}

@test "a Python session with data loaded" {
	create load5
	podflare exec -d load5 python3 -c '
import os, random, time
data = {i: os.urandom(16).hex() for i in range(20000)}
open("/root/sum", "w").write(str(hash(frozenset(data.items()))))
while True:
    if os.path.exists("/root/ask"):
        os.unlink("/root/ask")
        open("/root/answer.tmp", "w").write(
            str(hash(frozenset(data.items()))))
        os.rename("/root/answer.tmp", "/root/answer")
    time.sleep(0.1)
'
	wait_until 60 podflare exec load5 test -s /root/sum
	podflare fork -n 2 load5
	podflare freeze load5-2
	for name in load5-1 load5-2 load5; do
		podflare exec "$name" touch /root/ask
		wait_until 60 podflare exec "$name" test -s /root/answer
		podflare exec "$name" cmp /root/sum /root/answer
	done
}
