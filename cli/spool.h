/* SPDX-License-Identifier: MIT */
/* cli/spool.h - contents of files, kept in an unnamed temporary file */
#ifndef PODFLARE_CLI_SPOOL_H
#define PODFLARE_CLI_SPOOL_H

#include "cli/side.h"

#define SPOOL_TEXT_MAX (16 * MIB)	/* larger files are not taken as text */

struct spool {
	int fd;
	uint64_t size;
};

/* A piece of it. */
struct blob {
	bool have;
	uint64_t at;
	uint64_t len;
};

#define SPOOL_INIT { .fd = -1 }
#define CLEANUP_STORE __attribute__((cleanup(spool_close)))

/* Return: 0, or -1 with @err. */
int spool_open(struct spool *s, struct err *err);
void spool_close(struct spool *s);
/* Forget all of it. */
void spool_clear(struct spool *s);
/* Return: 0 with @blob, or -1 with @err. */
int spool_add(struct spool *s, const void *data, size_t len, struct blob *blob,
	      struct err *err);
/* Into memory, a NUL behind it. Return: malloc'ed, NULL with @err. */
char *spool_load(const struct spool *s, const struct blob *blob,
		 struct err *err);
/* The contents of regular files of up to SPOOL_TEXT_MAX, @n of them; for what
 * is none (any more) blobs[i]->have stays false.
 * Return: 0, or -1 with @err. */
int spool_fetch(struct spool *s, const struct side *side, char *const *paths,
		struct blob *const *blobs, size_t n, struct err *err);
/* Whether it is text, as git decides: no NUL in the first 8000 bytes. */
bool spool_is_text(const char *data, uint64_t len);

#endif
