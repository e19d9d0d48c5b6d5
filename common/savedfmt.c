/* SPDX-License-Identifier: MIT */
/*
 * common/savedfmt.c - a machine in files, checked without one
 *
 * podflared, work threads.  Distrusts the files: a host may have damaged them,
 * or somebody else have made them.
 */
#include "common/savedfmt.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "common/crc32.h"

#define MAGIC "PODFLSTA"
#define STATE_VERSION 1
#define STATE_MAX (4 * MIB)
#define PAGE 4096ULL
#define CHUNK 512ULL		/* pages with one checksum */

struct header {
	char magic[8];
	uint32_t version, sections;
	uint64_t length;
	uint32_t reserved, crc;
};

struct section {
	char name[32];
	uint32_t length, crc;
};

_Static_assert(sizeof(struct header) == 32, "layout");
_Static_assert(sizeof(struct section) == 40, "layout");

struct check {
	uint8_t *state;
	size_t len;
	uint64_t pages;
	const uint8_t *bitmap;
	const uint8_t *sums, *base;	/* 64 bits for each chunk; or NULL */
	size_t bitmap_len, sums_len, base_len;
	const atomic_bool *stop;
	uint64_t bytes;
	uint8_t *buf;		/* a chunk */
};

static int read_all(int fd, void *buf, size_t n, uint64_t off)
{
	uint8_t *p = buf;

	while (n > 0) {
		ssize_t got = TEMP_FAILURE_RETRY(pread(fd, p, n, (off_t)off));

		if (got <= 0) {
			errno = got < 0 ? errno : EIO;
			return -1;
		}
		p += got;
		off += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int load_state(struct check *c, int fd, struct err *err)
{
	uint64_t size;

	if (util_file_size(fd, &size) < 0)
		return err_sys(err, errno, "state");
	if (size < sizeof(struct header) || size > STATE_MAX)
		return err_set(err, ERR_IO, "state: %llu bytes are no "
			       "machine's state", (unsigned long long)size);
	c->len = size;
	c->state = malloc(size);
	if (!c->state)
		return err_set(err, ERR_NO_MEMORY, "state");
	if (read_all(fd, c->state, size, 0) < 0)
		return err_sys(err, errno, "state");
	return 0;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Names have no checksum, so they are compared: # is a digit. A VMM of the same
 * build has no others. */
static bool is_known(const char *name)
{
	static const char *const all[] = {
		"machine", "vm", "cpuid", "devices", "serial", "net",
		"virtio#", "chips.irqchip#", "chips.pit", "chips.clock",
		"cpu#.regs", "cpu#.sregs", "cpu#.xcrs", "cpu#.lapic",
		"cpu#.mp", "cpu#.debug", "cpu#.events", "cpu#.xsave",
		"cpu#.msrs", "cpu#.tsc", "memory.bitmap", "memory.sums",
		"memory.template",
	};
	static const char zeros[sizeof(((struct section *)0)->name)];
	size_t len = strnlen(name, sizeof(zeros));

	if (memcmp(name + len, zeros, sizeof(zeros) - len) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		size_t k = 0;

		while (all[i][k] && (all[i][k] == name[k] ||
				     (all[i][k] == '#' && name[k] >= '0' &&
				      name[k] <= '9')))
			k++;
		if (!all[i][k] && k == len)
			return true;
	}
	return false;
}

/* Return: whether a section before @off has that name. */
static bool is_second(const struct check *c, size_t off, const char *name)
{
	size_t at = sizeof(struct header);
	struct section s;

	while (at < off) {
		memcpy(&s, c->state + at, sizeof(s));
		if (strcmp(s.name, name) == 0)
			return true;
		at += sizeof(s) + ALIGN_UP((size_t)s.length, 8);
	}
	return false;
}

/* What this looks into; the others' contents are the VMM's affair. */
static void take(struct check *c, const struct section *s, const uint8_t *data)
{
	if (strcmp(s->name, "machine") == 0 && s->length >= 8) {
		c->pages = get64(data) / PAGE;
	} else if (strcmp(s->name, "memory.bitmap") == 0) {
		c->bitmap = data;
		c->bitmap_len = s->length;
	} else if (strcmp(s->name, "memory.sums") == 0) {
		c->sums = data;
		c->sums_len = s->length;
	} else if (strcmp(s->name, "memory.template") == 0) {
		c->base = data;
		c->base_len = s->length;
	}
}

/* Whether what was taken fits together. */
static bool fits(const struct check *c)
{
	uint64_t sums = (c->pages + CHUNK - 1) / CHUNK * 8;

	return c->pages > 0 && c->pages <= 64 * GIB / PAGE && c->bitmap &&
	       c->bitmap_len == (c->pages + 7) / 8 && c->sums &&
	       c->sums_len == sums && (!c->base || c->base_len == sums);
}

static int check_sections(struct check *c, uint32_t n, struct err *err)
{
	size_t off = sizeof(struct header), padded;
	struct section s;

	for (uint32_t i = 0; i < n; i++) {
		if (c->len - off < sizeof(s))
			return err_set(err, ERR_IO, "state: cut short");
		memcpy(&s, c->state + off, sizeof(s));
		off += sizeof(s);
		padded = ALIGN_UP((size_t)s.length, 8);
		if (padded > c->len - off)
			return err_set(err, ERR_IO, "state: cut short");
		if (!memchr(s.name, 0, sizeof(s.name)) || !is_known(s.name) ||
		    is_second(c, off - sizeof(s), s.name) ||
		    s.crc != crc32_of(c->state + off, s.length))
			return err_set(err, ERR_IO, "state: section %u is "
				       "damaged", i);
		take(c, &s, c->state + off);
		off += padded;
	}
	if (off != c->len)
		return err_set(err, ERR_IO, "state: bytes behind the end");
	return 0;
}

static int check_state(struct check *c, struct err *err)
{
	struct header h;

	memcpy(&h, c->state, sizeof(h));
	if (memcmp(h.magic, MAGIC, sizeof(h.magic)) != 0)
		return err_set(err, ERR_IO, "state: not a machine's state");
	if (h.crc != crc32_of(&h, offsetof(struct header, crc)))
		return err_set(err, ERR_IO, "state: damaged header");
	if (h.version != STATE_VERSION)
		return err_set(err, ERR_VERSION, "state: version %u, this "
			       "program knows %d", h.version, STATE_VERSION);
	if (h.length != c->len)
		return err_set(err, ERR_IO, "state: %zu bytes, not %llu",
			       c->len, (unsigned long long)h.length);
	if (check_sections(c, h.sections, err) < 0)
		return -1;
	if (!fits(c))
		return err_set(err, ERR_IO, "state: does not fit its memory");
	return 0;
}

static uint64_t sum_page(uint64_t h, const uint8_t *page)
{
	for (size_t i = 0; i < PAGE; i += 8) {
		h = (h ^ get64(page + i)) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	return h;
}

static bool has(const struct check *c, uint64_t page)
{
	return c->bitmap[page / 8] >> page % 8 & 1;
}

/* The pages of a chunk that are in the file, neighbours together. */
static int sum_chunk(struct check *c, int fd, uint64_t first, uint64_t *sum)
{
	uint64_t end = MIN(first + CHUNK, c->pages), n;

	*sum = 0;
	for (uint64_t at = first; at < end; at += MAX(n, 1)) {
		for (n = 0; at + n < end && has(c, at + n);)
			n++;
		if (n && read_all(fd, c->buf, n * PAGE, at * PAGE) < 0)
			return -1;
		for (uint64_t i = 0; i < n; i++)
			*sum = sum_page(*sum, c->buf + i * PAGE);
		c->bytes += n * PAGE;
	}
	return 0;
}

/* All pages of a chunk; zeros that are a hole need not be read. */
static int sum_whole(struct check *c, int fd, uint64_t first, uint64_t *sum)
{
	uint64_t n = MIN(CHUNK, c->pages - first);
	off_t data = lseek(fd, (off_t)(first * PAGE), SEEK_DATA);

	*sum = 0;
	if (data < 0 ? errno == ENXIO
		     : (uint64_t)data >= (first + n) * PAGE)
		return 0;
	if (read_all(fd, c->buf, n * PAGE, first * PAGE) < 0)
		return -1;
	for (uint64_t i = 0; i < n; i++)
		*sum = sum_page(*sum, c->buf + i * PAGE);
	c->bytes += n * PAGE;
	return 0;
}

static int check_memory(struct check *c, int fd, const char *what,
			const uint8_t *sums,
			int (*of)(struct check *c, int fd, uint64_t first,
				  uint64_t *sum), struct err *err)
{
	uint64_t size, sum;

	if (util_file_size(fd, &size) < 0)
		return err_sys(err, errno, "%s", what);
	if (size != c->pages * PAGE)
		return err_set(err, ERR_IO, "%s: %llu bytes, not %llu", what,
			       (unsigned long long)size,
			       (unsigned long long)(c->pages * PAGE));
	for (uint64_t at = 0; at < c->pages; at += CHUNK) {
		if (c->stop && atomic_load(c->stop))
			return err_sys(err, ECANCELED, "%s", what);
		if (of(c, fd, at, &sum) < 0)
			return err_sys(err, errno, "%s", what);
		if (sum != get64(sums + at / CHUNK * 8))
			return err_set(err, ERR_IO, "%s: damaged at %llu MiB",
				       what,
				       (unsigned long long)(at * PAGE / MIB));
	}
	return 0;
}

int saved_format_check(int state, int memory, int template,
		       const atomic_bool *stop, uint64_t *bytes,
		       struct err *err)
{
	struct check c = { .stop = stop };
	int rc = -1;

	c.buf = malloc(CHUNK * PAGE);
	if (!c.buf)
		return err_set(err, ERR_NO_MEMORY, "memory");
	if (load_state(&c, state, err) == 0 && check_state(&c, err) == 0 &&
	    check_memory(&c, memory, "memory", c.sums, sum_chunk, err) == 0) {
		if (!c.base != (template < 0))
			err_set(err, ERR_IO, c.base ? "template: is missing"
				: "template: does not belong here");
		else
			rc = c.base ? check_memory(&c, template, "template",
						   c.base, sum_whole, err) : 0;
	}
	if (bytes)
		*bytes += c.bytes;
	free(c.state);
	free(c.buf);
	return rc;
}
