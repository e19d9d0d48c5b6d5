/* SPDX-License-Identifier: MIT */
/*
 * runner/sandbox.h - the registry of sandboxes and their states
 *
 * A sandbox is a folder (data/sandboxes/ID), most of the time a process, and
 * this struct.  It is reference-counted: whoever waits for something of it
 * holds a reference; the registry holds one until it is removed.  The points of
 * forks and views of them are sandboxes, too, though hidden ones (data/points).
 */
#ifndef PODFLARE_RUNNER_SANDBOX_H
#define PODFLARE_RUNNER_SANDBOX_H

#include "runner/disk.h"
#include "runner/image.h"
#include "runner/runner.h"
#include "runner/sandbox-parts.h"
#include "runner/state.h"
#include "runner/vmproc.h"

#define SANDBOX_CONSOLE "console.log"	/* in its folder */

struct boot;
struct fork;
struct flatten;
struct freeze;
struct fork_slot;
struct removal;

struct sandbox {
	TAILQ_ENTRY(sandbox) link;
	struct runner *runner;
	unsigned int refs;
	enum sandbox_kind kind;
	enum sandbox_state state;
	/* fixed at creation */
	char id[SANDBOX_ID_LEN + 1];
	char name[PODFLARE_NAME_MAX + 1];
	char image[128];	/* as the user named it */
	char digest[IMAGE_DIGEST_LEN + 1];
	char created[32];	/* RFC 3339 */
	char disk_base[DISK_NAME_MAX];
	unsigned int cpus;
	uint64_t memory, disk;
	json_t *env, *labels;
	bool card;		/* it has a network card */
	json_t *net;		/* the text of its policy, NULL: off */
	struct sandbox_origin origin;
	uint64_t used_ns;	/* of a template: when it was last copied */
	bool marked;	/* by who goes through all of them */
	bool filed, saving;	/* its memory is in files, too, or will be */
	/* the newest point that it passed, as parent or as child; of a point:
	 * the one before it */
	char head[SANDBOX_ID_LEN + 1];
	/* of the last boot */
	json_t *steps;
	char kernel[64];
	uint64_t idle_ms;	/* after which it is frozen; 0: never */
	bool idle_rm;		/* or rather removed */
	uint64_t active_ns;	/* when it was last seen to be in use */
	unsigned int top;	/* frozen: the highest layer that is its own */
	bool disk_only;		/* a snapshot without memory: copies boot */
	char reason[512];	/* why it is failed or stopped; "" */
	/* while it lives */
	int dirfd;
	struct vmproc *vm;
	struct boot *boot;
	struct fork_slot *slot;	/* while it is being made by a fork */
	struct fork *fork;	/* that copies it now */
	TAILQ_HEAD(, fork) forks;	/* that wait for their turn */
	struct flatten *flat;	/* its disk's chain is made shorter */
	bool logged;		/* the log tells of it */
	bool retired;		/* its folder has the name of one that goes */
	bool switching, merging;	/* is being paused or resumed; merged */
	bool standin;		/* is to take another one's place: not shown */
	unsigned int linking;	/* no process: snapshots that take its files */
	struct freeze *freeze;	/* it is being frozen */
	struct removal *removal;
	TAILQ_HEAD(, sandbox_wait) waits;
	TAILQ_HEAD(, sandbox_gone) gone_waits;
};

/* Register a new one in state @state. Return: NULL with @err. */
struct sandbox *sandbox_new(struct runner *r, enum sandbox_kind kind,
			    const char *id, const char *name,
			    enum sandbox_state state, struct err *err);
struct sandbox *sandbox_ref(struct sandbox *sb);
void sandbox_unref(struct sandbox *sb);
/* Take it out of the registry (and drop the registry's reference). */
void sandbox_unregister(struct sandbox *sb);
/* The folder that its own folder is in. */
int sandbox_home(const struct sandbox *sb);
/* Whether it never runs itself, but is there to be copied. */
bool sandbox_is_held(const struct sandbox *sb);
/* Whether it has a meta.json, in the state that it is in. */
bool sandbox_is_stored(const struct sandbox *sb);
/* Whether a fork of it goes on, or waits for its turn. */
bool sandbox_is_forked(const struct sandbox *sb);
/* Take "sandbox NAME: " off the front, where another name is to stand. */
void sandbox_drop_name(const struct sandbox *sb, struct err *e);
/* Whether clients are told of it. */
bool sandbox_is_shown(const struct sandbox *sb);
/* Return: the hidden one of that id, NULL. */
struct sandbox *sandbox_hidden(struct runner *r, enum sandbox_kind kind,
			       const char *id);
/* Return: the one of that name, NULL. */
struct sandbox *sandbox_by_name(struct runner *r, const char *name);
struct sandbox *sandbox_snapshot_by_name(struct runner *r, const char *name);
/* By name, id, or the unique beginning of an id; a view by its id.
 * Return: NULL with @err. */
struct sandbox *sandbox_find(struct runner *r, const char *ref,
			     struct err *err);
/* The same of snapshots that are complete. */
struct sandbox *sandbox_find_snapshot(struct runner *r, const char *ref,
				      struct err *err);

#endif
