/* SPDX-License-Identifier: MIT */
/*
 * guest-init/tar-read.c - headers of a tar stream
 *
 * A transfer's process.  Distrusts the archive, which may come from anywhere:
 * checksums are checked, everything kept in memory is bounded, and names are
 * handed on as they are, for extract.c to judge.
 */
#include "guest-init/tar.h"

#include <errno.h>
#include <stdio.h>

#include "common/cleanup.h"

/* Offsets in a header block. */
enum {
	F_NAME = 0,	L_NAME = 100,
	F_MODE = 100,	L_MODE = 8,
	F_UID = 108,	F_GID = 116,	L_ID = 8,
	F_SIZE = 124,	L_SIZE = 12,
	F_MTIME = 136,	L_MTIME = 12,
	F_SUM = 148,	L_SUM = 8,
	F_TYPE = 156,
	F_LINK = 157,
	F_MAGIC = 257,
	F_MAJOR = 329,	F_MINOR = 337,	L_DEV = 8,
	F_PREFIX = 345,	L_PREFIX = 155,
};

static int bad(struct err *err, const char *why)
{
	return err_set(err, ERR_FAILED, "not a valid tar archive: %s", why);
}

bool tar_number(const uint8_t *field, size_t len, int64_t *value)
{
	uint64_t v = 0;
	size_t i = 0;

	if (field[0] & 0x80) {
		/* two's complement; what does not fit must be the sign */
		v = field[0] & 0x40 ? ~UINT64_C(0) << 6 : 0;
		v |= field[0] & 0x3f;
		for (i = 1; i < len; i++) {
			uint64_t top = v >> 55;

			if (top != 0 && top != 0x1ff)
				return false;
			v = v << 8 | field[i];
		}
		*value = (int64_t)v;
		return true;
	}
	while (i < len && field[i] == ' ')
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(field[i] - '0');
	*value = (int64_t)v;
	return i == len || field[i] == ' ' || field[i] == '\0';
}

/* Old programs summed signed characters. */
static bool sum_ok(const uint8_t *block)
{
	int64_t want, plain = 0, with_sign = 0;

	if (!tar_number(block + F_SUM, L_SUM, &want))
		return false;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		uint8_t c = i >= F_SUM && i < F_SUM + L_SUM ? ' ' : block[i];

		plain += c;
		with_sign += (int8_t)c;
	}
	return want == plain || want == with_sign;
}

static bool is_zero(const uint8_t *block)
{
	for (size_t i = 0; i < TAR_BLOCK; i++)
		if (block[i])
			return false;
	return true;
}

static int set_text(char **to, const void *from, size_t max, struct err *err)
{
	free(*to);
	*to = strndup(from, max);
	return *to ? 0 : err_sys(err, ENOMEM, "archive");
}

static int parse_name(const uint8_t *block, struct tar_entry *e, struct err *err)
{
	char name[L_PREFIX + 1 + L_NAME + 1];
	int n = 0;

	/* GNU's magic is "ustar  ": there, the prefix is something else */
	if (memcmp(block + F_MAGIC, "ustar\0", 6) == 0 && block[F_PREFIX])
		n = snprintf(name, sizeof(name), "%.*s/", L_PREFIX,
			     (const char *)block + F_PREFIX);
	snprintf(name + n, sizeof(name) - (size_t)n, "%.*s", L_NAME,
		 (const char *)block + F_NAME);
	if (set_text(&e->name, name, sizeof(name), err) < 0)
		return -1;
	return set_text(&e->link, block + F_LINK, L_NAME, err);
}

/* Return: 0, or -1 with @err. Names may be replaced by what came before. */
static int parse_header(const uint8_t *block, struct tar_entry *e,
			struct err *err)
{
	int64_t mode, uid, gid, size, mtime, major = 0, minor = 0;

	if (!tar_number(block + F_MODE, L_MODE, &mode) ||
	    !tar_number(block + F_UID, L_ID, &uid) ||
	    !tar_number(block + F_GID, L_ID, &gid) ||
	    !tar_number(block + F_SIZE, L_SIZE, &size) ||
	    !tar_number(block + F_MTIME, L_MTIME, &mtime) || size < 0)
		return bad(err, "a number in a header");
	if (memcmp(block + F_MAGIC, "ustar", 5) == 0 &&
	    (!tar_number(block + F_MAJOR, L_DEV, &major) ||
	     !tar_number(block + F_MINOR, L_DEV, &minor)))
		return bad(err, "a device number");
	e->mode = (uint32_t)mode & 07777;
	e->uid = (uint32_t)uid;
	e->gid = (uint32_t)gid;
	e->size = e->stored = (uint64_t)size;
	e->mtime.tv_sec = (time_t)mtime;
	e->major = (uint32_t)major;
	e->minor = (uint32_t)minor;
	return parse_name(block, e, err);
}

/* The data of a header about headers. */
static int read_meta(struct tar_reader *r, uint64_t size, struct buf *to,
		     struct err *err)
{
	void *at;

