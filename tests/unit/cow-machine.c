/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/cow-machine.c - a machine with a disk of layers, and what it should
 * read as; for test-cow-property
 */
#include "tests/unit/cow-machine.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/path.h"
#include "tests/unit/cow-parts.h"
#include "tests/unit/sim-disk.h"
#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

#define BOTTOM (20 * 1024 + 512)	/* ends inside a cluster */

static int home = -1, bottom = -1;

/* ---- disks ---- */

static struct cow_disk *open_disk(struct machine *m, const struct chain *c)
{
	struct cow_disk *d = malloc(sizeof(*d));
	int fds[COW_LAYERS_MAX + 1] = { dup(bottom) };
	struct err err = ERR_INIT;

	for (unsigned int i = 0; i < c->n; i++) {
		char name[CHAIN_NAME];

		chain_name(name, c->nr[i]);
		fds[i + 1] = openat(m->dir, name, O_RDWR | O_CLOEXEC);
	}
	if (cow_open(d, fds, c->n + 1, false, &err) < 0)
		cow_wrong(m->world, err.msg, c->n);
	return d;
}

static void close_disk(struct machine *m)
{
	disk_close(&m->disk->disk);
	free(m->disk);
	m->disk = NULL;
}

/* What fork(2) does to it. */
static struct cow_disk *clone_disk(const struct cow_disk *c)
{
	struct cow_disk *d = malloc(sizeof(*d));

