/* SPDX-License-Identifier: MIT */
/*
 * cli/cp-extract.c - a tar stream from a sandbox, unpacked on this host
 *
 * Runs in the CLI.  Distrusts the stream.  libarchive reads the plain tar format
 * and no other, without filters; what its members may do is decided by
 * cp-member.c and cp-entry.c.
 */
#include "cli/cp-extract.h"

#include <errno.h>

#include "cli/cp-entry.h"

struct source {
	struct extract *x;
	struct err *err;	/* of the stream */
	bool at_end;
};

static la_ssize_t read_cb(struct archive *a, void *client, const void **data)
{
	struct source *s = client;
	size_t len = 0;
	int rc;

	do {
		rc = s->at_end ? 0 : s->x->next(s->x->source, data, &len,
						s->err);
	} while (rc > 0 && !len);
	if (rc < 0) {
		archive_set_error(a, EIO, "stream");
		return -1;
	}
	s->at_end = rc == 0;
	return rc ? (la_ssize_t)len : 0;
}

/* Names are bytes; but of a pax header libarchive has them as UTF-8. */
static const char *name_of(struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);

	return name ? name : archive_entry_pathname_utf8(e);
}

static int one_entry(struct extract *x, struct archive *a,
		     struct archive_entry *e, struct late_folders *late,
		     struct err *err)
{
	CLEANUP_MEMBER struct member m = { 0 };
	const char *name = name_of(e);
	const char *why = NULL;
	int rc;

	if (member_parse(name ? name : "", x->only, &m, err) < 0)
		return -1;
	if (!m.depth)	/* the folder itself: it is there */
		return 0;
	rc = entry_make(x, a, e, &m, late, &why, err);
	if (rc < 0)
		return -1;
	if (rc > 0) {
		x->nr_refused++;
		x->refused(x->user, m.path, why);
		return 0;
	}
	x->nr_entries++;
	return 0;
}

static int all_entries(struct extract *x, struct archive *a,
		       struct late_folders *late, struct err *err)
{
	struct archive_entry *e;
	int rc;

	while ((rc = archive_read_next_header(a, &e)) == ARCHIVE_OK ||
	       rc == ARCHIVE_WARN) {
		if (one_entry(x, a, e, late, err) < 0)
			return -1;
	}
	if (rc == ARCHIVE_EOF)
		return 0;
	if (err->code != ERR_NONE)
		return -1;
	return err_set(err, ERR_GUEST, "the sandbox sent a bad archive: %s",
		       archive_error_string(a));
}

/* What follows the archive's end mark, up to the end of the stream. */
static int drain(struct source *s)
{
	const void *data;
	size_t len;
	int rc = s->at_end ? 0 : 1;

	while (rc > 0)
		rc = s->x->next(s->x->source, &data, &len, s->err);
	return rc;
}

/* See cp-extract.h. */
int extract_tar(struct extract *x, struct err *err)
{
	struct err own = ERR_INIT;
	struct source s = { .x = x, .err = &own };
	struct late_folders late = { 0 };
	struct archive *a = archive_read_new();
	int rc = -1;

	if (!a)
		return err_sys(err, ENOMEM, "cp");
	archive_read_support_format_tar(a);
	if (archive_read_open(a, &s, NULL, read_cb, NULL) == ARCHIVE_OK)
		rc = all_entries(x, a, &late, &own);
	else if (own.code == ERR_NONE)
		err_set(&own, ERR_GUEST, "the sandbox sent a bad archive: %s",
			archive_error_string(a));
	late_folders_finish(&late, x->folder);
	archive_read_free(a);
	if (rc == 0)
		rc = drain(&s);
	if (rc < 0 && err)
		*err = own;
	return rc;
}
