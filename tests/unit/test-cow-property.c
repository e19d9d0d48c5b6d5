/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-cow-property.c - disks of layers against plain memory
 *
 * Some machines with a disk each, which read, write, fork, have their chains made
 * shorter while they run or not, are killed at any call, or lose their power with
 * all that was not synced (sim-disk.c).  After each step a disk must read as the
 * model does; after a crash each sector has what was flushed last, or something
 * that was written since.
 *
 * All is drawn from a seed, which is told when something is wrong.  To run one:
 * PODFLARE_SEED=SEED test-cow-property.  At the end rules of the format are
 * broken one by one: each must be found.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/path.h"
#include "tests/unit/cow-machine.h"
#include "tests/unit/sim-disk.h"
#include "tests/unit/unit.h"

#define SEEDS 8
#define ROUNDS 60
#define SEEDS_BROKEN 60		/* to find a broken rule */

struct world {
	struct cow_world w;
	unsigned int round;
	unsigned int done[16];
};

static uint32_t dice(struct world *w, uint32_t n)
{
	return cow_dice(&w->w, n);
}

static struct machine *any(struct world *w)
{
	struct machine *m;

	do
		m = &w->w.machines[dice(w, MACHINES)];
	while (!m->used);
	return m;
}

static struct machine *unused(struct world *w)
{
	for (int i = 0; i < MACHINES; i++)
		if (!w->w.machines[i].used)
			return &w->w.machines[i];
	return NULL;
}

static void fork_or_remove(struct world *w, struct machine *m)
{
	struct machine *to = unused(w);

	if (to && dice(w, 4))
		machine_fork(m, to);
	else if (!to)
		machine_remove(m);
	else
		machine_fork_alone(m);
}

/* Whatever a guest does. */
static void work(struct world *w, struct machine *m)
{
	for (uint32_t n = dice(w, 12); n > 0; n--) {
		uint32_t what = dice(w, 16);

		if (what < 9)
			machine_write(m);
		else if (what < 11)
			machine_zero(m);
		else if (what < 13)
			machine_discard(m);
		else if (what < 14)
			machine_flush(m);
		else
			machine_verify(m);
	}
}

/* The chain gets shorter while the machine runs; somebody may be killed in the
 * middle of it. */
static void flatten_live(struct world *w, struct machine *m)
{
	struct chain_live l;

	machine_flush(m);
	if (!machine_merge(m, &l))
		return;
	for (uint32_t n = dice(w, 3); n > 0; n--) {
		work(w, m);
		if (dice(w, 2))
			machine_fork_alone(m);
	}
	switch (dice(w, 6)) {
	case 0:		/* the runner is killed before the VMM is told */
		machine_tidy(m, &l);
		break;
	case 1:		/* after that */
		machine_exchange(m, &l);
		machine_tidy(m, &l);
		break;
	case 2:		/* the VMM is killed */
		machine_kill(m);
		machine_tidy(m, &l);
		machine_start(m);
		break;
	case 3:		/* the runner, in the middle of the renames */
		machine_exchange(m, &l);
		machine_store(m, &l, 1 + dice(w, 12));
		break;
	default:
		machine_exchange(m, &l);
		machine_store(m, &l, 0);
		break;
	}
	if (l.fd >= 0)
		close(l.fd);
	machine_verify(m);
}

static void start_all(struct world *w)
{
	for (int i = 0; i < MACHINES; i++)
		if (w->w.machines[i].used && !w->w.machines[i].disk)
			machine_start(&w->w.machines[i]);
}

static void cut_power(struct world *w)
{
	for (int i = 0; i < MACHINES; i++)
		if (w->w.machines[i].disk)
			machine_kill(&w->w.machines[i]);
	sim_power_cut();
	for (int i = 0; i < MACHINES; i++)
		w->w.machines[i].was_cut = w->w.machines[i].used;
	start_all(w);
}

/* Killed at one of the next calls that change a file. */
static void crash(struct world *w, struct machine *m)
{
	unsigned int calls = 1 + dice(w, 30);

	switch (dice(w, 3)) {
	case 0:
		machine_crash(m, CRASH_FLUSH, calls);
		break;
	case 1:
		machine_kill(m);
		machine_crash(m, CRASH_SETTLE, calls);
		break;
	default:
		machine_kill(m);
		machine_settle(m);
		machine_crash(m, CRASH_FLATTEN, calls);
		break;
	}
	if (dice(w, 2))
		cut_power(w);
	else
		machine_start(m);
}

static void step(struct world *w)
{
	struct machine *m = any(w);
	uint32_t what = dice(w, 20);

	work(w, m);
	if (what < 8) {
		fork_or_remove(w, m);
	} else if (what < 11) {
		flatten_live(w, m);
	} else if (what < 13) {
		machine_kill(m);
		machine_start(m);
	} else if (what < 15) {
		machine_stop(m);
		machine_thaw(m);
	} else if (what < 17) {
		crash(w, m);
	} else if (what < 18) {
		cut_power(w);
	} else {
		machine_kill(m);
		machine_settle(m);
		machine_flatten(m);
		machine_start(m);
	}
	what = what < 8 ? 0 : what < 11 ? 1 : what < 17 ? 2 : what < 18 ? 3 : 4;
	w->done[what]++;
}

/* One seed. Does not return when something is wrong: exit code 1. */
static void run(uint64_t seed, enum cow_break broken, unsigned int rounds)
{
	struct world *w = calloc(1, sizeof(*w));

	cow_world_begin(&w->w, seed, broken);
	for (w->round = 0; w->round < rounds; w->round++) {
		w->w.round = w->round;
		step(w);
		for (int i = 0; i < MACHINES; i++)
			if (w->w.machines[i].used)
				machine_verify(&w->w.machines[i]);
	}
	cut_power(w);
	cow_world_end(&w->w);
	free(w);
}

/* Return: whether nothing was wrong. */
static bool run_apart(uint64_t seed, enum cow_break broken)
{
	char dir[64];
	int status;
	pid_t pid;

	cow_world_dir(dir, sizeof(dir));
	pid = fork();
	if (pid == 0) {
		cow_world_home(dir, broken == COW_SOUND);
		run(seed, broken, ROUNDS);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	path_remove_tree(AT_FDCWD, dir, NULL);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) <= 1);
	return WEXITSTATUS(status) == 0;
}

static void disks_read_as_the_model_does(void **state)
{
	const char *one = getenv("PODFLARE_SEED");

	for (uint64_t seed = 1; seed <= SEEDS && !one; seed++)
		assert_true(run_apart(seed * 0x9e3779b97f4a7c15ULL,
				      COW_SOUND));
	if (one)
		assert_true(run_apart(strtoull(one, NULL, 0), COW_SOUND));
}

static void each_broken_rule_is_found(void **state)
{
	if (getenv("PODFLARE_SEED"))
		return;
	for (enum cow_break b = COW_SOUND + 1; b < COW_BREAKS; b++) {
		uint64_t seed = 1;

		while (run_apart(seed * 0x9e3779b97f4a7c15ULL, b))
			if (++seed > SEEDS_BROKEN)
				fail_msg("%s is not found",
					 cow_break_name(b));
		print_message("%s: found with seed %llu\n", cow_break_name(b),
			      (unsigned long long)seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disks_read_as_the_model_does),
		cmocka_unit_test(each_broken_rule_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
