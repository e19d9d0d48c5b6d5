/* SPDX-License-Identifier: MIT */
/* runner/merge.h - a sandbox takes another one's place */
#ifndef PODFLARE_RUNNER_MERGE_H
#define PODFLARE_RUNNER_MERGE_H

#include "runner/sandbox.h"

/* @err NULL: @winner has the loser's name and id now. */
typedef void (*merge_cb)(void *arg, const struct err *err,
			 struct sandbox *winner);

/* Let @winner take the place of @loser, which is removed. Both are idle, in a
 * state that allows it. All or nothing, whatever dies meanwhile.
 * @keep_origin: the loser's stays, as the winner descends from it.
 * @event: for the log, stolen; NULL: of a merge. */
void merge_start(struct sandbox *loser, struct sandbox *winner,
		 bool keep_origin, json_t *event, merge_cb cb, void *arg);
/* At start, before sandboxes are taken up: complete what was begun. */
void merge_recover(struct runner *r);

#endif
