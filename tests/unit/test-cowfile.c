/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-cowfile.c - CoW layers against plain memory
 *
 * Random writes, zeroes, discards, flushes, kills, seals and new layers, from
 * fixed seeds; after each the disk must read as the model does.  The disk spans
 * several bitmap pages; what happens is bundled in a few windows, so that
 * clusters are hit again and again.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/vmm/cowfile.h"
#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

#define SIZE (300 * MIB)
#define BOTTOM (200 * MIB + 1536)	/* ends inside a cluster, in a window */
#define WINDOW (128 * KIB)
#define WINDOWS 4

static const uint64_t window_at[WINDOWS] = {
	0, 128 * MIB - 64 * KIB, 200 * MIB - 64 * KIB, SIZE - WINDOW,
};

struct world {
	struct cow_disk c;
	int fds[COW_LAYERS_MAX + 1];
	unsigned int nr;
	uint64_t seed;
	uint8_t now[WINDOWS][WINDOW];	/* what the disk must read as */
	uint8_t flushed[WINDOWS][WINDOW];	/* at the last flush */
	unsigned int kills, pushes, copy_ups;
};

static uint32_t dice(struct world *w, uint32_t n)
{
	return rig_random(&w->seed) % n;
}

static void open_chain(struct world *w)
{
	struct err err = ERR_INIT;
	int fds[COW_LAYERS_MAX + 1];

	for (unsigned int i = 0; i < w->nr; i++) {
		fds[i] = dup(w->fds[i]);
		if (i > 0 && cow_format_check(fds[i], NULL, &err) < 0)
			fail_msg("%s", err.msg);
	}
	if (cow_open(&w->c, fds, w->nr, false, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(w->c.disk.size, SIZE);
}

static void new_layer(struct world *w)
{
	int fd = memfd_create("layer", MFD_CLOEXEC);

	assert_int_equal(cow_format_create(fd, SIZE, NULL), 0);
	w->fds[w->nr++] = fd;
}

/* Read [off, off + len) of a window, cut in odd pieces. */
static void read_disk(struct world *w, unsigned int win, uint8_t *buf,
		      uint64_t off, uint64_t len)
{
	struct iovec iov[8];
	int nr = 0;
	uint64_t at = 0;

	while (at < len) {
		uint64_t part = nr == 7 ? len - at : 1 + dice(w, 20000);

		part = MIN(part, len - at);
		iov[nr++] = (struct iovec){ buf + at, part };
		at += part;
	}
	assert_int_equal(w->c.disk.ops->read(&w->c.disk, iov, nr,
					     window_at[win] + off, len), 0);
}

static void verify(struct world *w, unsigned int win)
{
	static uint8_t buf[WINDOW];

	read_disk(w, win, buf, 0, WINDOW);
	assert_memory_equal(buf, w->now[win], WINDOW);
}

/* A range of sectors in a window. */
static void choose(struct world *w, unsigned int *win, uint64_t *off,
		   uint64_t *len)
{
	uint32_t sectors = WINDOW / 512, first = dice(w, sectors);
	uint32_t some = dice(w, 3) ? 20 : sectors;
	uint32_t max = MIN(sectors - first, some);

	*win = dice(w, WINDOWS);
	*off = first * 512ULL;
	*len = (1 + dice(w, max)) * 512ULL;
	if (dice(w, 3) == 0) {		/* whole clusters */
		*off = ALIGN_DOWN(*off, 4096ULL);
		*len = MIN(ALIGN_UP(*len, 4096ULL), WINDOW - *off);
	}
}

static void write_disk(struct world *w)
{
	unsigned int win;
	uint64_t off, len;
	struct iovec iov[2];
	uint8_t *p;

	choose(w, &win, &off, &len);
	p = &w->now[win][off];
	for (uint64_t i = 0; i < len; i++)
		p[i] = (uint8_t)rig_random(&w->seed);
	iov[0] = (struct iovec){ p, len / 3 };
	iov[1] = (struct iovec){ p + len / 3, len - len / 3 };
	assert_int_equal(w->c.disk.ops->write(&w->c.disk, iov, 2,
					      window_at[win] + off, len), 0);
	w->copy_ups += off % 4096 != 0;
}

static void zero_disk(struct world *w)
{
	unsigned int win;
	uint64_t off, len;

	choose(w, &win, &off, &len);
	memset(&w->now[win][off], 0, len);
	assert_int_equal(w->c.disk.ops->zero(&w->c.disk, window_at[win] + off,
					     len), 0);
}

/* Each sector inside may become zeros; none outside may change. */
static void discard_disk(struct world *w)
{
	static uint8_t buf[WINDOW];
	uint64_t off, len, at;
	unsigned int win;

	choose(w, &win, &off, &len);
	assert_int_equal(w->c.disk.ops->discard(&w->c.disk,
						window_at[win] + off, len), 0);
	read_disk(w, win, buf, 0, WINDOW);
	for (at = off; at < off + len; at++) {
		if (buf[at] != w->now[win][at])
			assert_int_equal(buf[at], 0);
		w->now[win][at] = buf[at];
	}
	assert_memory_equal(buf, w->now[win], WINDOW);
}

static void flush_disk(struct world *w)
{
	assert_int_equal(w->c.disk.ops->flush(&w->c.disk), 0);
	memcpy(w->flushed, w->now, sizeof(w->now));
}

/* The process dies: what was not flushed is there or not, by the sector. */
static void kill_disk(struct world *w)
{
	static uint8_t buf[WINDOW];

	disk_close(&w->c.disk);
	open_chain(w);
	for (unsigned int win = 0; win < WINDOWS; win++) {
		read_disk(w, win, buf, 0, WINDOW);
		for (uint64_t s = 0; s < WINDOW; s += 512)
			assert_true(memcmp(&buf[s], &w->now[win][s], 512) == 0 ||
				    memcmp(&buf[s], &w->flushed[win][s],
					   512) == 0);
		memcpy(w->now[win], buf, WINDOW);
	}
	memcpy(w->flushed, w->now, sizeof(w->now));
	w->kills++;
}

static void push_layer(struct world *w)
{
	struct err err = ERR_INIT;
	struct iovec iov = { w->now, 512 };
	struct cow_layer l;

	if (w->nr > COW_LAYERS_MAX)
		return;
	assert_int_equal(cow_seal(&w->c), 0);
	assert_int_equal(w->c.disk.ops->write(&w->c.disk, &iov, 1, 0, 512),
			 -EROFS);
	memcpy(w->flushed, w->now, sizeof(w->now));
	new_layer(w);
	if (cow_layer_load(&w->c, dup(w->fds[w->nr - 1]), &l, &err) < 0)
		fail_msg("%s", err.msg);
	cow_push(&w->c, &l);
	w->pushes++;
}

static struct world *begin(uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));

	w->seed = seed;
	w->fds[w->nr++] = memfd_create("bottom", MFD_CLOEXEC);
	for (unsigned int win = 0; win < WINDOWS; win++) {
		uint64_t n = window_at[win] >= BOTTOM ? 0 :
			     MIN(WINDOW, BOTTOM - window_at[win]);

		for (uint64_t i = 0; i < n; i++)
			w->now[win][i] = (uint8_t)rig_random(&w->seed);
		assert_int_equal(pwrite(w->fds[0], w->now[win], n,
					(off_t)window_at[win]), n);
	}
	memcpy(w->flushed, w->now, sizeof(w->now));
	new_layer(w);
	open_chain(w);
	return w;
}

