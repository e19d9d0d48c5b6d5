/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/snapshot-memory.c - guest RAM to and from a sparse file
 *
 * Runs in podflare-vmm on the main thread, no vCPU running.  The bytes are the
 * guest's and are never looked at, but for being zero or the same.
 *
 * Theory of operation: /proc/PID/pagemap says of each page whether it is there at
 * all, and whether it is a file's, which it stays until it is written to: such a
 * page is the template's.  What is left is compared with the template (a fork of
 * a machine that was not mapped from a file has it all as pages of its own), or
 * with zeros when there is none.  Neighbours are written together.  Each chunk
 * has a checksum over the pages in it: reading goes at the disk's speed, and one
 * flipped bit is found.
 */
#include "runner/vmm/snapshot-memory.h"

#include <errno.h>
#include <unistd.h>

#define PAGE 4096ULL
#define CHUNK 512		/* pages looked at in one go: 2 MiB */
#define PRESENT (1ULL << 63)	/* Documentation/admin-guide/mm/pagemap.rst */
#define SWAPPED (1ULL << 62)
#define FILE_PAGE (1ULL << 61)

struct saver {
	const struct guest_memory *m;
	int fd, pagemap, template;
	uint8_t *bitmap;		/* pages that are written */
	uint64_t *sums;			/* of chunks */
	uint64_t entries[CHUNK];
	uint8_t theirs[CHUNK * PAGE];	/* the template's pages */
};

/* Goes on from @h. Each step is a bijection of @h and of the word, so no single
 * changed word goes unnoticed. */
static uint64_t sum_page(uint64_t h, const uint8_t *page)
{
	for (size_t i = 0; i < PAGE; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, page + i, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 29;
	}
	return h;
}

static size_t bitmap_len(uint64_t ram)
{
	return (size_t)(ram / PAGE + 7) / 8;
}

static size_t nr_chunks(uint64_t ram)
{
	return (size_t)((ram / PAGE + CHUNK - 1) / CHUNK);
}

static int read_at(int fd, void *buf, size_t n, uint64_t off)
{
	uint8_t *p = buf;

	while (n > 0) {
		ssize_t got = TEMP_FAILURE_RETRY(pread(fd, p, n, (off_t)off));

		if (got <= 0) {
			errno = got < 0 ? errno : EIO;
			return -1;
		}
		p += got;
		n -= (size_t)got;
		off += (uint64_t)got;
	}
	return 0;
}

static int write_at(int fd, const void *buf, size_t n, uint64_t off)
{
	const uint8_t *p = buf;

	while (n > 0) {
		ssize_t put = TEMP_FAILURE_RETRY(pwrite(fd, p, n, (off_t)off));

		if (put <= 0) {
			errno = put < 0 ? errno : EIO;
			return -1;
		}
		p += put;
		n -= (size_t)put;
		off += (uint64_t)put;
	}
	return 0;
}

static bool zero(const uint8_t *p)
{
	return p[0] == 0 && memcmp(p, p + 1, PAGE - 1) == 0;
}

/* Return: whether the page may be another one than the template's, or zero. */
static bool touched(const struct saver *s, uint64_t entry)
{
	/* the file it was mapped from is not what it is compared with */
	if (s->m->from_file && s->template < 0)
		return true;
	return (entry & (PRESENT | SWAPPED)) && !(entry & FILE_PAGE);
}

/* Return: whether page @i of the chunk at @p has to be written. */
static bool wanted(const struct saver *s, const uint8_t *p, unsigned int i)
{
	if (!touched(s, s->entries[i]))
		return false;
	if (s->template < 0)
		return !zero(p + i * PAGE);
	return memcmp(p + i * PAGE, s->theirs + i * PAGE, PAGE) != 0;
}

/* Mark the run, add it to the chunk's sum, write it. */
static int save_run(struct saver *s, const uint8_t *p, uint64_t page,
		    unsigned int n, uint64_t *sum)
{
	for (unsigned int i = 0; i < n; i++) {
		s->bitmap[(page + i) / 8] |= (uint8_t)(1u << (page + i) % 8);
		*sum = sum_page(*sum, p + i * PAGE);
	}
	return write_at(s->fd, p, n * PAGE, page * PAGE);
}

static int save_chunk(struct saver *s, uint64_t first, unsigned int n,
		      struct err *err)
{
	const uint8_t *p = s->m->map + first * PAGE;
	uint64_t at = (uintptr_t)p / PAGE * sizeof(s->entries[0]);
	bool any = false;

