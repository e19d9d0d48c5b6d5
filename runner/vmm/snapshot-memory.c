/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/snapshot-memory.c - guest RAM to and from a sparse file
 *
 * Runs in podflare-vmm on the main thread, no vCPU running.  The bytes are the
 * guest's and are never looked at, but for being zero or the same.
 *
 * Theory of operation: /proc/PID/pagemap says of each page whether it is there at
 * all, and whether it is a file's, which it stays until it is written to: such a
 * page is the template's, if RAM was mapped from that file.  What is left is
 * compared with the template (a fork of a machine that was not mapped from a file
 * has it all as pages of its own), or with zeros when there is none.  Neighbours
 * are written together.  Each chunk has a checksum over the pages in it, and one
 * over the template's: reading goes at the disk's speed, and one flipped bit is
 * found.
 *
 * Long runs of pages over a template's are mapped from their file, so that machines
 * of the same files share them, and what is not touched takes no room; short ones
 * are copied.
 */
#include "runner/vmm/snapshot-memory.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096ULL
#define CHUNK 512		/* pages looked at in one go: 2 MiB */
#define PRESENT (1ULL << 63)	/* Documentation/admin-guide/mm/pagemap.rst */
#define SWAPPED (1ULL << 62)
#define FILE_PAGE (1ULL << 61)

#define MAP_RUN 64		/* pages that are worth a mapping */
#define MAP_RUNS_MAX 16384	/* vm.max_map_count is 65530 */

