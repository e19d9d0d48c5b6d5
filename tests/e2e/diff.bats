#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/diff.bats - diff: against the image, a fork's past, and each other
# seconds: 90
load helper

setup_file() {
	create diff1
	podflare exec diff1 sh -c '
		mkdir -p /t/d /t/old && cd /t || exit
		seq 20 >text; echo x >gone; echo m >mode; echo o >owner
		ln -s text link; echo t >type; printf "a\0b" >bin
		printf "no end" >noend; echo d >d/f; echo k >keep; : >empty
		echo s >"sp ace"; cp text "$(printf "q\"\n\377")"'
	podflare fork -n 2 diff1
	podflare exec diff1-1 sh -c '
		cd /t && sed -i "s/^3$/three/; s/^18$/eighteen/" text &&
		rm -r gone old && chmod 755 mode && chown 1:2 owner &&
		ln -sfn bin link && rm type && mkdir type && echo n >type/in &&
		printf "a\0c" >bin && printf "no end\nnow" >noend &&
		echo new >d/new && chmod 700 d && touch keep &&
		echo 2 >>"sp ace" && echo 2 >>"$(printf "q\"\n\377")"'
}

teardown_file() {
	podflare rm -f diff1 diff1-1 diff1-2 diff1-s
	podflare -q snapshot rm diff1-snap || true
}

changes=$'M\t/t/bin
M\t/t/d
A\t/t/d/new
D\t/t/gone
M\t/t/link
M\t/t/mode
M\t/t/noend
D\t/t/old
M\t/t/owner
M\t"/t/q\\"\\n\\377"
M\t/t/sp ace
M\t/t/text
T\t/t/type
A\t/t/type/in'

@test "a fork against the moment it came from" {
	[ "$(podflare diff diff1-1)" = "$changes" ]
	[ "$(podflare diff diff1-2)" = "" ]
}

@test "one against another, both ways" {
	[ "$(podflare diff diff1-2 diff1-1)" = "$changes" ]
	[ "$(podflare diff diff1 diff1-1)" = "$changes" ]
	[ "$(podflare diff diff1-1 diff1-2 | tr ADMT DAMT)" = "$changes" ]
	[ "$(podflare diff diff1 diff1)" = "" ]
}

@test "a sandbox against its image" {
	run -0 podflare diff diff1
	[ "${lines[0]}" = $'A\t/t' ]
	[ "${#lines[@]}" -eq 16 ]
	run -0 podflare diff --name-only diff1 /t/d t/keep
	[ "$output" = $'/t/d\n/t/d/f\n/t/keep' ]
}

@test "paths: absolute, below the root, behind --, none that match" {
	[ "$(podflare diff diff1-1 /t/d)" = $'M\t/t/d\nA\t/t/d/new' ]
	[ "$(podflare diff diff1 diff1-1 ./t/d/new t/mode)" = \
		$'A\t/t/d/new\nM\t/t/mode' ]
	[ "$(podflare diff diff1-1 -- t)" = "$changes" ]
	[ "$(podflare diff diff1-1 /nosuch)" = "" ]
	run --separate-stderr podflare diff diff1-1 t
	[ "$status" -eq 1 ]
	hint_says '"--"'
	run --separate-stderr podflare diff diff1-1 a/../b
	[ "$status" -eq 2 ]
}

@test "exit codes" {
	run -0 podflare diff --exit-code diff1-2
	run -1 podflare diff --exit-code diff1-1
	run -0 podflare diff --exit-code diff1-1 /etc
	run --separate-stderr podflare diff nosuch
	[ "$status" -eq 1 ]
	error_says "no such sandbox"
}

@test "raw names with -z" {
	podflare diff -z diff1-1 /t >z
	tr '\0\n' '\n@' <z | LC_ALL=C grep -qx $'/t/q"@\377'
	[ "$(tr -dc '\0' <z | wc -c)" -eq 28 ]
}

@test "--json says what differs" {
	podflare --json diff diff1-1 >j
	[ "$(jq -c '[.added, .removed, .modified | length]' j)" = '[2,2,10]' ]
	jq -e '.added[] | select(.path == "/t/type/in") |
		.type == "file" and .size == 2' j
	change() {
		jq -r --arg p "$1" '.modified[] | select(.path == $p) |
			.change | join(" ")' j
	}
	[ "$(change /t/text)" = content ]
	[ "$(change /t/mode)" = mode ]
	[ "$(change /t/owner)" = owner ]
	[ "$(change /t/link)" = link ]
	[[ $(change /t/type) = type* ]]
	jq -e '.modified[] | select(.path_bytes) | .path_bytes[-1] == 255' j
}

