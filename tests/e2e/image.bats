#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/e2e/image.bats - images: list, show, remove; broken ones; bad recipes
# seconds: 45
load helper

@test "ls and show" {
	run -0 podflare image ls
	[[ $output == *default* ]]
	podflare --json image ls | jq -e 'map(.name) | index("default") != null'
	run -0 podflare image show default
	[[ $output == *squashfs* || $output == *erofs* ]]
	podflare --json image show default | jq -e '.digest | length > 0'
}

@test "unknown images" {
	run --separate-stderr -1 podflare image show nosuch
	error_says nosuch
	run --separate-stderr -1 podflare image rm nosuch
	error_says nosuch
}

@test "an image made outside is found, used and removed" {
	variant copy1
	podflare create -n image1 --image copy1 --memory 192M
	podflare exec image1 true
	run --separate-stderr -1 podflare image rm copy1
	error_says copy1
	podflare rm image1
	podflare image rm copy1
	run --separate-stderr -1 podflare create --image copy1
	podflare image show default
}

@test "a corrupt kernel: an error, and nothing is left" {
	head -c 1000000 /dev/urandom | variant badkernel vmlinux
	run --separate-stderr podflare create -n image2 --image badkernel
	[ "$status" -eq 1 ]
	error_says kernel
	run --separate-stderr -1 podflare show image2
	podflare image rm badkernel
}

@test "a corrupt base: the console's last lines are shown" {
	head -c 1000000 /dev/zero | variant badbase base.img
	run --separate-stderr podflare create -n image3 --image badbase \
		--memory 192M
	[ "$status" -eq 1 ]
	error_says image3
	stderr_says mount
	run --separate-stderr -1 podflare show image3
	podflare image rm badbase
}

@test "a damaged image.json is refused" {
	variant badjson
	dir=$(readlink -f "${images:?}/names/badjson")
	echo '{"format":1' >"$dir/image.json.new"
	mv "$dir/image.json.new" "$dir/image.json"
	run --separate-stderr podflare create --image badjson
	[ "$status" -eq 1 ]
	error_says badjson
	podflare image ls
	rm -rf "$dir" "$images/names/badjson"
}

@test "import: a tar file becomes an image that boots" {
	mkdir -p root/bin
	printf '#include <stdio.h>\nint main(void) { puts("imported"); }\n' |
		cc -static -x c - -o root/bin/say
	tar -C root -cf small.tar .
	podflare image import -n imported small.tar
	run --separate-stderr -0 podflare run --image imported --memory 192M \
		/bin/say
	[ "$output" = imported ]
	podflare image rm imported
}

@test "import: what is no archive, or not there, is refused" {
	head -c 100000 /dev/urandom >noise.tar
	run --separate-stderr podflare image import -n noise noise.tar
	[ "$status" -ne 0 ]
	error_says noise
	run --separate-stderr podflare image import nosuch.tar
	[ "$status" -ne 0 ]
	error_says nosuch.tar
	run --separate-stderr -1 podflare image show noise
}

# bad_recipe PATTERN: standard input is refused with file, line and key.
bad_recipe() {
	cat >bad.yaml
	run --separate-stderr -2 podflare image build bad.yaml
	error_says bad.yaml:
	stderr_says "$1"
}

@test "recipe: an unknown key is named with its line, and the likely one" {
	bad_recipe 'packges' <<-'END'
	name: x
	packges: [git]
	END
	error_says bad.yaml:2
	hint_says packages
}

@test "recipe: duplicate keys, aliases, wrong types, no YAML" {
	bad_recipe name <<-'END'
	name: x
	name: y
	END
	bad_recipe '' <<-'END'
	name: &a x
	user: *a
	END
	bad_recipe packages <<-'END'
	name: x
	packages: {a: b}
	END
	bad_recipe '' <<<'name: [x'
	bad_recipe name <<<'name: Not/Valid'
}

@test "recipe: a file that is not there, or is a folder" {
	run --separate-stderr podflare image build nosuch.yaml
	[ "$status" -ne 0 ]
	error_says nosuch.yaml
	mkdir dir.yaml
	run --separate-stderr podflare image build dir.yaml
	[ "$status" -ne 0 ]
	error_says dir.yaml
}

@test "nothing of a failed build is left" {
	[ -z "$(find "$images" -name '.tmp-*')" ]
}
