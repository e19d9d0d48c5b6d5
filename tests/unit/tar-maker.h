/* SPDX-License-Identifier: MIT */
/* tests/unit/tar-maker.h - tar streams with whatever a header can say */
#ifndef PODFLARE_TESTS_TAR_MAKER_H
#define PODFLARE_TESTS_TAR_MAKER_H

#include "common/buf.h"

/* What a header says; zero is a plain empty file without a name. */
struct tar_member {
	const char *name;
	char type;		/* '0' file, '1' hard link, '2' symbolic link,
				 * '5' folder, ...; 0: '0' */
	const char *link;
	unsigned int mode;	/* 0: 0644 */
	const char *data;	/* its length is the size */
	const char *size;	/* instead of it: the field as it stands */
	const char *pax;	/* "key=value\nkey=value" in a header before it */
	const char *gnu_name;	/* a GNU long name before it */
};

/* Append a member, or (tar_end) the two zero blocks. */
void tar_put(struct buf *b, const struct tar_member *m);
void tar_end(struct buf *b);

#endif
