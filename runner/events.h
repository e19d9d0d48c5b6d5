/* SPDX-License-Identifier: MIT */
/*
 * runner/events.h - the log of what happened to sandboxes
 *
 * data/events.jsonl: a JSON object a line, appended and synced before the action
 * is answered for; when it has grown to EVENTS_FILE_MAX it becomes
 * events.old.jsonl, in the place of the last one of that name.
 */
#ifndef PODFLARE_RUNNER_EVENTS_H
#define PODFLARE_RUNNER_EVENTS_H

#include "runner/sandbox.h"

#define EVENTS_FILE_MAX (2 * MIB)

typedef void (*events_cb)(void *arg, const struct err *err);

/* {time, what, sandbox, name} of now. */
json_t *event_new(const char *what, const struct sandbox *sb);
/* Append an array of events. It is stolen. @cb may be NULL: a failure is
 * logged. */
void events_put(struct runner *r, json_t *events, events_cb cb, void *arg);
void events_put_one(struct runner *r, json_t *event);

typedef void (*events_read_cb)(void *arg, const struct err *err, json_t *list);

/* Read all that there are, the oldest first; @list is the callee's. Lines that
 * are damaged are left out. */
void events_read(struct runner *r, events_read_cb cb, void *arg);

#endif