static void end(struct world *w)
{
	disk_close(&w->c.disk);
	for (unsigned int i = 0; i < w->nr; i++)
		close(w->fds[i]);
	free(w);
}

static uint32_t sum_of_file(int fd)
{
	static uint8_t buf[WINDOW];
	uint32_t sum = 0;
	off_t at = 0;

	while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
		ssize_t n = pread(fd, buf, sizeof(buf), at);

		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + buf[i];
		at += n;
	}
	return sum;
}

static void disk_matches_the_model(void **state)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct world *w = begin(seed * 0x9e3779b97f4a7c15ULL);
		uint32_t sums[COW_LAYERS_MAX + 1];
		unsigned int frozen = 0;

		for (int i = 0; i < 3000; i++) {
			uint32_t what = dice(w, 100);

			if (what < 50)
				write_disk(w);
			else if (what < 62)
				zero_disk(w);
			else if (what < 74)
				discard_disk(w);
			else if (what < 84)
				flush_disk(w);
			else if (what < 86)
				kill_disk(w);
			if (i % 450 == 449)
				push_layer(w);
			if (i % 5 == 0)
				verify(w, dice(w, WINDOWS));
			if (i == 2800) {
				/* from here on, nothing below may change */
				push_layer(w);
				for (; frozen + 1 < w->nr; frozen++)
					sums[frozen] =
						sum_of_file(w->fds[frozen]);
			}
		}
		for (unsigned int k = 0; k < frozen; k++)
			assert_int_equal(sums[k], sum_of_file(w->fds[k]));
		flush_disk(w);
		disk_close(&w->c.disk);
		open_chain(w);
		for (unsigned int win = 0; win < WINDOWS; win++)
			verify(w, win);
		assert_true(w->kills > 10);
		assert_true(w->pushes >= 4);
		assert_true(w->copy_ups > 100);
		end(w);
	}
}

