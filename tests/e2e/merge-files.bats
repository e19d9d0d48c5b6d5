#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/merge-files.bats - merge --files: three ways, all or nothing
# seconds: 120
load helper

setup_file() {
	create mf --disk 128M
	podflare exec mf sh -c '
		mkdir -p /t/d/e /t/dir && cd /t || exit
		seq 20 >text; seq 20 | sed "s/$/\r/" >crlf; printf "1\n2\n3" >noend
		echo x >x; echo y >y; echo z >d/e/z; echo i >dir/in; ln -s x link
		printf "a\0b" >bin; echo h >h1; ln h1 h2; : >empty
		echo l >"$(printf "lat\344n")"'
}

teardown_file() {
	podflare rm -f mf
}

setup() {
	watchdog_start
	cd "$BATS_TEST_TMPDIR" || return
	podflare fork -n 2 mf --name mf-c >/dev/null
}

teardown() {
	podflare rm -f mf-c-1 mf-c-2 mf-o mf-t >/dev/null 2>&1 || true
	podflare snapshot rm mf-snap >/dev/null 2>&1 || true
	watchdog_stop
}

# one, two, parent: a script in /t of a child or the parent.
one() {
	podflare exec mf-c-1 sh -c "cd /t && $1"
}

two() {
	podflare exec mf-c-2 sh -c "cd /t && $1"
}

parent() {
	podflare exec mf sh -c "cd /t && $1"
}

# all of /t in a sandbox, for comparison
tree() {
	podflare exec "$1" sh -c 'cd /t && find . -printf "%y %p %m %U %G %l\n" |
		sort && find . -type f -size -100M -exec md5sum {} + | sort'
}

