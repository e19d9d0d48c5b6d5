#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/check-comments.sh - every non-static function is documented
#
# A function defined at file level without `static` must have a comment right
# above it, in its .c or at its prototype in a .h; a block of prototypes without
# a blank line between them shares the comment at its top.  X_init, X_free and
# main explain themselves.
# shellcheck source=tests/check-lib.bash
. "$(dirname "$0")/check-lib.bash"

check() {
	local line

	while read -r line; do
		bad "$line"
	done < <(cd "$tree" && sources '*.c' '*.h' | grep -v '^examples/' |
		perl -e '
use strict;
my (%documented, @defined);
while (my $file = <STDIN>) {
	chomp $file;
	open my $f, "<", $file or next;
	local $/ = undef;
	my $text = <$f>;
	my ($pos, $near, $depth) = (0, 0, 0);
	# Blank-line separated blocks; a block that begins with a comment (or
	# has a prototype with one behind it) documents its prototypes.
	for my $block (split /\n[ \t]*\n/, $text) {
		my $commented = $block =~ m{^\s*(/\*|//)} ||
			$block =~ m{\*/\s*\n[a-z]};
		while ($block =~ /^(?!static\b|extern\b|typedef\b|return\b|else\b)
				[a-z][\w \t\*]*?[ \*\n]
				([a-z_]\w*)\s*\(((?:[^(){};]|\([^(){};]*\))*)\)
				(?:\s*[A-Z_]+\s*\([^;{]*\))?\s*([;{])/mgx) {
			my ($name, $end) = ($1, $3);
			$documented{$name} = 1 if $commented;
			push @defined, [$file, $name]
				if $end eq "{" && $file =~ /\.c$/ &&
				   $file !~ m{^tests/};
		}
	}
}
for (@defined) {
	my ($file, $name) = @$_;
	next if $documented{$name} || $name =~ /^main$|_(init|free)$/;
	print "$file: $name() has no comment\n";
}
')
}

selftest() {
	put a.c <<-'END'
	static int helper(int x)
	{
		return x;
	}

	/* Does it. */
	int a_do(int x)
	{
		return helper(x);
	}

	struct a *a_more(struct a *a, int (*cb)(int),
			 int c)
	{
		return 0;
	}

	void a_free(struct a *a)
	{
	}
	END
	put a.h <<-'END'
	/* Does more. */
	struct a *a_more(struct a *a, int (*cb)(int),
			 int c);
	END
	expect_good
	put a.c <<-'END'
	#include "a.h"

	int a_do(int x)
	{
		return x;
	}
	END
	expect_bad 'a.c: a_do() has no comment'
	put a.c <<-'END'
	const char *
	a_name(void)
	{
		return "";
	}
	END
	expect_bad 'a.c: a_name() has no comment'
}

check_main "$@"
