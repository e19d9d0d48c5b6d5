/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/sim-disk.h - a host whose power can be cut
 *
 * The program is linked with --wrap for the calls that change files: each sector
 * that was written and not synced is lost or not when the power is cut, as are
 * renames and unlinks of folders that were not synced, and whole files that never
 * were.  All of it is kept in shared memory, so that children of fork(2) count.
 */
#ifndef PODFLARE_TESTS_SIM_DISK_H
#define PODFLARE_TESTS_SIM_DISK_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_FUSED 99	/* exit code: the process came to its end */

/* Begin anew. @home: a folder for what may come back. */
void sim_begin(int home, uint64_t seed);
void sim_end(void);
/* Nothing has the files open any more. */
void sim_power_cut(void);
/* The process ends at the @calls-th change from here; 0: it does not. */
void sim_fuse(unsigned int calls);
/* Whether syncing files, folders does nothing: tests of the test. */
void sim_lie(bool files, bool folders);

#endif
