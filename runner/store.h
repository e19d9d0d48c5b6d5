/* SPDX-License-Identifier: MIT */
/*
 * runner/store.h - what is kept of a sandbox on disk: meta.json
 *
 * Written whole and durably, on a work thread, in order.  A folder without a
 * meta.json is half made and removed at the next start; the state in it is
 * `running` only after the guest's hello.
 */
#ifndef PODFLARE_RUNNER_STORE_H
#define PODFLARE_RUNNER_STORE_H

#include "runner/sandbox.h"

/* @err NULL: it is on disk. */
typedef void (*store_cb)(void *arg, const struct err *err);

/* Make the folder and open it (sb->dirfd). Return: 0, or -1 with @err. */
int store_make(struct sandbox *sb, struct err *err);
/* Save what @sb is now. @cb may be NULL: a failure is logged. */
void store_save(struct sandbox *sb, store_cb cb, void *arg);
/* Save @sb, which goes on from its files, as one that runs; then remove them. */
void store_awake(struct sandbox *sb, store_cb cb, void *arg);
/* Save @sb, whose memory is given up; then remove the files. */
void store_forget(struct sandbox *sb);
/* Give the folder the name of one that goes: from then on no runner takes it
 * up again. */
void store_retire(struct sandbox *sb, store_cb cb, void *arg);
/* Remove what is retired; its process has ended. */
void store_destroy(struct sandbox *sb, store_cb cb, void *arg);
/* Read meta.json of the folder @dirfd (not taken over) into a new sandbox (of
 * kind SB_POOL, when it is one) in state STOPPED, FAILED, or, when the file says so, RUNNING, HELD or FROZEN.
 * Return: NULL with @err; ERR_NOT_FOUND: there is none, it is half made. */
struct sandbox *store_load(struct runner *r, enum sandbox_kind kind,
			   const char *id, int dirfd, struct err *err);
/* The id that meta.json has; "" when it does not say. */
void store_read_id(int dirfd, char *id, size_t size);
/* The name that a folder gets when its sandbox goes. */
void store_retired_name(const char *id, char *out, size_t size);
/* Return: the id in the name of a retired folder, NULL if it is none. */
const char *store_retired_id(const char *name);

/* The parts, for jobs that do more than one thing. The text is malloc'ed; NULL:
 * no memory. */
char *store_text(const struct sandbox *sb);
/* Work thread. Return: 0, or -1 with @err. */
int store_write(int dirfd, const char *text, struct err *err);

/* A sandbox that is marked is half made, whatever its meta.json says: its guest
 * has not said hello in this boot of the host. The mark is in the runtime
 * folder and need not be on stable storage. */
int store_mark(struct runner *r, const char *id, struct err *err);
void store_unmark(struct runner *r, const char *id);
bool store_is_marked(struct runner *r, const char *id);

#endif
