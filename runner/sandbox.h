/* SPDX-License-Identifier: MIT */
/*
 * runner/sandbox.h - the registry of sandboxes and their states
 *
 * A sandbox is a folder (data/sandboxes/ID), most of the time a process, and
 * this struct.  It is reference-counted: whoever waits for something of it
 * holds a reference; the registry holds one until it is removed.
 */
#ifndef PODFLARE_RUNNER_SANDBOX_H
#define PODFLARE_RUNNER_SANDBOX_H

#include <jansson.h>

#include "common/path.h"
#include "runner/disk.h"
#include "runner/image.h"
#include "runner/names.h"
#include "runner/runner.h"
#include "runner/vmproc.h"

#define SANDBOX_CONSOLE "console.log"	/* in its folder */

enum sandbox_state {
	SB_CREATING,
	SB_STARTING,	/* from its disk; "creating" in the API */
	SB_RUNNING,
	SB_PAUSED,
	SB_STOPPED,
	SB_FAILED,
	SB_REMOVING,	/* not listed any more */
	SB_STATES
};

enum sandbox_event {
	SB_EV_START,
	SB_EV_READY,	/* the guest has said hello */
	SB_EV_PAUSED,
	SB_EV_RESUMED,
	SB_EV_ENDED,	/* cleanly: powered off, stopped */
	SB_EV_DIED,
	SB_EV_REMOVE,
	SB_EVENTS
};

struct sandbox_wait {
	TAILQ_ENTRY(sandbox_wait) link;
	/* @err NULL: it runs. @console: the last lines of a start that failed,
	 * or NULL; the caller's. The wait may be freed in the call. */
	void (*cb)(struct sandbox_wait *w, const struct err *err,
		   json_t *console);
};

/* For who waits for the end of the process. */
struct sandbox_gone {
	TAILQ_ENTRY(sandbox_gone) link;
	void (*cb)(struct sandbox_gone *g);
};

struct boot;
struct removal;

struct sandbox {
	TAILQ_ENTRY(sandbox) link;
	struct runner *runner;
	unsigned int refs;
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
	/* of the last boot */
	json_t *steps;
	char kernel[64];
	char reason[512];	/* why it is failed or stopped; "" */
	/* while it lives */
	int dirfd;
	struct vmproc *vm;
	struct boot *boot;
	struct removal *removal;
	TAILQ_HEAD(, sandbox_wait) waits;
	TAILQ_HEAD(, sandbox_gone) gone_waits;
};

/* Register a new one in state @state. Return: NULL with @err. */
struct sandbox *sandbox_new(struct runner *r, const char *id, const char *name,
			    enum sandbox_state state, struct err *err);
struct sandbox *sandbox_ref(struct sandbox *sb);
void sandbox_unref(struct sandbox *sb);
/* Take it out of the registry (and drop the registry's reference). */
void sandbox_unregister(struct sandbox *sb);
/* Return: the one of that name, NULL. */
struct sandbox *sandbox_by_name(struct runner *r, const char *name);
/* By name, id, or the unique beginning of an id. Return: NULL with @err. */
struct sandbox *sandbox_find(struct runner *r, const char *ref,
			     struct err *err);

/* Whether the state takes the event. Return: 0, or -1 with @err (ERR_STATE). */
int sandbox_may(const struct sandbox *sb, enum sandbox_event ev,
		struct err *err);
/* Move to the event's state; BUG() when the state does not take it. */
void sandbox_move(struct sandbox *sb, enum sandbox_event ev);
/* Why a state does not allow a use; -1 with @err. */
int sandbox_state_error(const struct sandbox *sb, struct err *err);
const char *sandbox_state_name(enum sandbox_state s);

/* The sandbox of the API. */
json_t *sandbox_to_json(struct sandbox *sb);

#endif
