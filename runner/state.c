/* SPDX-License-Identifier: MIT */
/*
 * runner/state.c - the states of a sandbox, and what may happen in each
 *
 * podflared, loop thread.  They are one table; nothing else sets a state.
 */
#include "runner/state.h"

#include "common/log.h"
#include "runner/sandbox.h"

#define NO SB_STATES	/* the event is refused */

static const enum sandbox_state next_state[SB_STATES][SB_EVENTS] = {
	/*		  START        READY       HELD       PAUSED
	 *		  RESUMED      FROZEN      FORGET
	 *		  ENDED        DIED        REMOVE */
	[SB_CREATING] = { NO,          SB_RUNNING, SB_HELD,   NO,
			  NO,          SB_FROZEN,  NO,
			  NO,          NO,         SB_REMOVING },
	[SB_STARTING] = { NO,          SB_RUNNING, NO,        NO,
			  NO,          NO,         NO,
			  SB_STOPPED,  SB_STOPPED, SB_REMOVING },
	[SB_RUNNING] =  { NO,          NO,         NO,        SB_PAUSED,
			  NO,          SB_FROZEN,  NO,
			  SB_STOPPED,  SB_FAILED,  SB_REMOVING },
	[SB_PAUSED] =   { NO,          NO,         NO,        NO,
			  SB_RUNNING,  NO,         NO,
			  SB_STOPPED,  SB_FAILED,  SB_REMOVING },
	[SB_HELD] =     { NO,          NO,         NO,        NO,
			  NO,          SB_FROZEN,  NO,
			  SB_FAILED,   SB_FAILED,  SB_REMOVING },
	[SB_FROZEN] =   { SB_THAWING,  NO,         NO,        NO,
			  NO,          NO,         SB_STOPPED,
			  NO,          NO,         SB_REMOVING },
	[SB_THAWING] =  { NO,          SB_RUNNING, SB_HELD,   NO,
			  NO,          NO,         NO,
			  SB_FROZEN,   SB_FROZEN,  SB_REMOVING },
	[SB_STOPPED] =  { SB_STARTING, NO,         NO,        NO,
			  NO,          NO,         NO,
			  NO,          NO,         SB_REMOVING },
	[SB_FAILED] =   { NO,          NO,         NO,        NO,
			  NO,          NO,         NO,
			  NO,          NO,         SB_REMOVING },
	[SB_REMOVING] = { NO,          NO,         NO,        NO,
			  NO,          NO,         NO,
			  NO,          NO,         NO },
};

static const char *const state_names[SB_STATES] = {
	[SB_CREATING] = "creating",
	[SB_STARTING] = "creating",
	[SB_RUNNING] = "running",
	[SB_PAUSED] = "paused",
	[SB_HELD] = "held",
	[SB_FROZEN] = "frozen",
	[SB_THAWING] = "frozen",
	[SB_STOPPED] = "stopped",
	[SB_FAILED] = "failed",
	[SB_REMOVING] = "removing",
};

static const char *const event_names[SB_EVENTS] = {
	[SB_EV_START] = "be started",
	[SB_EV_READY] = "become ready",
	[SB_EV_HELD] = "be held",
	[SB_EV_PAUSED] = "be paused",
	[SB_EV_RESUMED] = "be resumed",
	[SB_EV_FROZEN] = "be frozen",
	[SB_EV_FORGET] = "forget its memory",
	[SB_EV_ENDED] = "end",
	[SB_EV_DIED] = "die",
	[SB_EV_REMOVE] = "be removed",
};

const char *sandbox_state_name(enum sandbox_state s)
{
	return state_names[s];
}

int sandbox_may(const struct sandbox *sb, enum sandbox_event ev,
		struct err *err)
{
	if (next_state[sb->state][ev] != NO)
		return 0;
	return err_set(err, ERR_STATE, "sandbox %s: is %s and cannot %s",
		       sb->name, state_names[sb->state], event_names[ev]);
}

void sandbox_move(struct sandbox *sb, enum sandbox_event ev)
{
	enum sandbox_state to = next_state[sb->state][ev];

	BUG_ON(to == NO);
	log_info("sandbox %s (%s): %s -> %s%s%s", sb->id, sb->name,
		 state_names[sb->state], state_names[to],
		 sb->reason[0] ? ": " : "", sb->reason);
	sb->state = to;
	if (to == SB_RUNNING)
		sb->active_ns = now_ns();
}

int sandbox_check_idle(const struct sandbox *sb, struct err *err)
{
	const char *what = sandbox_is_forked(sb) ? "forked" : sb->merging ? "merged" :
			   sb->freeze ? "frozen" :
			   sb->linking ? "read" :
			   sb->switching ? "paused or resumed" : NULL;

	if (!what)
		return 0;
	err_set(err, ERR_BUSY, "sandbox %s: is being %s", sb->name, what);
	return err_hint(err, "try again in a moment");
}

int sandbox_state_error(const struct sandbox *sb, struct err *err)
{
	switch (sb->state) {
	case SB_PAUSED:
		err_set(err, ERR_STATE, "sandbox %s: is paused", sb->name);
		return err_hint(err, "podflare resume %s", sb->name);
	case SB_FAILED:
		err_set(err, ERR_STATE, "sandbox %s: has failed: %s", sb->name,
			sb->reason);
		return err_hint(err, "podflare logs %s shows its console, "
				"podflare rm %s removes it", sb->name,
				sb->name);
	case SB_REMOVING:
		return err_set(err, ERR_NOT_FOUND,
			       "sandbox %s: there is no such sandbox",
			       sb->name);
	case SB_CREATING:
	case SB_STARTING:
	case SB_THAWING:
		err_set(err, ERR_STATE, "sandbox %s: is being %s", sb->name,
			sb->state == SB_CREATING ? "created" :
			sb->state == SB_STARTING ? "started" : "thawed");
		return err_hint(err, "podflare exec %s true returns once it "
				"runs", sb->name);
	case SB_FROZEN:
		err_set(err, ERR_STATE, "sandbox %s: is frozen", sb->name);
		return err_hint(err, "podflare thaw %s", sb->name);
	case SB_RUNNING:
	case SB_HELD:
	case SB_STOPPED:
	case SB_STATES:
		break;
	}
	return err_set(err, ERR_STATE, "sandbox %s: is %s", sb->name,
		       state_names[sb->state]);
}
