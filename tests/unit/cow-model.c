/* SPDX-License-Identifier: MIT */
/* tests/unit/cow-model.c - a guest's work on a disk, and what that must read as */
#include "tests/unit/cow-parts.h"
#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

static const uint64_t window_at[WINDOWS] = {
	0, 128 * MIB - 16 * KIB, COW_DISK_SIZE - WINDOW_SECTORS * COW_SECTOR,
};

uint32_t cow_dice(struct cow_world *w, uint32_t n)
{
	return rig_random(&w->seed) % n;
}

static uint64_t place_of(unsigned int sector)
{
	return window_at[sector / WINDOW_SECTORS] +
	       sector % WINDOW_SECTORS * COW_SECTOR;
}

static void model_write(struct sector_model *s, uint32_t what)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (s->since[i] == what) {
			s->now = what;
			return;
		}
	BUG_ON(s->n >= SINCE_MAX);
	s->since[s->n++] = s->now = what;
}

void machine_fill(uint8_t *sector, uint32_t stamp)
{
	for (unsigned int i = 0; i < COW_SECTOR; i += sizeof(stamp))
		memcpy(sector + i, &stamp, sizeof(stamp));
}

/* What a sector of a buffer is; it has to be all the same. */
static uint32_t stamp_of(struct machine *m, const uint8_t *sector)
{
	uint32_t stamp;

	memcpy(&stamp, sector, sizeof(stamp));
	WANT(m, memcmp(sector, sector + 4, COW_SECTOR - 4) == 0);
	return stamp;
}

/* A range of sectors in one window. */
static void choose(struct machine *m, unsigned int *first, unsigned int *n)
{
	struct cow_world *w = m->world;
	unsigned int win = cow_dice(w, WINDOWS), at;

	at = cow_dice(w, WINDOW_SECTORS);
	*n = 1 + cow_dice(w, MIN(WINDOW_SECTORS - at, 24));
	if (cow_dice(w, 3) == 0) {	/* whole clusters */
		at = at / 8 * 8;
		*n = 8 * (1 + cow_dice(w, MIN((WINDOW_SECTORS - at) / 8, 3)));
	}
	*first = win * WINDOW_SECTORS + at;
	/* the model remembers so much */
	for (unsigned int i = *first; i < *first + *n; i++)
		if (m->model[i].n >= SINCE_MAX - 2) {
			machine_flush(m);
			return;
		}
}

static void read_sectors(struct machine *m, unsigned int first, unsigned int n,
			 uint8_t *buf)
{
	struct iovec iov = { buf, n * COW_SECTOR };

	WANT(m, m->disk->disk.ops->read(&m->disk->disk, &iov, 1,
					place_of(first), iov.iov_len) == 0);
}

void machine_write(struct machine *m)
{
	static uint8_t buf[WINDOW_SECTORS * COW_SECTOR];
	struct iovec iov[2];
	unsigned int first, n;
	size_t part;

	cow_trace(m, "write");
	choose(m, &first, &n);
	for (unsigned int i = 0; i < n; i++) {
		machine_fill(buf + i * COW_SECTOR, ++m->world->stamp);
		model_write(&m->model[first + i], m->world->stamp);
	}
	part = cow_dice(m->world, (uint32_t)(n * COW_SECTOR));
	iov[0] = (struct iovec){ buf, part };
	iov[1] = (struct iovec){ buf + part, n * COW_SECTOR - part };
	WANT(m, m->disk->disk.ops->write(&m->disk->disk, iov, 2,
					 place_of(first), n * COW_SECTOR) == 0);
}

void machine_zero(struct machine *m)
{
	unsigned int first, n;

	choose(m, &first, &n);
	WANT(m, m->disk->disk.ops->zero(&m->disk->disk, place_of(first),
					n * COW_SECTOR) == 0);
	for (unsigned int i = first; i < first + n; i++)
		model_write(&m->model[i], 0);
}

void machine_discard(struct machine *m)
{
	static uint8_t buf[WINDOW_SECTORS * COW_SECTOR];
	unsigned int first, n;

	choose(m, &first, &n);
	WANT(m, m->disk->disk.ops->discard(&m->disk->disk, place_of(first),
					   n * COW_SECTOR) == 0);
	read_sectors(m, first, n, buf);
	for (unsigned int i = 0; i < n; i++) {
		struct sector_model *s = &m->model[first + i];
		uint32_t is = stamp_of(m, buf + i * COW_SECTOR);

		WANT(m, is == 0 || is == s->now);
		model_write(s, is);
	}
}

void machine_flushed(struct machine *m)
{
	for (unsigned int i = 0; i < SECTORS; i++) {
		m->model[i].flushed = m->model[i].now;
		m->model[i].n = 0;
	}
}

/* A VMM's that has the order wrong: its top first. */
static void flush_top_first(struct machine *m)
{
	struct cow_disk *c = m->disk;
	struct cow_layer below[COW_LAYERS_MAX];
	unsigned int n = c->nr - 1;

	memcpy(below, c->layers, n * sizeof(*below));
	c->layers[0] = c->layers[n];
	c->nr = 1;
	c->disk.ops->flush(&c->disk);
	c->layers[n] = c->layers[0];
	memcpy(c->layers, below, n * sizeof(*below));
	c->nr = n + 1;
	if (cow_dice(m->world, 2))	/* killed there */
		return;
	c->disk.ops->flush(&c->disk);
	machine_flushed(m);
}

void machine_flush(struct machine *m)
{
	cow_trace(m, "flush");
	if (cow_breaking == COW_NOT_FROZEN_FIRST) {
		flush_top_first(m);
		return;
	}
	WANT(m, m->disk->disk.ops->flush(&m->disk->disk) == 0);
	machine_flushed(m);
}

void machine_verify(struct machine *m)
{
	static uint8_t buf[WINDOW_SECTORS * COW_SECTOR];

	for (unsigned int i = 0; i < SECTORS; i++) {
		if (i % WINDOW_SECTORS == 0)
			read_sectors(m, i, WINDOW_SECTORS, buf);
		if (stamp_of(m, buf + i % WINDOW_SECTORS * COW_SECTOR) !=
		    m->model[i].now)
			cow_wrong(m->world, "does not read as written: sector", i);
	}
}

static bool may_be(const struct sector_model *s, uint32_t is)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (s->since[i] == is)
			return true;
	return is == s->flushed;
}

void machine_learn(struct machine *m)
{
	static uint8_t buf[WINDOW_SECTORS * COW_SECTOR];

	for (unsigned int i = 0; i < SECTORS; i++) {
		struct sector_model *s = &m->model[i];
		uint32_t is;

		if (i % WINDOW_SECTORS == 0)
			read_sectors(m, i, WINDOW_SECTORS, buf);
		is = stamp_of(m, buf + i % WINDOW_SECTORS * COW_SECTOR);
		if (!may_be(s, is))
			cow_wrong(m->world, "was flushed and is lost: sector", i);
		s->now = is;
		if (m->was_cut) {	/* what is there is on stable storage */
			s->flushed = is;
			s->n = 0;
		}
	}
	m->was_cut = false;
}
