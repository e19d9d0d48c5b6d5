/* SPDX-License-Identifier: MIT */
/*
 * cli/image-unpack.c - one compressed piece of memory, unpacked
 *
 * Runs in the CLI.  Distrusts the bytes: the one filter that their magic names
 * is enabled, never all of them, none that would start a program; and what comes
 * out is bounded by the buffer.
 */
#include "cli/image-unpack.h"

#include <errno.h>

#include <archive.h>
#include <archive_entry.h>

#define CHUNK (256 * KIB)

/* See image-unpack.h. */
enum unpack_kind unpack_kind(const void *data, size_t len)
{
	static const struct {
		enum unpack_kind kind;
		size_t len;
		const char *magic;
	} known[] = {
		{ UNPACK_GZIP, 3, "\x1f\x8b\x08" },
		{ UNPACK_XZ, 6, "\xfd" "7zXZ\0" },
		{ UNPACK_ZSTD, 4, "\x28\xb5\x2f\xfd" },
		{ UNPACK_LZ4, 4, "\x04\x22\x4d\x18" },
		{ UNPACK_LZ4, 4, "\x02\x21\x4c\x18" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (len >= known[i].len &&
		    !memcmp(data, known[i].magic, known[i].len))
			return known[i].kind;
	return UNPACK_NONE;
}

/* What the library was not built with, it would have a host program do. */
static const struct {
	enum unpack_kind kind;
	int (*enable)(struct archive *a);
	const char *(*version)(void);	/* NULL, or returns it: is built in */
} filters[] = {
	{ UNPACK_NONE, archive_read_support_filter_none, NULL },
	{ UNPACK_GZIP, archive_read_support_filter_gzip, archive_zlib_version },
	{ UNPACK_XZ, archive_read_support_filter_xz, archive_liblzma_version },
	{ UNPACK_ZSTD, archive_read_support_filter_zstd,
	  archive_libzstd_version },
	{ UNPACK_LZ4, archive_read_support_filter_lz4,
	  archive_liblz4_version },
};

/* See image-unpack.h. */
int unpack_enable(struct archive *a, enum unpack_kind kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		if (filters[i].kind != kind)
			continue;
		if (!filters[i].version || filters[i].version())
			return filters[i].enable(a);
		archive_set_error(a, ENOSYS, "libarchive was built without "
				  "this compression");
	}
	return ARCHIVE_FATAL;
}

/* See image-unpack.h. */
void unpack_enable_tar(struct archive *a)
{
	static const enum unpack_kind kinds[] = {
		UNPACK_NONE, UNPACK_GZIP, UNPACK_XZ, UNPACK_ZSTD,
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		unpack_enable(a, kinds[i]);
	archive_clear_error(a);
	archive_read_support_format_tar(a);
}

static int broken(struct archive *a, const char *what, struct err *err)
{
	const char *why = archive_error_string(a);

	return err_set(err, ERR_USAGE, "%s: corrupt: %s", what,
		       why ? why : "it cannot be unpacked");
}

static int read_all(struct archive *a, const char *what, struct buf *out,
		    struct err *err)
{
	struct archive_entry *entry;
	ssize_t n;
	void *room;

	if (archive_read_next_header(a, &entry) != ARCHIVE_OK)
		return broken(a, what, err);
	for (;;) {
		room = buf_reserve(out, CHUNK);
		if (!room && errno == ENOBUFS)
			return err_set(err, ERR_LIMIT,
				       "%s: unpacks to over %zu MiB", what,
				       out->max / (size_t)MIB);
		if (!room)
			return err_sys(err, errno, "%s", what);
		n = archive_read_data(a, room, CHUNK);
		if (n < 0)
			return broken(a, what, err);
		if (n == 0)
			return 0;
		out->len += (size_t)n;
	}
}

/* See image-unpack.h. */
int unpack(enum unpack_kind kind, const void *data, size_t len,
	   const char *what, struct buf *out, struct err *err)
{
	struct archive *a = archive_read_new();
	int rc;

	if (!a)
		return err_sys(err, ENOMEM, "%s", what);
	if (unpack_enable(a, kind) != ARCHIVE_OK ||
	    archive_read_support_format_raw(a) != ARCHIVE_OK ||
	    archive_read_open_memory(a, data, len) != ARCHIVE_OK)
		rc = broken(a, what, err);
	else
		rc = read_all(a, what, out, err);
	archive_read_free(a);
	return rc;
}
