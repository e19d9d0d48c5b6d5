/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/cow-machine.h - a machine with a disk of layers, and what it should
 * read as; for test-cow-property
 *
 * What the VMM and the runner do with a disk, by the same functions, in one
 * process: a fork copies the disk as it is in memory.
 */
#ifndef PODFLARE_TESTS_COW_MACHINE_H
#define PODFLARE_TESTS_COW_MACHINE_H

#include "runner/chain-live.h"
#include "runner/vmm/cowfile.h"

#define MACHINES 4
#define WINDOWS 3
#define WINDOW_SECTORS 64
#define SECTORS (WINDOWS * WINDOW_SECTORS)
#define SINCE_MAX 48

/* A rule that is broken on purpose. */
enum cow_break {
	COW_SOUND,
	COW_NO_SYNC,		/* fdatasync does nothing */
	COW_NO_FOLDER_SYNC,	/* nor does fsync of a folder */
	COW_NO_FREEZE,		/* a fork's parent writes on */
	COW_NO_COPY,		/* an open layer that others have is sealed */
	COW_WRONG_ORDER,	/* layers are merged upside down */
	COW_LOST_CLUSTER,	/* one is not copied */
	COW_NOT_FROZEN_FIRST,	/* the top is flushed before what is below */
	COW_BREAKS
};

/* What a sector must read as; 0: zeros. */
struct sector_model {
	uint32_t now, flushed;
	unsigned int n;
	uint32_t since[SINCE_MAX];	/* written since the flush */
};

struct cow_world;

struct machine {
	struct cow_world *world;
	bool used;
	bool was_cut;		/* its power, since it ran */
	int dir;
	struct cow_disk *disk;	/* NULL: it does not run */
	struct sector_model model[SECTORS];
};

struct cow_world {
	uint64_t seed, first_seed;
	unsigned int round;
	uint32_t stamp;		/* the last that was written */
	enum cow_break broken;
	struct machine machines[MACHINES];
};

enum machine_crash { CRASH_FLUSH, CRASH_SETTLE, CRASH_FLATTEN };

const char *cow_break_name(enum cow_break b);
/* A fresh folder; in the process that runs the test: use it. @loud: failures are
 * told. */
void cow_world_dir(char *dir, size_t size);
void cow_world_home(const char *dir, bool loud);
void cow_world_begin(struct cow_world *w, uint64_t seed, enum cow_break broken);
void cow_world_end(struct cow_world *w);
uint32_t cow_dice(struct cow_world *w, uint32_t n);

/* A guest's. */
void machine_write(struct machine *m);
void machine_zero(struct machine *m);
void machine_discard(struct machine *m);
void machine_flush(struct machine *m);
void machine_verify(struct machine *m);
/* A runner's. */
void machine_start(struct machine *m);	/* after a kill */
void machine_kill(struct machine *m);
void machine_stop(struct machine *m);	/* as a freeze does */
void machine_thaw(struct machine *m);
void machine_fork(struct machine *m, struct machine *to);
void machine_fork_alone(struct machine *m);	/* the copy is gone at once */
void machine_remove(struct machine *m);
void machine_settle(struct machine *m);
void machine_flatten(struct machine *m);
/* Of a chain that gets shorter. @fuse as sim_fuse() */
bool machine_merge(struct machine *m, struct chain_live *l);
void machine_exchange(struct machine *m, struct chain_live *l);
void machine_store(struct machine *m, struct chain_live *l, unsigned int fuse);
void machine_tidy(struct machine *m, struct chain_live *l);
/* Do that in a process that ends at that call: then it does not run. */
void machine_crash(struct machine *m, enum machine_crash what,
		   unsigned int calls);

#endif
