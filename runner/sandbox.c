/* SPDX-License-Identifier: MIT */
/*
 * runner/sandbox.c - the registry of sandboxes and their states
 *
 * podflared, loop thread.  The states and what may happen in each are one
 * table; nothing else sets a state.
 */
#include "runner/sandbox.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "runner/text.h"

#define CONSOLE_LINES 20
#define CONSOLE_BUDGET 16384
#define PREFIX_MIN 4

#define NO SB_STATES	/* the event is refused */

static const enum sandbox_state next_state[SB_STATES][SB_EVENTS] = {
	/*		  START        READY       PAUSED     RESUMED
	 *		  ENDED        DIED        REMOVE */
	[SB_CREATING] = { NO,          SB_RUNNING, NO,        NO,
			  NO,          NO,         SB_REMOVING },
	[SB_STARTING] = { NO,          SB_RUNNING, NO,        NO,
			  SB_STOPPED,  SB_STOPPED, SB_REMOVING },
	[SB_RUNNING] =  { NO,          NO,         SB_PAUSED, NO,
			  SB_STOPPED,  SB_FAILED,  SB_REMOVING },
	[SB_PAUSED] =   { NO,          NO,         NO,        SB_RUNNING,
			  SB_STOPPED,  SB_FAILED,  SB_REMOVING },
	[SB_STOPPED] =  { SB_STARTING, NO,         NO,        NO,
			  NO,          NO,         SB_REMOVING },
	[SB_FAILED] =   { NO,          NO,         NO,        NO,
			  NO,          NO,         SB_REMOVING },
	[SB_REMOVING] = { NO,          NO,         NO,        NO,
			  NO,          NO,         NO },
};

static const char *const state_names[SB_STATES] = {
	[SB_CREATING] = "creating",
	[SB_STARTING] = "creating",
	[SB_RUNNING] = "running",
	[SB_PAUSED] = "paused",
	[SB_STOPPED] = "stopped",
	[SB_FAILED] = "failed",
	[SB_REMOVING] = "removing",
};

static const char *const event_names[SB_EVENTS] = {
	[SB_EV_START] = "be started",
	[SB_EV_READY] = "become ready",
	[SB_EV_PAUSED] = "be paused",
	[SB_EV_RESUMED] = "be resumed",
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
	case SB_RUNNING:
	case SB_STOPPED:
	case SB_STATES:
		break;
	}
	return err_set(err, ERR_STATE, "sandbox %s: is %s", sb->name,
		       state_names[sb->state]);
}

struct sandbox *sandbox_new(struct runner *r, const char *id, const char *name,
			    enum sandbox_state state, struct err *err)
{
	struct sandbox *sb;

	if (r->nr_sandboxes >= RUNNER_SANDBOXES_MAX) {
		err_set(err, ERR_LIMIT, "there are %d sandboxes already",
			RUNNER_SANDBOXES_MAX);
		return NULL;
	}
	sb = calloc(1, sizeof(*sb));
	if (!sb) {
		err_set(err, ERR_NO_MEMORY, "sandbox");
		return NULL;
	}
	sb->runner = r;
	sb->refs = 1;
	sb->state = state;
	sb->dirfd = -1;
	sb->steps = json_array();
	snprintf(sb->id, sizeof(sb->id), "%s", id);
	snprintf(sb->name, sizeof(sb->name), "%s", name);
	TAILQ_INIT(&sb->waits);
	TAILQ_INIT(&sb->gone_waits);
	TAILQ_INSERT_TAIL(&r->sandboxes, sb, link);
	r->nr_sandboxes++;
	return sb;
}

struct sandbox *sandbox_ref(struct sandbox *sb)
{
	sb->refs++;
	return sb;
}

void sandbox_unref(struct sandbox *sb)
{
	if (--sb->refs)
		return;
	json_decref(sb->env);
	json_decref(sb->labels);
	json_decref(sb->steps);
	if (sb->dirfd >= 0)
		close(sb->dirfd);
	free(sb);
}

void sandbox_unregister(struct sandbox *sb)
{
	TAILQ_REMOVE(&sb->runner->sandboxes, sb, link);
	sb->runner->nr_sandboxes--;
	sandbox_unref(sb);
}

struct sandbox *sandbox_by_name(struct runner *r, const char *name)
{
	struct sandbox *sb;

	TAILQ_FOREACH(sb, &r->sandboxes, link)
		if (sb->state != SB_REMOVING && strcmp(sb->name, name) == 0)
			return sb;
	return NULL;
}

struct sandbox *sandbox_find(struct runner *r, const char *ref,
			     struct err *err)
{
	struct sandbox *sb = sandbox_by_name(r, ref), *found = NULL;
	size_t len = strlen(ref);

	if (sb)
		return sb;
	TAILQ_FOREACH(sb, &r->sandboxes, link) {
		if (sb->state == SB_REMOVING || len < PREFIX_MIN ||
		    strncmp(sb->id, ref, len) != 0)
			continue;
		if (found) {
			err_set(err, ERR_USAGE,
				"sandbox %.64s: several ids begin so", ref);
			return NULL;
		}
		found = sb;
	}
	if (found)
		return found;
	err_set(err, ERR_NOT_FOUND, "sandbox %.64s: there is no such sandbox",
		ref);
	err_hint(err, "podflare ls lists them");
	return NULL;
}

static json_int_t disk_used(const struct sandbox *sb)
{
	struct stat st;

	if (sb->dirfd < 0 || fstatat(sb->dirfd, DISK_LAYER, &st,
				     AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return (json_int_t)st.st_blocks * 512;
}

json_t *sandbox_to_json(struct sandbox *sb)
{
	json_t *o = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:I, s:O, s:O, "
		"s:{s:s, s:O}, s:I}",
		"id", sb->id, "name", sb->name, "state",
		state_names[sb->state], "image", sb->image, "image_digest",
		sb->digest, "created", sb->created, "cpus", (int)sb->cpus,
		"memory", (json_int_t)sb->memory, "disk",
		(json_int_t)sb->disk, "env", sb->env, "labels", sb->labels,
		"origin", "how", "cold boot", "steps", sb->steps, "disk_used",
		disk_used(sb));

	json_object_set_new(o, "pid", sb->vm
			    ? json_integer(vmproc_pid(sb->vm)) : json_null());
	if (sb->kernel[0])
		json_object_set_new(o, "kernel", json_string(sb->kernel));
	if (sb->reason[0])
		json_object_set_new(o, "reason", json_string(sb->reason));
	if (sb->state == SB_FAILED && sb->dirfd >= 0)
		json_object_set_new(o, "console_tail",
				    text_tail_file(sb->dirfd, SANDBOX_CONSOLE,
						   CONSOLE_LINES,
						   CONSOLE_BUDGET,
						   TEXT_CLEAN));
	return o;
}