	*d = *c;
	d->bottom = dup(c->bottom);
	for (unsigned int i = 0; i < c->nr; i++) {
		struct cow_layer *l = &d->layers[i];

		l->fd = dup(l->fd);
		l->bitmap = malloc(l->header.bitmap_len);
		memcpy(l->bitmap, c->layers[i].bitmap, l->header.bitmap_len);
		l->failed = mmap(NULL, sizeof(*l->failed),
				 PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	}
	return d;
}

void machine_kill(struct machine *m)
{
	cow_trace(m, "killed");
	close_disk(m);
}

void machine_settle(struct machine *m)
{
	struct err err = ERR_INIT;
	struct chain c;

	cow_trace(m, "settle");
	if (chain_settle(m->dir, COW_DISK_SIZE, &c, &err) < 0)
		cow_wrong(m->world, err.msg, 0);
}

void machine_start(struct machine *m)
{
	struct err err = ERR_INIT;
	struct chain c;

	chain_tidy(m->dir);
	if (chain_settle(m->dir, COW_DISK_SIZE, &c, &err) < 0)
		cow_wrong(m->world, err.msg, 0);
	cow_trace(m, m->was_cut ? "start after a cut" : "start");
	m->disk = open_disk(m, &c);
	machine_learn(m);
}

void machine_stop(struct machine *m)
{
	cow_trace(m, "stop");
	machine_flush(m);
	close_disk(m);
}

void machine_thaw(struct machine *m)
{
	struct err err = ERR_INIT;
	struct chain c;

	cow_trace(m, "thaw");
	WANT(m, chain_list(m->dir, &c, &err) == 0 && c.n);
	if (chain_thaw(m->dir, COW_DISK_SIZE, c.nr[c.n - 1], &c, &err) < 0)
		cow_wrong(m->world, err.msg, 0);
	m->disk = open_disk(m, &c);
	if (cow_breaking == COW_NOT_FROZEN_FIRST)
		machine_learn(m);
	machine_verify(m);
}

void machine_flatten(struct machine *m)
{
	struct err err = ERR_INIT;
	struct chain c;

	cow_trace(m, "flatten");
	WANT(m, chain_list(m->dir, &c, &err) == 0);
	if (chain_flatten(m->dir, &c, &err) < 0)
		cow_wrong(m->world, err.msg, 0);
}

void machine_remove(struct machine *m)
{
	struct chain c;

	cow_trace(m, "remove");
	if (m->disk)
		close_disk(m);
	chain_list(m->dir, &c, NULL);
	while (c.n)
		chain_drop(m->dir, c.nr[--c.n], NULL);
	chain_tidy(m->dir);
	fsync(m->dir);
	m->used = false;
}

static void load(struct machine *m, int fd, struct cow_layer *l)
{
	struct err err = ERR_INIT;

	if (fd < 0 || cow_layer_load(m->disk, fd, l, &err) < 0)
		cow_wrong(m->world, err.msg, 0);
}

void machine_fork(struct machine *m, struct machine *to)
{
	struct chain c;
	struct cow_layer top, own;
	unsigned int nr;
	bool kept;

	cow_trace(m, "fork");
	WANT(m, chain_list(m->dir, &c, NULL) == 0);
	if (c.n >= CHAIN_MAX)
		return;
	nr = chain_next(&c);
	load(m, chain_add(m->dir, nr, COW_DISK_SIZE, NULL), &top);
	WANT(m, chain_link(m->dir, to->dir, &c, NULL) == 0);
	load(m, chain_add(to->dir, nr, COW_DISK_SIZE, NULL), &own);
	kept = !cow_freeze(m->disk);
	to->disk = clone_disk(m->disk);
	if (kept) {
		cow_layer_close(&top);
		chain_drop(m->dir, nr, NULL);
		cow_drop_top(to->disk);
		chain_drop(to->dir, c.nr[c.n - 1], NULL);
	} else if (cow_breaking == COW_NO_FREEZE) {
		cow_layer_close(&top);
		chain_drop(m->dir, nr, NULL);
		cow_thaw(m->disk);
	} else {
		cow_push(m->disk, &top);
	}
	cow_push(to->disk, &own);
	/* what the runner saves beside it takes the folder along */
	fsync(to->dir);
	memcpy(to->model, m->model, sizeof(m->model));
	to->used = true;
	to->was_cut = false;
}

void machine_fork_alone(struct machine *m)
{
	static struct machine copy;
	static int dir = -1;

	if (dir < 0) {
		mkdirat(home, "copy", 0700);
		dir = openat(home, "copy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	copy.world = m->world;
	copy.dir = dir;
	machine_fork(m, &copy);
	if (copy.used)
		machine_remove(&copy);
}

/* ---- a chain that gets shorter ---- */

static struct vm_file identify(int fd)
{
	struct stat st = { .st_ino = 0 };

	fstat(fd, &st);
	return (struct vm_file){ st.st_dev, st.st_ino };
}

bool machine_merge(struct machine *m, struct chain_live *l)
{
	struct err err = ERR_INIT;

	cow_trace(m, "merge");
	*l = (struct chain_live){ .fd = -1 };
	l->have.n = m->disk->nr;
	for (unsigned int i = 0; i < m->disk->nr; i++) {
		l->have.file[i] = identify(m->disk->layers[i].fd);
		if (l->have.sealed == i &&
		    m->disk->layers[i].header.flags & COW_SEALED)
			l->have.sealed++;
	}
	if (chain_live_merge(m->dir, l, &err) == 0)
		return true;
	/* there may be too few layers */
	if (err.code != ERR_STATE && cow_breaking == COW_SOUND)
		cow_wrong(m->world, err.msg, 0);
	return false;
}

void machine_exchange(struct machine *m, struct chain_live *l)
{
	struct err err = ERR_INIT;

	cow_trace(m, "exchange");
	for (unsigned int i = 0; i < l->count; i++) {
		struct vm_file f =
			identify(m->disk->layers[l->first + i].fd);

		WANT(m, f.ino == l->have.file[l->first + i].ino);
	}
	if (cow_may_replace(m->disk, l->first, l->count, &err) < 0 ||
	    cow_replace(m->disk, l->first, l->count, dup(l->fd), &err) < 0)
		cow_wrong(m->world, err.msg, 0);
}

/* In a process that may end before its time. Return: whether it has not. */
static bool apart(struct machine *m, unsigned int calls,
		  void (*does)(struct machine *m, void *arg), void *arg)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		sim_fuse(calls);
		does(m, arg);
		_exit(0);
	}
	WANT(m, waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	sim_fuse(0);
	if (WEXITSTATUS(status) && WEXITSTATUS(status) != SIM_FUSED)
		_exit(1);
	return WEXITSTATUS(status) == 0;
}

static void do_store(struct machine *m, void *arg)
{
	struct err err = ERR_INIT;

	if (chain_live_store(m->dir, arg, &err) < 0)
		cow_wrong(m->world, err.msg, 0);
}

void machine_store(struct machine *m, struct chain_live *l, unsigned int fuse)
{
	cow_trace(m, "store");
	if (!fuse)
		do_store(m, l);
	else if (!apart(m, fuse, do_store, l))
		chain_tidy(m->dir);
}

void machine_tidy(struct machine *m, struct chain_live *l)
{
	chain_tidy(m->dir);
}

static void do_flush(struct machine *m, void *arg)
{
	machine_flush(m);
}

static void do_settle(struct machine *m, void *arg)
{
	machine_settle(m);
}

static void do_flatten(struct machine *m, void *arg)
{
	machine_flatten(m);
}

void machine_crash(struct machine *m, enum machine_crash what,
		   unsigned int calls)
{
	switch (what) {
	case CRASH_FLUSH:
		if (apart(m, calls, do_flush, NULL) &&
		    cow_breaking != COW_NOT_FROZEN_FIRST)
			machine_flushed(m);
		machine_kill(m);
		return;
	case CRASH_SETTLE:
		apart(m, calls, do_settle, NULL);
		return;
	case CRASH_FLATTEN:
		apart(m, calls, do_flatten, NULL);
		return;
	}
}

/* ---- the world ---- */

void cow_world_dir(char *dir, size_t size)
{
	snprintf(dir, size, "/dev/shm/podflare-sim-XXXXXX");
	if (mkdtemp(dir))
		return;
	snprintf(dir, size, "/tmp/podflare-sim-XXXXXX");
	assert_non_null(mkdtemp(dir));
}

void cow_world_home(const char *dir, bool tell)
{
	home = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cow_loud = tell;
}

void cow_world_begin(struct cow_world *w, uint64_t seed, enum cow_break broken)
{
	uint8_t sector[COW_SECTOR];
	int kept;

	w->seed = w->first_seed = seed;
	w->broken = cow_breaking = broken;
	mkdirat(home, "kept", 0700);
	kept = openat(home, "kept", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bottom = memfd_create("bottom", MFD_CLOEXEC);
	for (unsigned int i = 0; i < BOTTOM / COW_SECTOR; i++) {
		machine_fill(sector, ++w->stamp);
		BUG_ON(pwrite(bottom, sector, COW_SECTOR, (off_t)(i * COW_SECTOR)) < 0);
	}
	for (int i = 0; i < MACHINES; i++) {
		struct machine *m = &w->machines[i];
		char name[8];

		m->world = w;
		snprintf(name, sizeof(name), "%d", i);
		mkdirat(home, name, 0700);
		m->dir = openat(home, name,
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	for (unsigned int i = 0; i < BOTTOM / COW_SECTOR; i++)
		w->machines[0].model[i].now =
			w->machines[0].model[i].flushed = i + 1;
	close(chain_add(w->machines[0].dir, 0, COW_DISK_SIZE, NULL));
	w->machines[0].used = true;
	sim_begin(kept, seed ^ 0x5555);
	sim_lie(broken == COW_NO_SYNC, broken == COW_NO_FOLDER_SYNC);
	machine_start(&w->machines[0]);
}

void cow_world_end(struct cow_world *w)
{
	for (int i = 0; i < MACHINES; i++)
		if (w->machines[i].used)
			machine_remove(&w->machines[i]);
	sim_end();
}
