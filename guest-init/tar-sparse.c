/* SPDX-License-Identifier: MIT */
/*
 * guest-init/tar-sparse.c - where the data of a sparse file are
 *
 * A transfer's process.  Distrusts the maps: they are bounded, and used only
 * when they are in order, within the file, and as long as what is stored.
 */
#include "guest-init/tar.h"

#include <errno.h>

#define OLD_MAP 386		/* four pairs in the header itself */
#define OLD_MORE 482
#define OLD_REAL_SIZE 483
#define OLD_PAIR 24
#define OLD_NUMBER 12
#define OLD_IN_HEADER 4
#define OLD_IN_BLOCK 21
#define OLD_BLOCK_MORE 504

static int bad(struct err *err)
{
	return err_set(err, ERR_FAILED,
		       "not a valid tar archive: a sparse file's map");
}

int tar_extent_add(struct tar_entry *e, uint64_t offset, uint64_t len,
		   struct err *err)
{
	size_t n = e->nr_extents;
	struct tar_extent *grown;

	if (n >= TAR_EXTENTS_MAX)
		return err_set(err, ERR_LIMIT, "a sparse file has too many parts");
	if ((n & (n - 1)) == 0) {	/* full at each power of two */
		grown = realloc(e->extents, (n ? n * 2 : 1) * sizeof(*grown));
		if (!grown)
			return err_sys(err, ENOMEM, "archive");
		e->extents = grown;
	}
	e->extents[e->nr_extents++] = (struct tar_extent){ offset, len };
	return 0;
}

static int old_pairs(const uint8_t *p, int n, struct tar_entry *e,
		     struct err *err)
{
	for (; n > 0 && p[0]; n--, p += OLD_PAIR) {
		int64_t offset, len;

		if (!tar_number(p, OLD_NUMBER, &offset) || offset < 0 ||
		    !tar_number(p + OLD_NUMBER, OLD_NUMBER, &len) || len < 0)
			return bad(err);
		if (tar_extent_add(e, (uint64_t)offset, (uint64_t)len, err) < 0)
			return -1;
	}
	return 0;
}

int tar_sparse_old(struct stream_in *in, const uint8_t *block,
		   struct tar_entry *e, struct err *err)
{
	uint8_t more[TAR_BLOCK];
	bool again = block[OLD_MORE] != 0;
	int64_t real;

	if (!tar_number(block + OLD_REAL_SIZE, OLD_NUMBER, &real) || real < 0)
		return bad(err);
	if (old_pairs(block + OLD_MAP, OLD_IN_HEADER, e, err) < 0)
		return -1;
	while (again) {
		if (stream_read(in, more, sizeof(more), err) <= 0)
			return err->code ? -1 : bad(err);
		if (old_pairs(more, OLD_IN_BLOCK, e, err) < 0)
			return -1;
		again = more[OLD_BLOCK_MORE] != 0;
	}
	e->sparse = true;
	e->map_in_data = false;
	e->size = (uint64_t)real;
	return 0;
}

/* One number of the map in the data, "DIGITS\n"; blocks are read as needed. */
struct map_reader {
	struct stream_in *in;
	struct tar_entry *e;
	uint8_t block[TAR_BLOCK];
	size_t at;	/* in block; TAR_BLOCK: read the next one */
};

static int map_number(struct map_reader *m, uint64_t *value, struct err *err)
{
	uint64_t v = 0;

	for (int n = 0;; n++) {
		uint8_t c;

		if (m->at == TAR_BLOCK) {
			if (m->e->stored < TAR_BLOCK)
				return bad(err);
			if (stream_read(m->in, m->block, TAR_BLOCK, err) <= 0)
				return err->code ? -1 : bad(err);
			m->e->stored -= TAR_BLOCK;
			m->at = 0;
		}
		c = m->block[m->at++];
		if (c == '\n' && n > 0)
			break;
		if (c < '0' || c > '9' || n > 18)
			return bad(err);
		v = v * 10 + (uint64_t)(c - '0');
	}
	*value = v;
	return 0;
}

/* GNU's format 1.0; the other ones have told their extents already. */
int tar_sparse_read_map(struct stream_in *in, struct tar_entry *e,
			struct err *err)
{
	struct map_reader m = { .in = in, .e = e, .at = TAR_BLOCK };
	uint64_t n, offset, len;

	if (!e->map_in_data)
		return 0;
	e->nr_extents = 0;
	if (map_number(&m, &n, err) < 0)
		return -1;
	while (n--) {
		if (map_number(&m, &offset, err) < 0 ||
		    map_number(&m, &len, err) < 0 ||
		    tar_extent_add(e, offset, len, err) < 0)
			return -1;
	}
	return 0;
}

int tar_sparse_check(const struct tar_entry *e, struct err *err)
{
	uint64_t at = 0, stored = 0;

	if (e->size > INT64_MAX)
		return bad(err);
	for (size_t i = 0; i < e->nr_extents; i++) {
		const struct tar_extent *x = &e->extents[i];

		if (x->offset < at || x->offset > e->size ||
		    x->len > e->size - x->offset)
			return bad(err);
		at = x->offset + x->len;
		stored += x->len;
	}
	return stored == e->stored ? 0 : bad(err);
}
