#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/check-includes.sh - who may include whom
#
# Four rules: what a folder may include (trust levels), which few files may
# include what is dangerous, arrows inside a folder point down only (by rank, and
# without loops), and the order of #include lines.
# shellcheck source=tests/check-lib.bash
. "$(dirname "$0")/check-lib.bash"

libraries='jansson|yaml|archive|archive_entry|seccomp|cmocka|sha2|md5|slirp/.*|libslirp|microhttpd|git2'

# 1. Folders: own headers (an extended regular expression), then libraries.
# The longest matching folder counts; tests/ may include everything.
folders='
common          common/(?!jsonrpc|config|yaml)  -
common/jsonrpc  common/                         jansson
common/config   common/(?!jsonrpc)              -
common/yaml     common/(?!jsonrpc)              -
cli             (common|cli)/                   jansson|sha2
runner          (common|runner(?!/vmm/|/net/))/   jansson|sha2
runner/vmm      (common/(?!jsonrpc|config|yaml)|runner/vmm)/?  -
runner/net      (common/(?!jsonrpc|config|yaml)|runner/net)/?  slirp/.*|libslirp
machine         (common/(?!config|yaml)|machine/)             jansson|sha2
guest-init      (common/(?!jsonrpc|config|yaml)|guest-init)/?  -
'

# 2. Dangerous headers: header, then the only files that may have it.
only='
linux/kvm\.h                 runner/vmm/(vm|vcpu|memory|irq|kvm|snapshot|state|clone)(-[a-z]+)?\.[ch]|runner/vmm/x86/(cpu(id|state)?|chips|msrs)\.[ch]
linux/virtio_ring\.h         runner/vmm/(virtq|virtio-mmio|virtio-regs|virtio-state)\.[ch]
runner/vmm/control\.h        runner/vmm/[a-z0-9-]+\.[ch]|runner/vmctl-call\.h
seccomp\.h                   runner/(vmm|net)/(isolate|seccomp)\.c
yaml\.h                      common/yaml\.c
git2\.h                      cli/textdiff-main\.c
archive(_entry)?\.h          cli/(cmd-cp|cp|extract|tar|archive|image|import|cmd-image|oci)[a-z-]*\.[ch]|runner/unpack\.c
'

# 3. Ranks: a file may include headers of its own rank or below. Files that are
# not named here are bound by the rule against loops alone.
ranks='
cli/main                       9
cli/cmd-[a-z-]+                7
cli/(client|spec|output|term)  5
runner/main                    9
runner/server                  8
runner/(request|req-[a-z]+)    7
runner/(sandbox|store|image|snapshot) 5
runner/(vmproc|vmctl|limits)   3
runner/vmm/main                9
runner/vmm/(control|snapshot)  8
runner/vmm/vm                  7
runner/vmm/vcpu                5
runner/vmm/virtio-(blk|net|rng|vsock) 5
runner/vmm/(virtio-mmio|virtq|disk) 3
runner/vmm/(memory|bus|irq|kvm) 1
'

