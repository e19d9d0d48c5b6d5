/* SPDX-License-Identifier: MIT */
/*
 * common/snapfile.c - a snapshot in one file, as it is exported
 *
 * Distrusts the file.
 */
#include "common/snapfile.h"

_Static_assert(sizeof(struct snapfile_header) == 24, "layout");
_Static_assert(sizeof(struct snapfile_record) == 16, "layout");

int snapfile_check_header(const struct snapfile_header *h, struct err *err)
{
	if (memcmp(h->magic, SNAPFILE_MAGIC, sizeof(h->magic)) != 0) {
		err_set(err, ERR_USAGE, "not an exported snapshot");
		return err_hint(err, "podflare snapshot export makes such files");
	}
	if (h->version != SNAPFILE_VERSION) {
		err_set(err, ERR_VERSION, "of format %u, this podflare knows %d",
			h->version, SNAPFILE_VERSION);
		return err_hint(err, "it was exported by another version of "
				"podflare, or its first bytes are damaged");
	}
	if (h->reserved || h->meta_len < 2 || h->meta_len > SNAPFILE_META_MAX)
		return err_set(err, ERR_IO, "its header is damaged");
	return 0;
}
