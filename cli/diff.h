/* SPDX-License-Identifier: MIT */
/* cli/diff.h - how the files of one sandbox differ from those of another */
#ifndef PODFLARE_CLI_DIFF_H
#define PODFLARE_CLI_DIFF_H

#include "cli/same.h"
#include "cli/side.h"

enum diff_what {
	DIFF_CONTENT = 1,
	DIFF_MODE = 2,
	DIFF_OWNER = 4,
	DIFF_LINK = 8,		/* a symbolic link's target */
	DIFF_DEVICE = 16,	/* a device's numbers */
	DIFF_TYPE = 32,
};

/* A path that is not the same on both sides. */
struct diff_entry {
	const char *path;	/* of a record */
	struct node a, b;	/* mode 0: not there; texts are the records' */
	struct change *ca, *cb;	/* NULL: as in the image, or not there */
	unsigned int what;	/* enum diff_what; 0 when one is not there */
	bool unsure;		/* the contents are to be hashed */
};

struct diff {
	struct diff_entry *v;	/* by path */
	size_t n, cap;
};

#define CLEANUP_DIFF __attribute__((cleanup(diff_free)))

/* What differs between two that are both there, but for the content of files. */
unsigned int diff_nodes(const struct node *a, const struct node *b);
/* Return: 0, or -1 with @err (memory). */
int diff_add(struct diff *d, const struct diff_entry *e, struct err *err);
/* Both of the same image, or both lists of all files.
 * Return: 0, or -1 with @err (memory). */
int diff_sides(struct diff *d, const struct side *a, const struct side *b,
	       const struct kin *kin, struct err *err);
/* The image against @b. Return: as diff_sides(). */
int diff_image(struct diff *d, const struct side *b, struct err *err);
/* Hash what is unsure, and drop what turns out the same.
 * Return: 0, or -1 with @err. */
int diff_settle(struct diff *d, struct side *a, struct side *b,
		const struct kin *kin, struct err *err);
void diff_free(struct diff *d);

/* 'A' added, 'D' removed, 'M' modified, 'T' another type. */
char diff_letter(const struct diff_entry *e);

/* Lines "LETTER\tPATH", or without @letters the paths alone; @z: raw, a NUL
 * behind each word. */
void diff_print_names(const struct diff *d, bool letters, bool z);
/* {added, removed, modified}, a new reference. */
json_t *diff_json(const struct diff *d);

#endif