# All three tables go to one awk-free pass in perl: every system that can build
# with automake has it.
scan() {
	(cd "$tree" && sources '*.c' '*.h' |
		FOLDERS=$folders ONLY=$only RANKS=$ranks LIBS=$libraries \
		perl -e '
use strict;
my $libs = $ENV{LIBS};
my @folders = map { [split] } grep { /\S/ } split /\n/, $ENV{FOLDERS};
my @only = map { [split] } grep { /\S/ } split /\n/, $ENV{ONLY};
my @ranks = map { [split] } grep { /\S/ } split /\n/, $ENV{RANKS};
@folders = sort { length $b->[0] <=> length $a->[0] } @folders;
sub rank {
	my $m = shift;
	for (@ranks) { return $_->[1] if $m =~ /^(?:$_->[0])$/ }
	return undef;
}
sub kind {
	my $h = shift;
	return 2 if $h =~ m{^"};
	return $h =~ m{^<(?:$libs)\.h>} ? 1 : 0;
}
my %edges;
while (my $file = <STDIN>) {
	chomp $file;
	next if $file =~ m{^(tests|examples)/};
	my $own = $file =~ s/\.c$/.h/r;
	my $has_own = $file =~ /\.c$/ && -e $own;
	my ($n, $last, $last_kind) = (0, "", -1);
	my ($folder) = grep { $file =~ m{^\Q$_->[0]\E(?:/|\.)} } @folders;
	print "$file: its folder is not in the table\n" unless $folder;
	open my $f, "<", $file or next;
	while (<$f>) {
		unless (m{^\s*#\s*include\s*([<"][^>"]+[>"])}) {
			# A blank line or a comment begins a new block.
			$last_kind = -1 if /^\s*#\s*(if|else|endif)/;
			next;
		}
		my $inc = $1;
		my $name = $inc =~ s/[<>"]//gr;
		my $where = "$file:$.: $inc";
		$n++;
		if ($has_own && $n == 1) {
			print "$where: its own \"$own\" comes first\n"
				if $inc ne "\"$own\"";
			next if $inc eq "\"$own\"";
		}
		# A second file of a module (opts-usage.c) begins as the first.
		my $kind = kind($inc);
		my $first = $n == 1 && !$has_own && $kind == 2;
		if ($kind < $last_kind) {
			print "$where: system, library, own headers\n";
		} elsif ($kind == $last_kind && $name lt $last) {
			print "$where: not sorted\n";
		}
		($last, $last_kind) = ($name, $kind) unless $first;
		if ($folder && $kind == 2) {
			print "$where: not from $folder->[0]/\n"
				unless $name =~ /^(?:$folder->[1])/
				or $name eq "config.h" or $name eq $own
				or $name eq "runner/vmm/control.h";
		} elsif ($folder && $kind == 1) {
			my $l = $name =~ s/\.h$//r;
			my ($o) = grep { $name =~ /^(?:$_->[0])$/ } @only;
			print "$where: not from $folder->[0]/\n"
				unless $o or $l =~ /^(?:$folder->[2])$/;
		}
		for (@only) {
			print "$where: only in $_->[1]\n"
				if $name =~ /^(?:$_->[0])$/ and
				   $file !~ /^(?:$_->[1])$/;
		}
		next if $kind != 2;
		my ($from, $to) = ($file, $name);
		s/\.[ch]$// for $from, $to;
		my ($a, $b) = (rank($from), rank($to));
		my $same = ($from =~ m{^(.*)/})[0] eq (($to =~ m{^(.*)/})[0] // "");
		print "$where: an arrow that points up\n"
			if $same && defined $a && defined $b && $b > $a;
		# Headers share types; calls are what must not go in circles.  The
		# base of common/ (util, log, err) is one piece.
		$edges{$from}{$to} = 1
			if $file =~ /\.c$/ && $from ne $to &&
			   $from !~ m{^common/};
	}
}
# Loops among modules (a .c and its .h): depth-first.
my (%seen, @path);
sub walk {
	my $m = shift;
	if (($seen{$m} // 0) == 1) {
		my @loop = @path;
		shift @loop while $loop[0] ne $m;
		print "a loop: ", join(" -> ", @loop, $m), "\n";
		return;
	}
	return if $seen{$m};
	$seen{$m} = 1;
	push @path, $m;
	walk($_) for sort keys %{$edges{$m}};
	pop @path;
	$seen{$m} = 2;
}
walk($_) for sort keys %edges;
')
}

check() {
	local line

	while read -r line; do
		bad "$line"
	done < <(scan 2>&1)
}

selftest() {
	printf '#include "common/a.h"\n#include <stdio.h>\n' | put common/a.c
	echo '#include <stdint.h>' | put common/a.h
	printf '#include <linux/kvm.h>\n#include "runner/vmm/kvm.h"\n' |
		put runner/vmm/vcpu.c
	printf '#include <jansson.h>\n' | put cli/output.c
	expect_good
	printf '#include "runner/runner.h"\n' | put cli/a.c
	expect_bad 'cli/a.c:1: "runner/runner.h": not from cli/'
	printf '#include <jansson.h>\n' | put runner/vmm/disk.c
	expect_bad 'runner/vmm/disk.c:1: <jansson.h>: not from runner/vmm/'
	printf '#include "common/jsonrpc.h"\n' | put guest-init/agent.c
	expect_bad '"common/jsonrpc.h": not from guest-init/'
	printf '#include <linux/kvm.h>\n' | put runner/vmm/virtio-blk.c
	expect_bad '<linux/kvm.h>: only in'
	printf '#include "runner/vmm/control.h"\n' | put runner/server.c
	expect_bad '"runner/vmm/control.h": only in'
	printf '#include <stdio.h>\n#include "cli/a.h"\n' | put cli/a.c
	put cli/a.h </dev/null
	expect_bad 'its own "cli/a.h" comes first'
	printf '#include <stdlib.h>\n#include <errno.h>\n' | put cli/a.c
	expect_bad 'cli/a.c:2: <errno.h>: not sorted'
	printf '#include "cli/b.h"\n#include <errno.h>\n' | put cli/a.c
	put cli/b.c <<<'#include <stdio.h>'
	expect_good
	printf '#include <stdio.h>\n#include "cli/b.h"\n#include <errno.h>\n' |
		put cli/a.c
	expect_bad 'system, library, own'
	printf '#include "runner/vmm/vm.h"\n' | put runner/vmm/virtq.c
	expect_bad 'an arrow that points up'
	printf '#include "cli/b.h"\n' | put cli/a.c
	printf '#include "cli/a.h"\n' | put cli/b.c
	expect_bad 'a loop: cli/a -> cli/b -> cli/a'
	echo 'int a;' | put misc/a.c
	expect_bad 'misc/a.c: its folder is not in the table'
}

check_main "$@"
