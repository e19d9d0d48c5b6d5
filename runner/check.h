/* SPDX-License-Identifier: MIT */
/*
 * runner/check.h - is what the store has on disk whole?
 *
 * Blocking, for a work thread.  Nothing is locked and nothing written: what comes
 * and goes meanwhile is no damage.
 */
#ifndef PODFLARE_RUNNER_CHECK_H
#define PODFLARE_RUNNER_CHECK_H

#include <stdatomic.h>

#include <jansson.h>

#include "common/path.h"
#include "runner/names.h"
#include "runner/state.h"

struct check_target {
	bool image;
	enum sandbox_kind kind;	/* else */
	int dirfd;		/* -1: an image that has no folder */
	char path[128];		/* from the data folder */
	char name[PODFLARE_NAME_MAX + 1], id[SANDBOX_ID_LEN + 1];
	char reference[128];	/* of an image: a name, or its digest */
	bool saved;		/* it has its memory in files */
};

struct check {
	struct check_target *targets;	/* of whoever calls */
	size_t n;
	atomic_bool stop;
	/* what came of it */
	json_t *damage;		/* [{what, path, problem, cure}] */
	unsigned int layers, open, memories, images, folders;
	uint64_t bytes;		/* that were read */
	struct check_file *seen;	/* private */
	size_t nr_seen;
};

/* Check all targets. Return: 0, or -1: given up, or no memory. */
int check_run(struct check *c);
void check_free(struct check *c);

#endif
