#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/image-build.bats - images built from recipes, imported from archives
#
# Builds use packages that the default image has, too: they are at hand.
# seconds: 300
load helper

# Nothing of a build runs any more, nor is there a trace of it.
expect_tidy() {
	local tmp=${TMPDIR:-/var/tmp}

	[ -z "$(find "${images:?}" -name '.tmp-*')" ]
	[ -z "$(find "$tmp" -maxdepth 1 -name 'podflare-build-*' -user "$(id -u)")" ]
	! grep -q podflare-build- /proc/mounts
}

recipe() {
	mkdir -p tree/sub
	echo one >"tree/a file"
	ln -sf "a file" tree/sub/link
	echo '#!/bin/sh' >tool.sh
	cat >built.yaml <<-'END'
	name: built
	from: debian:bookworm
	packages: [less]
	files:
	  - {src: tool.sh, dest: /usr/local/bin/tool, mode: 0755}
	  - {src: tree, dest: /opt/, owner: bob}
	run:
	  - useradd --create-home bob
	  - |
	    pwd >made
	    echo "$GREETING" >>made
	env:
	  GREETING: "it's $HOME"
	user: bob
	workdir: /srv
	END
}

@test "a recipe becomes an image" {
	time_limit 200
	recipe
	run --separate-stderr -0 podflare image build built.yaml
	[ "$output" = built ]
	expect_tidy
}

@test "an unchanged recipe is not built again" {
	recipe
	SECONDS=0
	run --separate-stderr -0 podflare image build built.yaml
	[ $SECONDS -le 1 ]
	stderr_says 'nothing has changed'
	stderr_says --force
	[ "$output" = built ]
	run -0 podflare --json image build built.yaml
	jq -e '.unchanged and .name == "built"' <<<"$output"
}