@test "what the children changed comes together" {
	one 'sed -i s/^2$/two/ text; rm x; ln -sfn y link; mkdir new; echo n >new/n'
	two 'sed -i s/^19$/nineteen/ text; chmod 750 y; chown 3:4 y; rm -r d; echo q >empty'
	parent 'echo own >own'
	run -0 podflare merge --files mf mf-c-1 mf-c-2
	[ "$output" = $'D\t/t/d\nD\t/t/d/e\nD\t/t/d/e/z\nM\t/t/empty\nM\t/t/link
A\t/t/new\nA\t/t/new/n\nM\t/t/text\nD\t/t/x\nM\t/t/y' ]
	run -0 parent 'cat text own new/n empty; readlink link; stat -c "%a %u:%g" y;
		ls -d d x 2>/dev/null || ls -A / | grep -c podflare || true'
	[ "$output" = "$(seq 20 | sed 's/^2$/two/; s/^19$/nineteen/')"$'\nown\nn\nq\ny\n750 3:4\n0' ]
	# again: nothing is left to do
	run -0 podflare -q merge --files mf mf-c-1 mf-c-2
	[ "$output" = "" ]
	parent 'rm -r new own; seq 20 >text; echo x >x; ln -sfn x link; : >empty
		chmod 644 y; chown 0:0 y; mkdir -p d/e; echo z >d/e/z'
}

@test "line by line: CR LF, no last line feed" {
	one 'sed -i "s/^2\r/two\r/" crlf; printf "0\n1\n2\n3" >noend'
	two 'sed -i "s/^19\r/nineteen\r/" crlf; printf "1\n2\n3\n4" >noend'
	podflare merge --files mf mf-c-1 mf-c-2
	parent 'seq 20 | sed "s/^2$/two/; s/^19$/nineteen/; s/$/\r/" | cmp - crlf &&
		printf "0\n1\n2\n3\n4" | cmp - noend'
	parent 'seq 20 | sed "s/$/\r/" >crlf; printf "1\n2\n3" >noend'
}

@test "conflicts are told, and nothing is changed" {
	tree mf >before
	one 'echo a >x; sed -i s/^2$/a/ text; rm y; printf "a\0c" >bin; chmod 600 empty
		echo a >added; rm -r dir; echo file >dir; ln -sfn a link; echo ok >fine'
	two 'echo b >x; sed -i s/^2$/b/ text; echo b >y; printf "a\0d" >bin; chmod 400 empty
		echo b >added; echo more >dir/more; ln -sfn b link'
	run --separate-stderr podflare merge --files mf mf-c-1 mf-c-2
	[ "$status" -eq 1 ]
	[ "$output" = "CONFLICT (add/add): Merge conflict in /t/added
CONFLICT (binary): Cannot merge binary files: /t/bin
CONFLICT (file/directory): /t/dir: file in mf, dir in mf-c-2, and there is more below it
CONFLICT (mode): /t/empty changed on both sides
CONFLICT (link): /t/link changed on both sides
CONFLICT (content): Merge conflict in /t/text
CONFLICT (content): Merge conflict in /t/x
CONFLICT (modify/delete): /t/y deleted in mf and modified in mf-c-2" ]
	error_says "8 conflicts with mf-c-2; mf is as it was"
	hint_says --ours
	tree mf >after
	cmp before after
	run --separate-stderr podflare --json merge --files mf mf-c-1 mf-c-2
	[ "$status" -eq 1 ]
	[ "$(jq -r '.conflicts | map(.conflict) | unique | join(" ")' <<<"$output")" = \
		"add/add binary content file/directory link mode modify/delete" ]
}

@test "--ours and --theirs settle them, and only them" {
	one 'echo a >x; sed -i "s/^2$/a/" text; rm y; rm -r dir; echo file >dir'
	two 'echo b >x; sed -i "s/^2$/b/; s/^19$/nineteen/" text; echo b >y; echo more >dir/more'
	podflare merge --files --ours -n mf mf-c-1 mf-c-2
	podflare fork --name mf-o mf
	podflare merge --files --ours mf-o mf-c-1 mf-c-2
	run -0 podflare exec mf-o sh -c 'cd /t; cat x dir; test ! -e y; sed -n "2p; 19p" text'
	[ "$output" = $'a\nfile\na\nnineteen' ]
	podflare rm mf-o
	podflare fork --name mf-t mf
	podflare merge --files --theirs mf-t mf-c-1 mf-c-2
	run -0 podflare exec mf-t sh -c 'cd /t; cat x dir/more y; sed -n "2p; 19p" text'
	[ "$output" = $'b\nmore\nb\nb\nnineteen' ]
	podflare rm mf-t
	[ "$(parent 'cat x')" = x ]
}

@test "only the paths that are named" {
	one 'echo 1 >x; echo 1 >y; mkdir -p deep/er; echo 1 >deep/er/f; echo 1 >deep/other'
	run -0 podflare merge --files mf mf-c-1 -- t/x /t/deep/er/f
	[ "$output" = $'A\t/t/deep\nA\t/t/deep/er\nA\t/t/deep/er/f\nM\t/t/x' ]
	[ "$(parent 'cat y')" = y ]
	parent 'rm -r deep; echo x >x'
}

@test "hard links, holes, specials, names that are no UTF-8" {
	one 'echo H >>h1; truncate -s 1G hole; echo end >>hole; mkfifo p
		yes | head -c 5000000 >big; ln big big2
		echo L >>"$(printf "lat\344n")"; chmod 4755 y; rm -r d; echo f >d'
	podflare merge --files mf mf-c-1
	tree mf >a
	tree mf-c-1 >b
	cmp a b
	[ "$(parent 'stat -c "%h %b" hole big big2 h1 | cut -d" " -f1')" = $'1\n2\n2\n2' ]
	[ "$(parent 'stat -c %b hole')" -lt 1000 ]
	parent 'rm d hole p big big2; mkdir -p d/e; echo z >d/e/z; chmod 644 y
		echo h >h1; echo l >"$(printf "lat\344n")"'
}

@test "a full disk: nothing has changed" {
	one 'yes | head -c 20000000 >a-big; rm x; echo new >y'
	parent 'cat /dev/zero >fill 2>/dev/null; truncate -s -5M fill && sync'
	tree mf >before
	run --separate-stderr podflare merge --files mf mf-c-1
	[ "$status" -eq 1 ]
	error_says "No space left"
	tree mf >after
	cmp before after
	[ "$(parent 'ls -A / | grep -c podflare' || true)" = 0 ]
	parent 'rm fill'
}

@test "frozen ones: the parent is thawed, the other stays frozen" {
	one 'echo frozen >frozen'
	podflare freeze mf
	podflare freeze mf-c-1
	podflare merge --files mf mf-c-1
	[ "$(parent 'cat frozen')" = frozen ]
	[ "$(field mf-c-1 .state)" = frozen ]
}

@test "one that was made of a snapshot of the parent" {
	podflare snapshot create mf mf-snap
	podflare create --from mf-snap -n mf-o
	parent 'sed -i s/^2$/two/ text'
	podflare exec mf-o sh -c 'cd /t && sed -i s/^19$/nineteen/ text; rm y'
	run -0 podflare merge --files mf mf-o
	[ "$output" = $'M\t/t/text\nD\t/t/y' ]
	[ "$(parent 'cat text')" = "$(seq 20 |
		sed 's/^2$/two/; s/^19$/nineteen/')" ]
	podflare snapshot rm mf-snap
}

@test "who cannot be merged" {
	run --separate-stderr podflare merge --files mf mf
	[ "$status" -eq 2 ]
	error_says "into itself"
	run --separate-stderr podflare merge --files mf nosuch
	[ "$status" -eq 1 ]
	run --separate-stderr podflare merge --files mf mf-c-1 mf-c-1
	[ "$status" -eq 2 ]
	run --separate-stderr podflare merge --files --ours --theirs mf mf-c-1
	[ "$status" -eq 2 ]
	run --separate-stderr podflare merge --files mf a/b
	hint_says '"--"'
	run --separate-stderr podflare merge --ours mf mf-c-1
	[ "$status" -eq 2 ]
}
