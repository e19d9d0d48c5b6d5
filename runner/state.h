/* SPDX-License-Identifier: MIT */
/* runner/state.h - the states of a sandbox, and what may happen in each */
#ifndef PODFLARE_RUNNER_STATE_H
#define PODFLARE_RUNNER_STATE_H

#include "common/err.h"

struct sandbox;

enum sandbox_kind {
	SB_SANDBOX,
	SB_POINT,	/* a sandbox at the instant of a fork, kept in memory */
	SB_VIEW,	/* a throwaway copy of a point */
	SB_TEMPLATE,	/* an image, booted and warm, kept in memory */
	SB_POOL,	/* ready to become somebody's sandbox (pool.h) */
	SB_SNAPSHOT,	/* a machine in files, to be copied (snapshot.h) */
};

enum sandbox_state {
	SB_CREATING,
	SB_STARTING,	/* from its disk; "creating" in the API */
	SB_RUNNING,
	SB_PAUSED,
	SB_HELD,	/* a point or template: it can be forked */
	SB_FROZEN,	/* its memory is in files */
	SB_THAWING,	/* out of them; "frozen" in the API until it runs */
	SB_STOPPED,
	SB_FAILED,
	SB_REMOVING,	/* not listed any more */
	SB_STATES
};

enum sandbox_event {
	SB_EV_START,
	SB_EV_READY,	/* the guest has said hello */
	SB_EV_HELD,
	SB_EV_PAUSED,
	SB_EV_RESUMED,
	SB_EV_FROZEN,	/* saved durably; its process ends */
	SB_EV_FORGET,	/* its memory is given up */
	SB_EV_ENDED,	/* cleanly: powered off, stopped */
	SB_EV_DIED,
	SB_EV_REMOVE,
	SB_EVENTS
};

/* Whether the state takes the event. Return: 0, or -1 with @err (ERR_STATE). */
int sandbox_may(const struct sandbox *sb, enum sandbox_event ev,
		struct err *err);
/* Move to the event's state; BUG() when the state does not take it. */
void sandbox_move(struct sandbox *sb, enum sandbox_event ev);
/* Whether something goes on that excludes another such thing: a fork, a merge,
 * pausing. Return: 0, or -1 with @err (ERR_BUSY). */
int sandbox_check_idle(const struct sandbox *sb, struct err *err);
/* Why a state does not allow a use; -1 with @err. */
int sandbox_state_error(const struct sandbox *sb, struct err *err);
const char *sandbox_state_name(enum sandbox_state s);

#endif
