/* SPDX-License-Identifier: MIT */
/* examples/hello-c/test.c - tests of words_count() */
#include <stdio.h>
#include <string.h>

#include "words.h"

static int failed;

static void check(const char *text, size_t want)
{
	size_t got = words_count(text, strlen(text));

	printf("%s: \"%s\" has %zu words\n", got == want ? "ok" : "FAILED", text,
	       got);
	failed |= got != want;
}

int main(void)
{
	check("", 0);
	check("one", 1);
	check("  two\twords ", 2);
	return failed;
}
