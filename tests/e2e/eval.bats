#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/eval.bats - eval: state, streams, ends, forks
# seconds: 60
load helper

setup_file() {
	create eval1
}

teardown_file() {
	podflare rm -f eval1 eval1-1 eval1-2 eval2 going
}

@test "names, imports, the folder and the environment stay" {
	run -0 podflare eval eval1 'import os; x = 41; os.chdir("/usr"); os.environ["A"] = "b"'
	[ -z "$output" ]
	run -0 podflare eval eval1 'x + 1'
	[ "$output" = 42 ]
	run -0 podflare eval eval1 'print(os.getcwd(), os.environ["A"], __name__)'
	[ "$output" = "/usr b __main__" ]
}

@test "an exception: the user's own traceback, and 1" {
	podflare eval eval1 'def bad():
    return [][1]'
	run --separate-stderr -1 podflare eval eval1 'bad()'
	[ -z "$output" ]
	[[ $stderr == "Traceback (most recent call last):"$'\n''  File "<eval '*'>", line 1, in <module>'* ]]
	stderr_says 'return [][1]'
	stderr_says 'IndexError: list index out of range'
	[[ $stderr != *podflare* ]]
}

@test "an exit is the code's alone" {
	podflare eval eval1 'y = 1'
	run -7 podflare eval eval1 'raise SystemExit(7)'
	run -0 podflare eval eval1 'y'
	[ "$output" = 1 ]
}

@test "when the interpreter ends we are told, and told again" {
	run --separate-stderr -9 podflare eval eval1 'z = 1; os._exit(9)'
	stderr_says "has ended (exit code 9)"
	run --separate-stderr -0 podflare eval eval1 '"z" in globals()'
	[ "$output" = False ]
	stderr_says "lost"
	run --separate-stderr -0 podflare eval eval1 '1'
	[ -z "$stderr" ]
	run --separate-stderr -139 podflare eval eval1 'import os, signal
os.kill(os.getpid(), signal.SIGSEGV)'
	stderr_says "Segmentation fault"
}

@test "killed between two calls" {
	run --separate-stderr -0 podflare eval eval1 'import os; os.getpid()'
	podflare exec eval1 kill -9 "$output"
	run --separate-stderr -0 podflare eval eval1 '2'
	[ "$output" = 2 ]
	stderr_says "lost"
}

@test "the code comes from a file or from standard input" {
	echo 'print(6 * 7)' >code.py
	run -0 podflare eval -f code.py eval1
	[ "$output" = 42 ]
	run -0 podflare eval eval1 <code.py
	[ "$output" = 42 ]
	echo '1 / 0' >bad.py
	run --separate-stderr -1 podflare eval -f bad.py eval1
	stderr_says 'File "bad.py", line 1'
}

@test "code of several MiB" {
	(echo -n 'data = "'; head -c 5000000 /dev/zero | tr '\0' x; echo '"'; echo 'len(data)') >big.py
	run -0 podflare eval eval1 <big.py
	[ "$output" = 5000000 ]
}

@test "input() reads our standard input, and only then" {
	run -0 podflare eval eval1 'print(input("name? ").upper())' <<<ann
	[ "$output" = "name? ANN" ]
	printf 'a\nb\n' >list
	while read -r line; do
		podflare eval eval1 "print('$line')"
	done <list >out
	[ "$(cat out)" = $'a\nb' ]
	run -0 podflare eval -i eval1 'import subprocess
subprocess.run(["wc", "-c"]).returncode' <list
	[ "$output" = $'4\n0' ]
}

@test "output of processes and threads comes too" {
	run --separate-stderr -0 podflare eval eval1 'import subprocess, threading
subprocess.run("echo out; echo err >&2", shell=True)
t = threading.Thread(target=print, args=("thread",)); t.start(); t.join()'
	[ "$output" = $'out\nCompletedProcess'"(args='echo out; echo err >&2', returncode=0)" ] ||
		[ "$output" = $'out\nthread' ]
	[ "$stderr" = err ]
}

@test "output comes as it is written" {
	env --default-signal=INT podflare eval eval1 'import time
print("first", end="")
time.sleep(600)' >out &
	pid=$!
	wait_until 30 grep -q first out
	kill -INT $pid
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 130 ]
}

@test "Ctrl-C stops the code and keeps the state" {
	env --default-signal=INT podflare eval eval1 'kept = 5
print("up")
while True: pass' >out 2>err &
	pid=$!
	wait_until 30 grep -q up out
	kill -INT $pid
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 130 ]
	grep -q KeyboardInterrupt err
	run -0 podflare eval eval1 kept
	[ "$output" = 5 ]
}

@test "a client that is killed interrupts the code" {
	env --default-signal=INT podflare eval eval1 'kept = 6
print("up")
import time; time.sleep(600)' >out &
	pid=$!
	wait_until 30 grep -q up out
	kill -KILL $pid
	run -0 podflare eval eval1 kept
	[ "$output" = 6 ]
}

@test "--timeout: 124, the state stays if the code stops" {
	run --separate-stderr -124 podflare eval --timeout 1s eval1 'kept = 7
import time; time.sleep(600)'
	stderr_says "timed out after 1 s"
	run -0 podflare eval eval1 kept
	[ "$output" = 7 ]
	run --separate-stderr -124 podflare eval --timeout 1s eval1 'while True:
    try: time.sleep(600)
    except KeyboardInterrupt: pass'
	stderr_says "lost"
}