struct saver {
	const struct guest_memory *m;
	int fd, pagemap, template;
	bool mapped;			/* RAM is the template's file */
	bool hole;			/* the template's chunk is */
	uint8_t *bitmap;		/* pages that are written */
	uint64_t *sums, *base;		/* of chunks; of the template's */
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

/* Of zeros it is 0. */
static uint64_t sum_pages(const uint8_t *p, uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum = sum_page(sum, p + i * PAGE);
	return sum;
}

/* Return: whether the file has nothing there, as far as can be told. */
static bool is_hole(int fd, uint64_t page, uint64_t n)
{
	off_t data = lseek(fd, (off_t)(page * PAGE), SEEK_DATA);

	return data < 0 ? errno == ENXIO : (uint64_t)data >= (page + n) * PAGE;
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
static bool touched(const struct saver *s, uint64_t page, uint64_t entry)
{
	if (s->mapped ? !memory_is_laid(s->m, page)
		      : !s->m->from_file && s->hole)
		return (entry & (PRESENT | SWAPPED)) && !(entry & FILE_PAGE);
	return true;
}

/* Return: whether page @i of the chunk at @p, whose first page is @first, has to be
 * written. */
static bool wanted(const struct saver *s, const uint8_t *p, uint64_t first,
		   unsigned int i)
{
	if (!touched(s, first + i, s->entries[i]))
		return false;
	if (s->hole)
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

/* Read the template's @n pages from @first on, if it has any there, and their
 * sum. Return: 0, or -1 with @err. */
static int read_theirs(struct saver *s, uint64_t first, unsigned int n,
		       struct err *err)
{
	s->hole = s->template < 0 || is_hole(s->template, first, n);
	if (s->hole)
		return 0;
	if (read_at(s->template, s->theirs, n * PAGE, first * PAGE) < 0)
		return err_sys(err, errno, "memory of the template");
	s->base[first / CHUNK] = sum_pages(s->theirs, n);
	return 0;
}

static int save_chunk(struct saver *s, uint64_t first, unsigned int n,
		      struct err *err)
{
	const uint8_t *p = s->m->map + first * PAGE;
	uint64_t at = (uintptr_t)p / PAGE * sizeof(s->entries[0]);

	if (read_at(s->pagemap, s->entries, n * sizeof(s->entries[0]), at) < 0)
		return err_sys(err, errno, "pagemap");
	if (read_theirs(s, first, n, err) < 0)
		return -1;
	for (unsigned int i = 0, from; i < n; i++) {
		for (from = i; i < n && wanted(s, p, first, i);)
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

/* Return: whether @m was mapped from that very file. */
static bool is_mapped(const struct guest_memory *m, int template)
{
	struct stat st;

	return m->from_file && template >= 0 && fstat(template, &st) == 0 &&
	       st.st_dev == m->dev && st.st_ino == m->ino;
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
	s->mapped = is_mapped(m, template);
	s->bitmap = calloc(1, bitmap);
	s->sums = calloc(chunks, sizeof(s->sums[0]));
	s->base = calloc(chunks, sizeof(s->base[0]));
	if (!s->bitmap || !s->sums || !s->base)
		err_set(err, ERR_NO_MEMORY, "memory file: out of memory");
	else
		rc = save_all(s, err);
	if (rc == 0) {
		statefile_put(w, s->bitmap, bitmap, "memory.bitmap");
		statefile_put(w, s->sums, chunks * sizeof(s->sums[0]),
			      "memory.sums");
		if (template >= 0)
			statefile_put(w, s->base, chunks * sizeof(s->base[0]),
				      "memory.template");
	}
	free(s->bitmap);
	free(s->sums);
	free(s->base);
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

struct loader {
	struct guest_memory *m;
	int fd;
	bool lay;
	const uint8_t *bitmap;
	unsigned int maps;		/* runs that were mapped */
	uint8_t buf[CHUNK * PAGE];
};

/* Put pages that are in l->buf into RAM. Return: 0, or -1 with errno. */
static int lay_run(struct loader *l, uint64_t page, uint64_t n)
{
	if (n >= MAP_RUN && l->maps < MAP_RUNS_MAX) {
		l->maps++;
		return memory_lay(l->m, page, n, l->fd);
	}
	memcpy(l->m->map + page * PAGE, l->buf, n * PAGE);
	return 0;
}

static int load_chunk(struct loader *l, uint64_t first, uint64_t want,
		      struct err *err)
{
	uint64_t end = MIN(first + CHUNK, l->m->ram / PAGE), sum = 0, n;

	for (uint64_t page = first; page < end; page += MAX(n, 1)) {
		n = run_length(l->bitmap, page, end);
		if (n == 0)
			continue;
		if (read_at(l->fd, l->buf, n * PAGE, page * PAGE) < 0)
			return err_sys(err, errno, "memory file");
		for (uint64_t i = 0; i < n; i++)
			sum = sum_page(sum, l->buf + i * PAGE);
		if (l->lay && lay_run(l, page, n) < 0)
			return err_sys(err, errno, "memory");
	}
	if (sum != want)
		return err_set(err, ERR_IO, "memory file: damaged at %llu MiB",
			       (unsigned long long)(first * PAGE / MIB));
	return 0;
}

/* @param buf one chunk. Return: 0, or -1 with @err. */
static int check_template(const struct guest_memory *m, int fd,
			  const uint64_t *sums, uint8_t *buf, struct err *err)
{
	for (size_t i = 0; i < nr_chunks(m->ram); i++) {
		uint64_t first = i * CHUNK, sum = 0;
		uint64_t n = MIN(CHUNK, m->ram / PAGE - first);

		if (!is_hole(fd, first, n)) {
			if (read_at(fd, buf, n * PAGE, first * PAGE) < 0)
				return err_sys(err, errno, "memory of the "
					       "template");
			sum = sum_pages(buf, n);
		}
		if (sum != sums[i])
			return err_set(err, ERR_IO, "memory of the template: "
				       "damaged at %llu MiB", (unsigned long
				       long)(first * PAGE / MIB));
	}
	return 0;
}

/* Return: the section, NULL with @err when it has not @len bytes. */
static const void *find_list(const struct statefile *f, size_t len,
			     const char *name, struct err *err)
{
	size_t n = 0;
	const void *list = statefile_find(f, &n, name);

	if (list && n == len)
		return list;
	err_set(err, ERR_IO, "state: its list of pages is damaged");
	return NULL;
}

int snapshot_memory_load(struct guest_memory *m, int fd, int template,
			 const struct statefile *f, struct err *err)
{
	size_t chunks = nr_chunks(m->ram), len = chunks * sizeof(uint64_t);
	const uint8_t *bitmap = find_list(f, bitmap_len(m->ram),
					  "memory.bitmap", err);
	const uint64_t *sums = find_list(f, len, "memory.sums", err);
	const uint64_t *base = NULL;
	struct loader *l;
	uint64_t size;
	int rc = 0;

	if (template >= 0)
		base = find_list(f, len, "memory.template", err);
	if (!bitmap || !sums || (template >= 0 && !base))
		return -1;
	if (util_file_size(fd, &size) < 0)
		return err_sys(err, errno, "memory file");
	if (size != m->ram)
		return err_set(err, ERR_IO, "memory file: %llu bytes, not %llu",
			       (unsigned long long)size,
			       (unsigned long long)m->ram);
	l = malloc(sizeof(*l));
	if (!l)
		return err_set(err, ERR_NO_MEMORY, "memory file: out of memory");
	l->m = m;
	l->fd = fd;
	l->lay = template >= 0;
	l->bitmap = bitmap;
	l->maps = 0;
	if (base)
		rc = check_template(m, template, base, l->buf, err);
	for (size_t i = 0; i < chunks && rc == 0; i++)
		rc = load_chunk(l, i * CHUNK, sums[i], err);
	free(l);
	return rc;
}