@test "--stat as git prints it" {
	run -0 podflare diff --stat diff1-1 /t/text /t/noend /t/bin
	[ "${lines[0]}" = ' /t/bin   | Bin 3 -> 3 bytes' ]
	[ "${lines[1]}" = ' /t/noend |   3 ++-' ]
	[ "${lines[2]}" = ' /t/text  |   4 ++--' ]
	[ "${lines[3]}" = ' 3 files changed, 4 insertions(+), 3 deletions(-)' ]
}

@test "-p is a patch that git applies" {
	podflare diff -p diff1 diff1-1 /t >p
	grep -qx 'Binary files a/t/bin and b/t/bin differ' p
	grep -qx '\\ No newline at end of file' p
	grep -qx 'new owner 1:2' p
	grep -qxF '# modified dir /t/d: mode 0755, owner 0:0 -> mode 0700, owner 0:0' p
	# what a patch cannot say: binary files and owners
	podflare diff -p diff1 diff1-1 /t/d /t/gone /t/link /t/mode /t/noend \
		/t/text /t/type "/t/sp ace" >p
	podflare exec -i diff1-2 sh -c 'cd / && git apply -v' <p
	run -0 podflare diff diff1-1 diff1-2
	# folders are none of git's business
	[ "$output" = $'M\t/t/bin\nM\t/t/d\nA\t/t/old\nM\t/t/owner\nM\t"/t/q\\"\\n\\377"' ]
}

@test "context lines" {
	[ "$(podflare diff -U 1 diff1-1 /t/text | grep -c '^ ')" -eq 4 ]
	run --separate-stderr podflare diff -U x diff1-1
	[ "$status" -eq 2 ]
}

@test "text on a terminal cannot steer it" {
	podflare exec diff1-1 sh -c 'printf "\033[2Jhi\n" >/t/esc'
	run -0 timeout 60 script -qec "podflare diff -p diff1-1 /t/esc" /dev/null
	[[ $output == *'+\x1b[2Jhi'* ]]
	podflare diff -p diff1-1 /t/esc | grep -q $'^+\033'
	podflare exec diff1-1 rm /t/esc
}

@test "what a file was rewritten with is compared, not when" {
	podflare exec diff1-1 sh -c 'cp /t/keep /t/k2 && cat /t/k2 >/t/keep &&
		rm /t/k2 && cp -p /etc/hostname /etc/h && mv /etc/h /etc/hostname'
	[ "$(podflare diff diff1-1 /t/keep /etc)" = "" ]
	podflare exec diff1-1 sh -c 'echo K >/t/keep'
	[ "$(podflare diff diff1-1 /t/keep)" = $'M\t/t/keep' ]
	podflare exec diff1-1 sh -c 'echo k >/t/keep'
}

@test "a frozen sandbox stays frozen" {
	podflare freeze diff1-1
	[ "$(podflare diff diff1-1)" = "$changes" ]
	[ "$(podflare diff diff1 diff1-1)" = "$changes" ]
	podflare diff -p diff1-1 /t/text | grep -qx +three
	[ "$(field diff1-1 .state)" = frozen ]
	podflare thaw diff1-1
}

@test "a sandbox against the snapshot that it came from" {
	podflare snapshot create diff1-1 diff1-snap
	podflare create --from diff1-snap -n diff1-s
	[ "$(podflare diff diff1-s)" = "" ]
	podflare exec diff1-s rm /t/text
	[ "$(podflare diff diff1-s)" = $'D\t/t/text' ]
	podflare freeze diff1-s
	[ "$(podflare diff diff1-s)" = $'D\t/t/text' ]
	podflare rm diff1-s
	podflare snapshot rm diff1-snap
}

@test "a fork of a fork" {
	podflare fork --name diff1-deep diff1-1
	podflare exec diff1-deep sh -c 'echo deep >>/t/text'
	[ "$(podflare diff diff1-deep)" = $'M\t/t/text' ]
	[ "$(podflare diff diff1 diff1-deep)" = "$changes" ]
	podflare rm diff1-deep
}