	if (read_at(s->pagemap, s->entries, n * sizeof(s->entries[0]), at) < 0)
		return err_sys(err, errno, "pagemap");
	for (unsigned int i = 0; i < n; i++)
		any |= touched(s, s->entries[i]);
	if (!any)
		return 0;
	if (s->template >= 0 &&
	    read_at(s->template, s->theirs, n * PAGE, first * PAGE) < 0)
		return err_sys(err, errno, "memory of the template");
	for (unsigned int i = 0, from; i < n; i++) {
		for (from = i; i < n && wanted(s, p, i);)
			i++;
		if (i > from && save_run(s, p + from * PAGE, first + from,
					 i - from, &s->sums[first / CHUNK]) < 0)
			return err_sys(err, errno, "writing memory");
	}
	return 0;
}

static int save_all(struct saver *s, struct err *err)
{
	uint64_t pages = s->m->ram / PAGE;

	if (ftruncate(s->fd, (off_t)s->m->ram) < 0)
		return err_sys(err, errno, "memory file");
	for (uint64_t i = 0; i < pages; i += CHUNK)
		if (save_chunk(s, i, (unsigned int)MIN(CHUNK, pages - i),
			       err) < 0)
			return -1;
	return 0;
}

int snapshot_memory_save(const struct guest_memory *m, int fd, int pagemap,
			 int template, struct statefile_writer *w,
			 struct err *err)
{
	size_t bitmap = bitmap_len(m->ram), chunks = nr_chunks(m->ram);
	struct saver *s = malloc(sizeof(*s));
	int rc = -1;

	if (!s)
		return err_set(err, ERR_NO_MEMORY, "memory file: out of memory");
	s->m = m;
	s->fd = fd;
	s->pagemap = pagemap;
	s->template = template;
	s->bitmap = calloc(1, bitmap);
	s->sums = calloc(chunks, sizeof(s->sums[0]));
	if (!s->bitmap || !s->sums)
		err_set(err, ERR_NO_MEMORY, "memory file: out of memory");
	else
		rc = save_all(s, err);
	if (rc == 0) {
		statefile_put(w, s->bitmap, bitmap, "memory.bitmap");
		statefile_put(w, s->sums, chunks * sizeof(s->sums[0]),
			      "memory.sums");
	}
	free(s->bitmap);
	free(s->sums);
	free(s);
	return rc;
}

/* Pages from @page on with their bit set, up to @end. */
static uint64_t run_length(const uint8_t *bitmap, uint64_t page, uint64_t end)
{
	uint64_t n = 0;

	while (page + n < end && (bitmap[(page + n) / 8] >> (page + n) % 8 & 1))
		n++;
	return n;
}

/* @param buf one chunk. Return: 0, or -1 with @err. */
static int load_chunk(const struct guest_memory *m, int fd, bool lay,
		      const uint8_t *bitmap, uint64_t first, uint64_t want,
		      uint8_t *buf, struct err *err)
{
	uint64_t end = MIN(first + CHUNK, m->ram / PAGE), sum = 0, n;

	for (uint64_t page = first; page < end; page += MAX(n, 1)) {
		uint8_t *to = lay ? m->map + page * PAGE : buf;

		n = run_length(bitmap, page, end);
		if (n > 0 && read_at(fd, to, n * PAGE, page * PAGE) < 0)
			return err_sys(err, errno, "memory file");
		for (uint64_t i = 0; i < n; i++)
			sum = sum_page(sum, to + i * PAGE);
	}
	if (sum != want)
		return err_set(err, ERR_IO, "memory file: damaged at %llu MiB",
			       (unsigned long long)(first * PAGE / MIB));
	return 0;
}

int snapshot_memory_load(const struct guest_memory *m, int fd, bool lay,
			 const struct statefile *f, struct err *err)
{
	size_t bitmap_bytes = 0, sum_bytes = 0, chunks = nr_chunks(m->ram);
	const uint8_t *bitmap = statefile_find(f, &bitmap_bytes,
					       "memory.bitmap");
	const uint64_t *sums = statefile_find(f, &sum_bytes, "memory.sums");
	uint8_t *buf;
	uint64_t size;
	int rc = 0;

	if (!bitmap || bitmap_bytes != bitmap_len(m->ram) || !sums ||
	    sum_bytes != chunks * sizeof(sums[0]))
		return err_set(err, ERR_IO, "state: the list of pages is "
			       "damaged");
	if (util_file_size(fd, &size) < 0)
		return err_sys(err, errno, "memory file");
	if (size != m->ram)
		return err_set(err, ERR_IO, "memory file: %llu bytes, not %llu",
			       (unsigned long long)size,
			       (unsigned long long)m->ram);
	buf = malloc(CHUNK * PAGE);
	if (!buf)
		return err_set(err, ERR_NO_MEMORY, "memory file: out of memory");
	for (size_t i = 0; i < chunks && rc == 0; i++)
		rc = load_chunk(m, fd, lay, bitmap, i * CHUNK, sums[i], buf,
				err);
	free(buf);
	return rc;
}
