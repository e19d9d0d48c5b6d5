#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/cp.bats - cp: files, directories, streams, docker cp's rules
# seconds: 30
load helper

setup_file() {
	create cp1
	podflare exec cp1 mkdir -p /t
}

teardown_file() {
	podflare rm -f cp1
}

in_guest() {
	podflare exec cp1 sh -c "$1"
}

@test "a file in, under its own name and under another" {
	echo text >a
	podflare cp a cp1:/t/
	podflare cp a cp1:/t/b
	[ "$(in_guest 'cat /t/a /t/b')" = $'text\ntext' ]
}

@test "a file out, to a folder and to a name" {
	in_guest 'echo guest >/t/g'
	podflare cp cp1:/t/g .
	podflare cp cp1:/t/g h
	cmp g h
	[ "$(cat g)" = guest ]
}

@test "a folder into one that is there: below it" {
	mkdir -p d/sub
	echo 1 >d/sub/f
	in_guest 'mkdir -p /t/have'
	podflare cp d cp1:/t/have
	[ "$(in_guest 'cat /t/have/d/sub/f')" = 1 ]
}

@test "a folder to a name that is not there: becomes it" {
	mkdir -p d/sub
	echo 1 >d/sub/f
	podflare cp d cp1:/t/new
	[ "$(in_guest 'cat /t/new/sub/f')" = 1 ]
}

@test "a folder's contents with /." {
	mkdir -p d/sub
	echo 1 >d/sub/f
	in_guest 'mkdir -p /t/have2'
	podflare cp d/. cp1:/t/have2
	[ "$(in_guest 'cat /t/have2/sub/f')" = 1 ]
}

@test "a folder out follows the same rules" {
	in_guest 'mkdir -p /t/o/sub; echo 2 >/t/o/sub/f'
	mkdir have
	podflare cp cp1:/t/o have
	podflare cp cp1:/t/o new
	podflare cp cp1:/t/o/. have
	[ "$(cat have/o/sub/f new/sub/f have/sub/f)" = $'2\n2\n2' ]
}

@test "a file over a folder and a folder over a file are refused" {
	mkdir d
	echo x >f
	in_guest 'mkdir -p /t/dir; echo y >/t/file'
	run --separate-stderr podflare cp d cp1:/t/file
	[ "$status" -eq 1 ]
	error_says /t/file
	run --separate-stderr podflare cp f cp1:/t/nosuch/
	[ "$status" -eq 1 ]
	error_says /t/nosuch
	[ "$(in_guest 'cat /t/file')" = y ]
}

@test "a missing parent folder is an error on both sides" {
	echo x >f
	run --separate-stderr -1 podflare cp f cp1:/t/no/such/place
	error_says /t/no/such
	run --separate-stderr -1 podflare cp cp1:/etc/passwd no/such/place
	error_says no/such
	[ ! -e no ]
}

@test "missing sources are errors" {
	run --separate-stderr -1 podflare cp nosuchfile cp1:/t/
	error_says nosuchfile
	run --separate-stderr -1 podflare cp cp1:/nosuchfile .
	error_says nosuchfile
	run --separate-stderr -1 podflare cp nosuchsandbox:/x .
	error_says nosuchsandbox
}

@test "an unreadable file is an error that names it" {
	mkdir d
	echo x >d/ok
	ln -s nowhere d/link
	mkfifo d/fifo
	run --separate-stderr podflare cp d/fifo cp1:/t/
	[ "$status" -eq 1 ]
	error_says fifo
}

@test "two local paths, or two sandboxes: usage error" {
	run --separate-stderr -2 podflare cp a b
	run --separate-stderr -2 podflare cp cp1:/a cp1:/b
}

@test "- is a tar stream, both ways" {
	mkdir -p s/x
	echo 3 >s/x/y
	tar -cf - s | podflare cp - cp1:/t/
	[ "$(in_guest 'cat /t/s/x/y')" = 3 ]
	podflare cp cp1:/t/s - | tar -tf - >list
	grep -qx 's/x/y' list
}

@test "what is no tar stream is refused" {
	run --separate-stderr bash -c \
		'head -c 100000 /dev/urandom | timeout 60 podflare cp - cp1:/t/'
	[ "$status" -eq 1 ]
	stderr_says "podflare: error: "
}

@test "a broken tar stream from the host leaves the sandbox usable" {
	mkdir s
	head -c 3000000 /dev/urandom >s/f
	run --separate-stderr bash -c 'tar -cf - s | head -c 1000000 |
		timeout 60 podflare cp - cp1:/t/'
	[ "$status" -eq 1 ]
	in_guest true
}

