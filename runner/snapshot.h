/* SPDX-License-Identifier: MIT */
/*
 * runner/snapshot.h - snapshots: machines in files, to be copied
 *
 * data/snapshots/ID has the files of docs/snapshot-format.md and a meta.json, as
 * a frozen sandbox's folder; one without meta.json is half made.  Nothing in it
 * changes.  Layers and, where it can be, memory are shared with sandboxes and
 * other snapshots by hard links, so that each can be removed alone.
 */
#ifndef PODFLARE_RUNNER_SNAPSHOT_H
#define PODFLARE_RUNNER_SNAPSHOT_H

#include "runner/sandbox.h"

struct snapshot_made {
	struct sandbox *snapshot;	/* not a reference */
	uint64_t pause_ns;	/* how long its sandbox stood still */
};

/* @err NULL: it is there, for good. */
typedef void (*snapshot_cb)(void *arg, const struct err *err,
			    const struct snapshot_made *made);

struct snapshot_job;

/* Make one of @sb, which runs or is frozen; it goes on as it was, whatever
 * happens. @name NULL: SANDBOX-N. @how "snapshot", or "safety": SANDBOX-safety-N,
 * also of one that is stopped or has failed, whose disk is all there is. Return:
 * NULL with @err, then @cb is not called. */
struct snapshot_job *snapshot_make(struct sandbox *sb, const char *name,
				   const char *how, snapshot_cb cb, void *arg,
				   struct err *err);
/* Give up; @cb is called all the same. */
void snapshot_cancel(struct snapshot_job *j);

/* Check @asked, or (NULL) choose @base-N. Return: 0, or -1 with @err. */
int snapshot_choose_name(struct runner *r, const char *asked, const char *base,
			 char *name, size_t size, struct err *err);

/* The snapshot of the API. */
json_t *snapshot_to_json(struct sandbox *s);
/* As sandbox_to_item(). */
json_t *snapshot_to_item(struct sandbox *s, size_t *used);

#endif