@test "what the recipe says is in its sandboxes" {
	create build1 --image built
	run -0 podflare exec build1 sh -c 'id -un; pwd; echo "$GREETING"; cat made'
	[ "$output" = "bob
/srv
it's \$HOME
/srv
it's \$HOME" ]
	run -0 podflare exec build1 stat -c '%A %U %n' /usr/local/bin/tool \
		/opt/tree '/opt/tree/a file' /opt/tree/sub/link /opt
	[ "$output" = "-rwxr-xr-x root /usr/local/bin/tool
drwxr-xr-x bob /opt/tree
-rw-r--r-- bob /opt/tree/a file
lrwxrwxrwx bob /opt/tree/sub/link
drwxr-xr-x root /opt" ]
}

@test "nothing of this host is in it" {
	run -0 podflare exec -u root build1 sh -c 'cat /etc/resolv.conf
		ls -A /var/lib/apt/lists /var/cache/apt /tmp | grep -v :
		ls / | grep podflare; ls /etc/apt/apt.conf.d | grep -e 98 -e 99
		ls /usr/share/doc/less'
	[ "${lines[-1]}" = copyright ]
	[[ $output != *podflare* && $output != *9[89]* ]]
	run -0 podflare exec build1 cat /etc/machine-id
	[ ! -s /etc/machine-id ] || [ "$output" != "$(cat /etc/machine-id)" ]
}

@test "the image is removed with its last sandbox gone" {
	run --separate-stderr -1 podflare image rm built
	error_says build1
	podflare rm build1
	podflare image rm built
	run --separate-stderr -1 podflare image show built
}

@test "a misspelt package is told at once" {
	printf 'from: debian:bookworm\npackages: [less, no-such-pkg]\n' >x.yaml
	run --separate-stderr -1 podflare image build x.yaml
	error_says 'x.yaml:2: packages: Unable to locate package no-such-pkg'
	expect_tidy
}

@test "a step that fails: its own last lines, its number, its exit code" {
	time_limit 200
	cat >x.yaml <<-'END'
	from: debian:bookworm
	run:
	  - "true"
	  - echo before; ls /nowhere; exit 3
	END
	run --separate-stderr -1 podflare image build x.yaml
	error_says 'x.yaml: run: step 2 (echo before; ls /nowhere; exit 3)'
	stderr_says "cannot access '/nowhere'"
	if stderr_says "Setting up" >/dev/null; then return 1; fi
	expect_tidy
}

# build_pid: of the one of x.yaml; not of what ran it, nor of its guard, nor of a
# child that has not become another program yet.
build_pid() {
	local p

	for p in $(pgrep -f 'podflare image build x.yaml'); do
		[ "$(cat "/proc/$p/comm")" != podflare ] || echo "$p"
	done | head -n 1
}

@test "Ctrl-C ends a build, and nothing is left" {
	printf 'from: debian:bookworm\nrun: ["sleep 1000"]\n' >x.yaml
	setsid podflare image build x.yaml >out 2>&1 &
	wait_until 30 grep -q 'fetching packages' out
	kill -INT "$(build_pid)"
	rc=0
	wait $! || rc=$?
	[ $rc -eq 130 ]
	grep -q interrupted out
	expect_tidy
}

# in_tmp: processes that work in our TMPDIR.
in_tmp() {
	pgrep -fa -- "${TMPDIR:-/var/tmp}/podflare-build-"
}

nothing_in_tmp() {
	! in_tmp >/dev/null && [ -z "$(find "${TMPDIR:-/var/tmp}" \
		-maxdepth 1 -name 'podflare-build-*' -user "$(id -u)")" ]
}

@test "kill -9 of a build: no process, no mount, no folder; the next works" {
	time_limit 200
	printf 'name: again\nfrom: debian:bookworm\nrun: ["sleep 1000"]\n' >x.yaml
	podflare image build x.yaml >out 2>&1 3>&- &
	wait_until 100 grep -q 'running step 1' out
	in_tmp
	kill -9 "$(build_pid)"
	wait $! || true
	wait_until 20 nothing_in_tmp
	run ! grep -q podflare-build- /proc/*/mounts
	sed -i 's/sleep 1000/true/' x.yaml
	run --separate-stderr -0 podflare image build x.yaml
	[ "$output" = again ]
	expect_tidy
	podflare image rm again
}

@test "a second build waits for the first" {
	time_limit 200
	printf 'from: debian:bookworm\npackages: [nonsense]\n' >x.yaml
	exec 9>>"$images/.lock"
	flock 9
	podflare image build x.yaml >out 2>&1 9>&- &
	wait_until 30 grep -q 'waiting for another image build' out
	exec 9>&-
	wait $! || true
	grep -q 'locate package nonsense' out
}

@test "a container's file system becomes an image" {
	mkdir -p root/bin root/tmp/junk root/etc
	cp "$(command -v busybox)" root/bin/
	ln -s busybox root/bin/sh
	ln root/bin/busybox root/bin/cat
	echo builder >root/etc/hostname
	tar -C root -czf small.tar.gz .
	run --separate-stderr -0 podflare image import small.tar.gz
	[ "$output" = small ]
	expect_tidy
	create build2 --image small
	run -0 podflare exec build2 sh -c 'cat /etc/hosts; cat /proc/sys/kernel/hostname
		for f in /tmp/*; do echo "$f"; done'
	[[ $output == *localhost*build2*'/tmp/*' ]]
	podflare rm build2
	podflare image rm small
}

@test "archives that are none are refused" {
	head -c 100000 /dev/urandom >junk.tar
	run --separate-stderr -2 podflare image import junk.tar
	error_says 'junk.tar: not a whole tar archive'
	mkdir -p r/bin && head -c 200000 /dev/zero >r/bin/x
	tar -cf whole.tar -C r .
	head -c 100000 whole.tar >cut.tar
	run --separate-stderr -2 podflare image import cut.tar
	error_says cut.tar
	tar -cf no.tar junk.tar
	run --separate-stderr -2 podflare image import no.tar
	error_says 'not a root file system'
	hint_says 'docker export'
	run --separate-stderr -1 podflare image import whole.tar \
		--kernel-from nosuch
	error_says nosuch
	expect_tidy
}