@test "links, modes and times come and go as they are" {
	mkdir tree
	cd tree
	echo run >x
	chmod 755 x
	echo secret >s
	chmod 600 s
	ln -s x link
	ln -s nowhere/at/all dangling
	ln x hard
	touch -d 2001-02-03T04:05:06Z x
	mkdir -m 700 closed
	mkdir empty
	: >empty-file
	cd ..
	podflare cp tree cp1:/t/tree
	[ "$(in_guest 'stat -c "%a %Y" /t/tree/x')" = '755 981173106' ]
	[ "$(in_guest 'stat -c %a /t/tree/s /t/tree/closed')" = $'600\n700' ]
	[ "$(in_guest 'readlink /t/tree/link /t/tree/dangling')" = \
		$'x\nnowhere/at/all' ]
	[ "$(in_guest 'stat -c %h /t/tree/hard')" = 2 ]
	podflare cp cp1:/t/tree back
	(cd tree && find . -printf '%p %y %l %m %s\n' | grep -v ' d ' |
		sort) >want
	(cd back && find . -printf '%p %y %l %m %s\n' | grep -v ' d ' |
		sort) >got
	diff want got
	[ "$(stat -c %Y back/x)" = 981173106 ]
	[ "$(stat -c %h back/hard)" = 2 ]
	[ -d back/empty ]
}

@test "set-user-ID files, devices and links that lead away stay inside" {
	in_guest 'mkdir /t/bad; cd /t/bad; echo ok >ok; echo x >suid
		chmod 4755 suid; ln -s /etc/passwd abs; ln -s ../../../x up
		mknod dev c 1 3; mkfifo fifo'
	run --separate-stderr -1 podflare cp cp1:/t/bad back
	[ "$(cat back/ok)" = ok ]
	for name in suid abs up dev fifo; do
		[ ! -e "back/$name" ] && [ ! -L "back/$name" ]
		stderr_says "$name"
	done
	error_says /t/bad
	# All of it is there for who asks for it as it is.
	podflare cp cp1:/t/bad - | tar -tf - | grep -qx 'bad/suid'
}

@test "what goes in may be all of that" {
	mkdir in
	echo x >in/suid
	chmod 4755 in/suid
	ln -s /etc/passwd in/abs
	podflare cp in cp1:/t/in
	[ "$(in_guest 'stat -c %a /t/in/suid; readlink /t/in/abs')" = \
		$'4755\n/etc/passwd' ]
}

@test "odd names: newline, UTF-8, leading dash, blanks, 255 bytes" {
	mkdir odd
	long=$(printf 'n%.0s' {1..255})
	for name in $'new\nline' 'grün-日本' -dash ' blank ' "$long" 'q"uo$te\' \
		$'tab\there' '*'; do
		printf '%s' "$name" >"odd/$name"
	done
	podflare cp odd cp1:/t/odd
	[ "$(in_guest 'ls /t/odd | wc -l')" -ge 8 ]
	podflare cp cp1:/t/odd back
	diff -r odd back
	podflare cp "odd/-dash" cp1:/t/
	podflare cp "cp1:/t/odd/$long" .
	cmp "$long" "odd/$long"
}

@test "a name that is not UTF-8 survives" {
	mkdir odd
	name=$(printf 'b\377d')
	echo x >"odd/$name"
	podflare cp odd cp1:/t/odd2
	podflare cp cp1:/t/odd2 back
	diff -r odd back
}

@test "a sparse file stays small on both sides" {
	truncate -s 300M sparse
	printf end | dd of=sparse bs=1 seek=$((200 * 1048576)) conv=notrunc \
		status=none
	podflare cp sparse cp1:/t/sparse
	[ "$(in_guest 'stat -c %s /t/sparse')" = $((300 * 1048576)) ]
	[ "$(in_guest 'stat -c %b /t/sparse')" -lt 20000 ]
	podflare cp cp1:/t/sparse back
	cmp sparse back
	[ "$(stat -c %b back)" -lt 20000 ]
	in_guest 'rm /t/sparse'
}

@test "an empty file and an empty folder" {
	: >e
	mkdir ed
	podflare cp e cp1:/t/
	podflare cp ed cp1:/t/ed
	[ "$(in_guest 'stat -c %s /t/e; ls -A /t/ed')" = 0 ]
	podflare cp cp1:/t/ed ed2
	[ -d ed2 ]
}

@test "a guest's link does not lead out of the target folder" {
	in_guest 'mkdir -p /t/evil; ln -s /tmp /t/evil/out; rm -rf /t/evil2;
		mkdir /t/evil2; cd /t; tar -cf /t/evil.tar evil;
		rm evil/out; mkdir evil/out; echo x >evil/out/planted-by-guest;
		tar -rf /t/evil.tar evil/out/planted-by-guest'
	podflare cp cp1:/t/evil.tar .
	mkdir target
	mkdir target/evil
	ln -s "$PWD/elsewhere" target/evil/out
	mkdir elsewhere
	run --separate-stderr podflare cp cp1:/t/evil target
	[ ! -e elsewhere/planted-by-guest ]
	[ ! -e /tmp/planted-by-guest ]
}

@test "Ctrl-C during cp leaves no process and the sandbox usable" {
	mkfifo in
	exec 7<>in
	env --default-signal=INT podflare cp - cp1:/t/ <in 2>err 7>&- &
	pid=$!
	# until it takes signals as events
	wait_until 20 grep -qE '^SigBlk:.*[2367abef]$' "/proc/$pid/status"
	kill -INT $pid
	rc=0
	wait $pid || rc=$?
	[ $rc -eq 130 ]
	in_guest true
}

@test "a relative path in the sandbox is below the user's home" {
	echo rel >f
	podflare cp f cp1:rel.txt
	[ "$(in_guest 'cat /root/rel.txt')" = rel ]
}
