/* SPDX-License-Identifier: MIT */
/*
 * guest-init/tar-write.c - a tar stream: ustar headers, pax records where needed
 *
 * A transfer's process.  What a ustar header cannot hold (long names, big
 * numbers, parts of seconds, holes) goes into a pax header before it.
 */
#include "guest-init/tar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define OCTAL_7 07777777U	/* what seven digits hold */
#define OCTAL_11 077777777777ULL

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8];
	char type, link[100], magic[8], uname[32], gname[32], major[8], minor[8];
	char prefix[155], rest[12];
};

_Static_assert(sizeof(struct header) == TAR_BLOCK, "a header is one block");

static void octal(char *field, size_t size, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%0*" PRIo64, (int)size - 1, value);
	memcpy(field, text, size - 1);
}

/* As much as fits: the pax header before it has the rest. */
static void fill(struct header *h, const char *name, const char *link, char type,
		 const struct tar_entry *e, uint64_t size)
{
	int64_t mtime = e->mtime.tv_sec;
	unsigned int sum = 0;

	memset(h, 0, sizeof(*h));
	memcpy(h->name, name, MIN(strlen(name), sizeof(h->name)));
	if (link)
		memcpy(h->link, link, MIN(strlen(link), sizeof(h->link)));
	octal(h->mode, sizeof(h->mode), e->mode);
	octal(h->uid, sizeof(h->uid), MIN(e->uid, OCTAL_7));
	octal(h->gid, sizeof(h->gid), MIN(e->gid, OCTAL_7));
	octal(h->size, sizeof(h->size), MIN(size, OCTAL_11));
	octal(h->mtime, sizeof(h->mtime),
	      (uint64_t)MAX(MIN(mtime, (int64_t)OCTAL_11), 0));
	octal(h->major, sizeof(h->major), MIN(e->major, OCTAL_7));
	octal(h->minor, sizeof(h->minor), MIN(e->minor, OCTAL_7));
	h->type = type;
	memcpy(h->magic, "ustar\00000", sizeof(h->magic));
	memset(h->sum, ' ', sizeof(h->sum));
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += ((const uint8_t *)h)[i];
	snprintf(h->sum, sizeof(h->sum), "%06o", sum);
}

static bool is_ascii(const char *s)
{
	while (*s && !(*s & 0x80))
		s++;
	return !*s;
}

static void put_number(struct buf *records, const char *key, uint64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRIu64, value);

	tar_pax_put(records, key, text, (size_t)n);
}

/* Rounded down to a part of a second that is not negative. */
static void put_time(struct buf *records, const struct timespec *ts)
{
	int64_t s = ts->tv_sec;
	long ns = ts->tv_nsec;
	char text[48];
	int n;

	if (s < 0 && ns) {
		s++;
		ns = 1000000000 - ns;
	}
	n = snprintf(text, sizeof(text), "%s%" PRId64 ".%09ld",
		     ts->tv_sec < 0 && s == 0 ? "-" : "", s, ns);
	tar_pax_put(records, "mtime", text, (size_t)n);
}

static void put_sparse(struct buf *records, const struct tar_entry *e)
{
	tar_pax_put(records, "GNU.sparse.major", "1", 1);
	tar_pax_put(records, "GNU.sparse.minor", "0", 1);
	tar_pax_put(records, "GNU.sparse.name", e->name, strlen(e->name));
	put_number(records, "GNU.sparse.realsize", e->size);
}

/* Names are bytes here, whatever pax would like them to be. */
static void put_names(struct buf *records, const struct tar_entry *e)
{
	bool name = !e->sparse && strlen(e->name) > sizeof(((struct header *)0)->name);
	bool link = e->link && strlen(e->link) > sizeof(((struct header *)0)->link);

	if (((name || e->sparse) && !is_ascii(e->name)) ||
	    (link && !is_ascii(e->link)))
		tar_pax_put(records, "hdrcharset", "BINARY", 6);
	if (name)
		tar_pax_put(records, "path", e->name, strlen(e->name));
	if (link)
		tar_pax_put(records, "linkpath", e->link, strlen(e->link));
}

static void make_records(struct buf *records, const struct tar_entry *e,
			 uint64_t stored)
{
	put_names(records, e);
	if (e->uid > OCTAL_7)
		put_number(records, "uid", e->uid);
	if (e->gid > OCTAL_7)
		put_number(records, "gid", e->gid);
	if (stored > OCTAL_11)
		put_number(records, "size", stored);
	if (e->mtime.tv_nsec || e->mtime.tv_sec < 0 ||
	    e->mtime.tv_sec > (time_t)OCTAL_11)
		put_time(records, &e->mtime);
	if (e->sparse)
		put_sparse(records, e);
}

/* GNU's format 1.0: decimal lines, padded to blocks, before the data. */
static int make_map(struct buf *map, const struct tar_entry *e)
{
	size_t pad;
	void *at;

	map->max = 64 * MIB;
	buf_printf(map, "%zu\n", e->nr_extents);
	for (size_t i = 0; i < e->nr_extents; i++)
		if (buf_printf(map, "%" PRIu64 "\n%" PRIu64 "\n",
			       e->extents[i].offset, e->extents[i].len) < 0)
			return -1;
	pad = ALIGN_UP(map->len, (size_t)TAR_BLOCK) - map->len;
	at = buf_reserve(map, pad);
	if (!at)
		return -1;
	memset(at, 0, pad);
	map->len += pad;
	return 0;
}

static int write_records(struct stream_out *out, const struct tar_entry *e,
			 const struct buf *records, struct err *err)
{
	struct tar_entry plain = { .mode = 0644, .mtime.tv_sec = e->mtime.tv_sec };
	struct header h;

	if (!records->len)
		return 0;
	fill(&h, "././@PaxHeader", NULL, 'x', &plain, records->len);
	if (stream_write(out, &h, sizeof(h), err) < 0 ||
	    stream_write(out, records->data, records->len, err) < 0)
		return -1;
	return tar_write_padding(out, records->len, err);
}

int tar_write(struct stream_out *out, const struct tar_entry *e,
	      struct err *err)
{
	CLEANUP_BUF struct buf records = BUF_INIT, map = BUF_INIT;
	struct header h;
	uint64_t stored = e->stored;

	if (e->sparse && make_map(&map, e) < 0)
		return err_sys(err, errno, "%s", e->name);
	stored += map.len;
	make_records(&records, e, stored);
	if (write_records(out, e, &records, err) < 0)
		return -1;
	fill(&h, e->sparse ? "./GNUSparseFile.0/file" : e->name, e->link,
	     (char)e->type, e, stored);
	if (stream_write(out, &h, sizeof(h), err) < 0)
		return -1;
	return map.len ? stream_write(out, map.data, map.len, err) : 0;
}

int tar_write_padding(struct stream_out *out, uint64_t stored, struct err *err)
{
	uint64_t rest = stored % TAR_BLOCK;

	return rest ? stream_zeros(out, TAR_BLOCK - rest, err) : 0;
}

int tar_write_end(struct stream_out *out, struct err *err)
{
	if (stream_zeros(out, 2 * TAR_BLOCK, err) < 0)
		return -1;
	return stream_flush(out, err);
}