static void without_holes_it_works_the_long_way(void **state)
{
	struct world *w = begin(77);

	w->c.no_punch = true;
	for (int i = 0; i < 500; i++) {
		write_disk(w);
		zero_disk(w);
		discard_disk(w);
		verify(w, dice(w, WINDOWS));
	}
	end(w);
}

/* A discard alone is work for a flush, too. */
static void a_discard_is_flushed(void **state)
{
	struct world *w = begin(6);

	assert_int_equal(w->c.disk.ops->discard(&w->c.disk, 0, 8192), 0);
	memset(w->now[0], 0, 8192);
	flush_disk(w);
	disk_close(&w->c.disk);
	open_chain(w);
	verify(w, 0);
	end(w);
}

/* A layer below that ends early has no say behind its end. */
static void a_disk_may_grow(void **state)
{
	struct cow_disk *c = calloc(1, sizeof(*c));
	uint8_t buf[16384], zero[16384] = { 0 };
	struct cow_header h;
	struct iovec iov = { buf, sizeof(buf) };
	int fds[3];

	for (int i = 0; i < 3; i++)
		fds[i] = memfd_create("layer", MFD_CLOEXEC);
	assert_int_equal(cow_format_create(fds[1], 32768, NULL), 0);
	assert_int_equal(cow_format_load(fds[1], &h, NULL), 0);
	h.flags = COW_SEALED;
	assert_int_equal(cow_format_store(fds[1], &h), 0);
	assert_int_equal(cow_format_create(fds[2], 64 * GIB, NULL), 0);
	assert_int_equal(cow_open(c, fds, 3, false, NULL), 0);
	for (uint64_t at = 16384; at < c->disk.size; at = at * 2 + 4096) {
		memset(buf, 0xee, sizeof(buf));
		iov = (struct iovec){ buf, sizeof(buf) };
		assert_int_equal(c->disk.ops->read(&c->disk, &iov, 1, at,
						   sizeof(buf)), 0);
		assert_memory_equal(buf, zero, sizeof(buf));
	}
	disk_close(&c->disk);
	free(c);
}

static void empty_layers_stay_small(void **state)
{
	struct world *w = begin(5);
	struct stat st;

	assert_int_equal(fstat(w->fds[1], &st), 0);
	assert_int_equal(st.st_size, 4096 + 12288 + SIZE);
	assert_true(st.st_blocks * 512 <= 64 * 1024);
	/* one sector costs one cluster, and one page of the bitmap */
	write_disk(w);
	flush_disk(w);
	assert_int_equal(fstat(w->fds[1], &st), 0);
	assert_true(st.st_blocks * 512 <= 256 * 1024);
	end(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk_matches_the_model),
		cmocka_unit_test(without_holes_it_works_the_long_way),
		cmocka_unit_test(a_discard_is_flushed),
		cmocka_unit_test(a_disk_may_grow),
		cmocka_unit_test(empty_layers_stay_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
