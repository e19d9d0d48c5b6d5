/* SPDX-License-Identifier: MIT */
/* cli/diff-text.h - a diff with the contents of its files */
#ifndef PODFLARE_CLI_DIFF_TEXT_H
#define PODFLARE_CLI_DIFF_TEXT_H

#include "cli/diff.h"
#include "cli/textdiff.h"

/* What one side of an entry holds: a file's content, a link's target. */
struct diff_content {
	bool there;		/* as a file or link */
	bool text;		/* data holds it; else binary, large, or gone */
	char *data;		/* NUL-terminated */
	size_t len;
	uint64_t size;		/* of the file, also of one not held here */
};

struct diff_texts {
	const struct diff *diff;
	struct side *a, *b;
	struct textdiff *tool;
	/* One entry, in order. Return: 0, or -1 with @err. */
	int (*entry)(struct diff_texts *t, const struct diff_entry *e,
		     const struct diff_content *a,
		     const struct diff_content *b, struct err *err);
	void *user;
};

/* Go through all entries. Return: 0, or -1 with @err. */
int diff_texts_run(struct diff_texts *t, struct err *err);
/*
 * Compare line by line; a side that is not there is empty.
 * @param context lines around a change
 * Return: 0 with @reply (not TEXTDIFF_OK: they are to be taken as binary), or
 * -1 with @err.
 */
int diff_texts_compare(struct diff_texts *t, const struct diff_content *a,
		       const struct diff_content *b, unsigned int context,
		       struct textdiff_reply *reply, struct err *err);
/* Whether an entry says no more than others of the diff: a plain folder that
 * came or went with something in it. */
bool diff_entry_implied(const struct diff *d, const struct diff_entry *e);

/* Like `git diff --stat`. Return: 0, or -1 with @err. */
int diff_print_stat(const struct diff *d, struct side *a, struct side *b,
		    struct textdiff *tool, struct err *err);
/* Like `git diff -p`. Return: 0, or -1 with @err. */
int diff_print_patch(const struct diff *d, struct side *a, struct side *b,
		     struct textdiff *tool, unsigned int context,
		     struct err *err);

#endif