	if (size > TAR_META_MAX)
		return bad(err, "a name or an extended header is too long");
	to->len = 0;
	at = buf_reserve(to, (size_t)size);
	if (!at)
		return err_sys(err, errno, "archive");
	if (size && stream_read(r->in, at, (size_t)size, err) <= 0)
		return err->code ? -1 : bad(err, "it is cut short");
	to->len = (size_t)size;
	return tar_skip_padding(r, size, err);
}

struct pending {
	struct buf pax, name, link;	/* for the next real entry */
};

static void pending_free(struct pending *p)
{
	buf_free(&p->pax);
	buf_free(&p->name);
	buf_free(&p->link);
}

static int apply_pending(struct tar_reader *r, struct pending *p,
			 struct tar_entry *e, struct err *err)
{
	if (p->name.len &&
	    set_text(&e->name, p->name.data, p->name.len, err) < 0)
		return -1;
	if (p->link.len &&
	    set_text(&e->link, p->link.data, p->link.len, err) < 0)
		return -1;
	if (tar_pax_apply(e, &r->global, err) < 0)
		return -1;
	return tar_pax_apply(e, &p->pax, err);
}

static int set_type(struct tar_entry *e, uint8_t type, struct err *err)
{
	size_t len = strlen(e->name);

	switch (type) {
	case '\0':	/* the oldest: a folder's name ends in a slash */
	case '0':
	case '7':
		e->type = len && e->name[len - 1] == '/' ? TAR_FOLDER : TAR_FILE;
		break;
	case 'S':
		e->type = TAR_FILE;
		break;
	case 'D':	/* a folder with a list of its files */
		e->type = TAR_FOLDER;
		break;
	case '1': case '2': case '3': case '4': case '5': case '6':
		e->type = (enum tar_type)type;
		break;
	default:
		return err_set(err, ERR_FAILED, "%.200s: an archive member of "
			       "unknown type 0x%02x", e->name, type);
	}
	return 0;
}

/* Return: 1 when the header was about headers, 0 when it is an entry's, -1. */
static int meta_header(struct tar_reader *r, struct pending *p, uint8_t type,
		       uint64_t size, struct err *err)
{
	int rc;

	switch (type) {
	case 'x':
	case 'X':
		rc = read_meta(r, size, &p->pax, err);
		break;
	case 'g':
		rc = read_meta(r, size, &r->global, err);
		break;
	case 'L':
		rc = read_meta(r, size, &p->name, err);
		break;
	case 'K':
		rc = read_meta(r, size, &p->link, err);
		break;
	case 'V':	/* a label */
		rc = stream_skip(r->in, size, err);
		rc = rc < 0 ? rc : tar_skip_padding(r, size, err);
		break;
	default:
		return 0;
	}
	return rc < 0 ? -1 : 1;
}

/* The size of links, folders and devices is a remark; only pax lets a hard link
 * have data, and a 'D' folder has a list. */
static bool has_data(uint8_t type, bool pax)
{
	return type == '1' ? pax : !strchr("23456", type) || type == '\0';
}

static int finish_entry(struct tar_reader *r, const uint8_t *block,
			struct pending *p, struct tar_entry *e, struct err *err)
{
	if (apply_pending(r, p, e, err) < 0 ||
	    set_type(e, block[F_TYPE], err) < 0)
		return -1;
	if (!has_data(block[F_TYPE], p->pax.len || r->global.len))
		e->size = e->stored = 0;
	if (block[F_TYPE] == 'S' && tar_sparse_old(r->in, block, e, err) < 0)
		return -1;
	if (e->sparse && e->type == TAR_FILE &&
	    (tar_sparse_read_map(r->in, e, err) < 0 ||
	     tar_sparse_check(e, err) < 0))
		return -1;
	return 1;
}

/* Whatever follows the end is of no interest, but it has to be taken. */
static int drain(struct tar_reader *r, struct err *err)
{
	const void *data;
	ssize_t n;

	do {
		n = stream_some(r->in, &data, FRAME_DATA_MAX, err);
	} while (n > 0);
	return n < 0 ? -1 : 0;
}

int tar_next(struct tar_reader *r, struct tar_entry *e, struct err *err)
{
	CLEANUP(pending_free) struct pending p = { .pax = BUF_INIT };
	uint8_t block[TAR_BLOCK];
	int rc;

	memset(e, 0, sizeof(*e));
	do {
		rc = stream_read(r->in, block, sizeof(block), err);
		if (rc <= 0)
			return rc;
		if (is_zero(block))
			return drain(r, err);
		if (!sum_ok(block))
			return bad(err, "a header's checksum is wrong");
		if (parse_header(block, e, err) < 0)
			return -1;
		rc = meta_header(r, &p, block[F_TYPE], e->stored, err);
	} while (rc > 0);
	return rc < 0 ? -1 : finish_entry(r, block, &p, e, err);
}

int tar_skip_padding(struct tar_reader *r, uint64_t stored, struct err *err)
{
	uint64_t rest = stored % TAR_BLOCK;

	return rest ? stream_skip(r->in, TAR_BLOCK - rest, err) : 0;
}

void tar_entry_free(struct tar_entry *e)
{
	free(e->name);
	free(e->link);
	free(e->extents);
	memset(e, 0, sizeof(*e));
}