@test "await at the top" {
	run --separate-stderr -0 podflare eval eval1 'import asyncio
async def f(): await asyncio.sleep(0.01); return 3
await f()'
	[ "$output" = 3 ]
}

@test "-e is for one call" {
	run -0 podflare eval -e V=1 eval1 'import os; os.environ["V"]'
	[ "$output" = "'1'" ]
	run -0 podflare eval eval1 'os.environ.get("V")'
	[ -z "$output" ]
}

@test "10 MB of output come whole, to a slow reader too" {
	run -0 bash -c 'timeout 100 podflare eval eval1 \
		"for i in range(10): print(\"x\" * 999999)" |
		(sleep 1; wc -c)'
	[ "$output" = 10000000 ]
}

@test "two calls at once run one after the other" {
	podflare eval eval1 'import time; log = []
def work(n):
    log.append(("begin", n)); time.sleep(0.5); log.append(("end", n))'
	podflare eval eval1 'work(1)' &
	pids=$!
	podflare eval eval1 'work(2)' &
	wait $pids $!
	run -0 podflare eval eval1 '[a for a, n in log], log[0][1] == log[1][1]'
	[ "$output" = "(['begin', 'end', 'begin', 'end'], True)" ]
}

@test "--json" {
	run --separate-stderr -1 podflare --json eval eval1 'print("a\x00é"); 1/0'
	[ "$(jq -r '.exit_code, .state, (.stdout | length)' <<<"$output" | paste -sd' ')" = "1 kept 4" ]
	jq -e '.stderr | endswith("ZeroDivisionError: division by zero\n")' <<<"$output"
}

@test "bash: a fresh process for each call" {
	run -3 podflare eval -l bash eval1 'x=1; echo "$BASH_VERSION" | head -c 1; exit 3'
	[ "$output" = 5 ]
	run --separate-stderr -2 podflare eval -l pyton eval1 1
	hint_says python
}

@test "forks have the data, and random numbers of their own" {
	podflare eval eval1 'import random; data = list(range(100000))
random.seed(1); len(data)'
	podflare fork -n 2 eval1
	for sb in eval1 eval1-1 eval1-2; do
		run -0 podflare eval "$sb" 'sum(data), random.random()'
		[[ $output == "(4999950000, 0."* ]]
		echo "$output" >>numbers
	done
	[ "$(sort -u numbers | wc -l)" -eq 3 ]
}

@test "a frozen sandbox goes on where it was" {
	podflare eval eval1 'frozen = 8'
	podflare freeze eval1
	run --separate-stderr -0 podflare eval eval1 frozen
	[ "$output" = 8 ]
}

@test "a template has the interpreter ready" {
	create eval2
	run --separate-stderr -0 podflare --json eval eval2 '"json" in __import__("sys").modules, "json" in globals()'
	[ "$(jq -r .state <<<"$output")" = kept ]
	[ "$(jq -r .stdout <<<"$output")" = "(True, False)" ]
}

@test "in a fork code goes on, and its output is kept" {
	env --default-signal=INT podflare eval eval1 'import time; print("up")
for i in range(20): time.sleep(0.2)
print("end", i); i' >out &
	pid=$!
	wait_until 30 grep -q up out
	podflare fork --name going eval1
	wait $pid
	[ "$(cat out)" = $'up\nend 19\n19' ]
	run -0 podflare eval going '"next"'
	[ "$output" = $'end 19\n19\n'"'next'" ]
	podflare rm going
}

@test "pictures and tables: --figures, --json" {
	podflare eval eval1 'class P:
    def _repr_png_(self): return b"\x89PNG" * 40000
    def _repr_html_(self): return "<table>"'
	run --separate-stderr -0 podflare eval --figures figs eval1 'display(P(), P())'
	[ "$(cd figs && stat -c '%n %s' -- * | paste -sd,)" = \
		"figure-001.html 7,figure-001.png 160000,figure-002.html 7,figure-002.png 160000" ]
	stderr_says figs/figure-002.png
	run --separate-stderr -0 podflare --json eval eval1 'P()'
	[ "$(jq -r '.displays[0]["text/html"]' <<<"$output")" = "<table>" ]
	[ "$(jq -r '.displays[0]["image/png"]' <<<"$output" | base64 -d | wc -c)" -eq 160000 ]
}

@test "out of memory: said so, and a new interpreter" {
	run --separate-stderr -137 podflare eval eval1 'x = [bytearray(1 << 20) for i in range(500)]; len(x)'
	stderr_says "out of memory"
	run --separate-stderr -0 podflare eval eval1 '1'
	stderr_says lost
}

@test "no such sandbox: 125; --restart; wrong usage: 2" {
	run --separate-stderr -125 podflare eval nosuch 1
	error_says nosuch
	run --separate-stderr -0 podflare eval --restart eval1 '"frozen" in globals()'
	[ "$output" = False ]
	[ -z "$stderr" ]
	run --separate-stderr -2 podflare eval -f x eval1 1
	run --separate-stderr -125 podflare eval -f /nosuch eval1
	error_says /nosuch
}
