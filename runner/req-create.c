/* SPDX-License-Identifier: MIT */
/*
 * runner/req-create.c - sandbox.create
 *
 * podflared, loop thread.  All or nothing: whatever fails, and a client that
 * goes away, removes what was made before the answer is given.
 *
 * Theory of operation: check everything that can be checked, then have it made
 * (creation.c); the sandbox exists for good once its meta.json is on disk, and
 * only then is the call answered.
 */
#include <stdio.h>

#include "runner/agent-json.h"
#include "runner/creation.h"
#include "runner/events.h"
#include "runner/idle.h"
#include "runner/life.h"
#include "runner/machine.h"
#include "runner/methods.h"
#include "runner/netproc.h"
#include "runner/param.h"
#include "runner/sandbox-json.h"

#define NAME_TRIES 100
#define TRIES 3	/* a template may end while it is copied */
#define TEXTS_MAX (64 * 1024)	/* bytes of env, of labels */

struct create {
	struct request *rq;
	struct sandbox *sb;
	struct creation *creation;	/* NULL once it is done */
	unsigned int tries;
	bool again;	/* it is tried anew once it is undone */
	struct err err;	/* once it has failed */
	json_t *console;
};

static void begin(struct create *c);

static void removed(void *arg, const struct err *err)
{
	struct create *c = arg;

	if (c->again && c->err.code != ERR_CANCELLED) {
		sandbox_unref(c->sb);
		json_decref(c->console);
		c->console = NULL;
		c->err = (struct err)ERR_INIT;
		begin(c);
		return;
	}
	c->rq->cancel = NULL;
	request_fail(c->rq, &c->err, c->console);
	sandbox_unref(c->sb);
	free(c);
}

/* Undo, then answer. @console is taken over. */
static void fail(struct create *c, const struct err *err, json_t *console)
{
	c->err = *err;
	c->console = console;
	if (!c->again)
		c->rq->cancel = NULL;
	life_remove(c->sb, false, removed, c);
}

static void cancel(struct request *rq)
{
	struct create *c = rq->state;
	struct err err = ERR_INIT;

	rq->cancel = NULL;
	err_set(&err, ERR_CANCELLED, "the client went away");
	if (!c->creation) {
		/* the log is being written: it is undone afterwards; or it is
		 * being undone, and is not tried again */
		c->err = err;
		return;
	}
	creation_cancel(c->creation);
	fail(c, &err, NULL);
}

/* It is saved, and the log tells of it. */
static void logged(void *arg, const struct err *err)
{
	struct create *c = arg;
	struct sandbox *sb = c->sb;
	struct err e = ERR_INIT;

	if (c->err.code)
		e = c->err;
	else if (err)
		e = *err;
	else if (sb->state != SB_RUNNING && sb->state != SB_PAUSED)
		/* it was ready, and ended meanwhile */
		err_set(&e, ERR_GUEST, "sandbox %s: ended at once: %s",
			sb->name, sb->reason);
	if (e.code) {
		fail(c, &e, NULL);
		return;
	}
	life_wake(sb, NULL, NULL);
	idle_watch(sb->runner);
	c->rq->cancel = NULL;
	request_done(c->rq, sandbox_to_json(sb));
	sandbox_unref(sb);
	free(c);
}

static void created(void *arg, const struct err *err, json_t *console)
{
	struct create *c = arg;
	json_t *event;

	c->creation = NULL;
	if (err) {
		c->again = err->code == ERR_UNAVAILABLE && c->tries < TRIES;
		fail(c, err, console);
		return;
	}
	json_decref(console);
	c->sb->logged = true;
	event = event_new("create", c->sb);
	if (c->sb->origin.parent[0])
		json_object_update_new(event, json_pack(
			"{s:s, s:s}", "snapshot", c->sb->origin.parent,
			"snapshot_name", c->sb->origin.parent_name));
	events_put(c->sb->runner, json_pack("[o]", event), logged, c);
}

static void progress(void *arg, const char *step, const char *text)
{
	struct create *c = arg;

	request_progress(c->rq, step, text, -1);
}

static const struct creation_ops creation_ops = {
	.progress = progress,
	.done = created,
};

/* The name that was asked for, or one that is free. */
static int choose_name(struct runner *r, const char *asked, char *name,
		       size_t size, struct err *err)
{
	struct sandbox *other;

	for (unsigned int i = 0; !asked && i < NAME_TRIES; i++) {
		names_random(name, size, i);
		if (!sandbox_by_name(r, name))
			return 0;
	}
	if (!asked)
		return err_set(err, ERR_LIMIT, "no free name found");
	if (!path_name_valid(asked)) {
		err_set(err, ERR_USAGE, "name \"%.80s\": not a valid name",
			asked);
		return err_hint(err, "up to %d of a-z 0-9 _ . -, the first a "
				"letter or digit", PODFLARE_NAME_MAX);
	}
	other = sandbox_by_name(r, asked);
	if (other)
		return err_set(err, ERR_EXISTS,
			       "sandbox %s: exists already (%s)", asked,
			       sandbox_state_name(other->state));
	snprintf(name, size, "%s", asked);
	return 0;
}

/* @return a new reference: the parameter's copy, or an empty object. */
static json_t *get_texts(const json_t *params, const char *name,
			 struct err *err)
{
	json_t *v = param_get(params, name), *text;
	size_t total = 0;
	const char *key;

	json_object_foreach(v, key, text)
		total += strlen(key) + json_string_length(text);
	if (total > TEXTS_MAX) {
		err_set(err, ERR_LIMIT, "%s: over %d bytes", name, TEXTS_MAX);
		return NULL;
	}
	return v ? json_deep_copy(v) : json_object();
}

/* What a snapshot has is what its copy has; only variables and labels may be
 * added. */
static int set_from(struct sandbox *sb, const json_t *params,
		    const struct sandbox *snapshot, struct err *err)
{
	static const char *const fixed[] = { "image", "cpus", "memory",
					     "disk" };

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (param_get(params, fixed[i]))
			return err_set(err, ERR_USAGE, "%s: is that of the "
				       "snapshot", fixed[i]);
	if (param_get(params, "net")) {
		if (netproc_set_policy(sb, param_str(params, "net", NULL),
				       err) < 0)
			return -1;
		if (sb->card && !snapshot->card)
			return err_set(err, ERR_USAGE, "net: the snapshot is "
				       "of a sandbox without a network");
		sb->card = snapshot->card;
	} else {
		netproc_copy_policy(sb, snapshot);
	}
	machine_stamp(sb);
	snprintf(sb->image, sizeof(sb->image), "%s", snapshot->image);
	snprintf(sb->digest, sizeof(sb->digest), "%s", snapshot->digest);
	snprintf(sb->kernel, sizeof(sb->kernel), "%s", snapshot->kernel);
	memcpy(sb->head, snapshot->id, sizeof(sb->head));
	sb->cpus = snapshot->cpus;
	sb->memory = snapshot->memory;
	sb->disk = snapshot->disk;
	sb->idle_ms = snapshot->idle_ms;
	sb->idle_rm = snapshot->idle_rm;
	snprintf(sb->origin.how, sizeof(sb->origin.how), "snapshot");
	snprintf(sb->origin.parent, sizeof(sb->origin.parent), "%s",
		 snapshot->id);
	snprintf(sb->origin.parent_name, sizeof(sb->origin.parent_name), "%s",
		 snapshot->name);
	snprintf(sb->origin.time, sizeof(sb->origin.time), "%s",
		 snapshot->created);
	return 0;
}

static json_t *merge_texts(json_t *own, const json_t *under)
{
	json_t *all = under ? json_deep_copy(under) : json_object();

	json_object_update(all, own);
	json_decref(own);
	return all;
}

static int set_idle(struct sandbox *sb, const json_t *params, struct err *err)
{
	const char *what = param_str(params, "on_idle", NULL);

	if (param_range(params, "idle_timeout_ms", IDLE_MIN_MS, IDLE_MAX_MS,
			&sb->idle_ms, err) < 0)
		return -1;
	if (!what)
		return 0;
	if (!sb->idle_ms)
		return err_set(err, ERR_USAGE, "on_idle: without an idle "
			       "timeout");
	sb->idle_rm = strcmp(what, "rm") == 0;
	if (sb->idle_rm || strcmp(what, "freeze") == 0)
		return 0;
	return err_set(err, ERR_USAGE, "on_idle: \"%.32s\" is neither freeze "
		       "nor rm", what);
}

static int fill(struct sandbox *sb, const json_t *params,
		const struct sandbox *snapshot, struct err *err)
{
	if (snapshot ? set_from(sb, params, snapshot, err) < 0
		     : machine_fill(sb, params, err) < 0)
		return -1;
	sb->env = get_texts(params, "env", err);
	sb->labels = sb->env ? get_texts(params, "labels", err) : NULL;
	if (!sb->labels || agent_check_env(sb->env, err) < 0 ||
	    set_idle(sb, params, err) < 0)
		return -1;
	if (snapshot) {
		sb->env = merge_texts(sb->env, snapshot->env);
		sb->labels = merge_texts(sb->labels, snapshot->labels);
	}
	return 0;
}

/* Registered and filled. Return: NULL with @err. */
static struct sandbox *make(struct request *rq, struct sandbox **snapshot,
			    struct err *err)
{
	struct runner *r = rq->runner;
	char id[SANDBOX_ID_LEN + 1], name[PODFLARE_NAME_MAX + 1];
	const char *from = param_str(rq->params, "from", NULL);
	struct sandbox *sb;

	*snapshot = from ? sandbox_find_snapshot(r, from, err) : NULL;
	if (from && !*snapshot)
		return NULL;
	if (choose_name(r, param_str(rq->params, "name", NULL), name,
			sizeof(name), err) < 0)
		return NULL;
	names_id(id);
	sb = sandbox_new(r, SB_SANDBOX, id, name, SB_CREATING, err);
	if (!sb)
		return NULL;
	/* what the caller did wrong comes before what the host lacks */
	if (fill(sb, rq->params, *snapshot, err) == 0 &&
	    machine_check_host(r, err) == 0)
		return sb;
	sandbox_unregister(sb);
	return NULL;
}

static void begin(struct create *c)
{
	struct request *rq = c->rq;
	struct sandbox *sb, *snapshot = NULL;
	struct err err = ERR_INIT;

	rq->cancel = NULL;
	c->again = false;
	c->tries++;
	sb = make(rq, &snapshot, &err);
	if (!sb) {
		free(c);
		request_fail(rq, &err, NULL);
		return;
	}
	c->sb = sandbox_ref(sb);
	c->creation = creation_start(sb, snapshot, &creation_ops, c, &err);
	if (!c->creation)
		fail(c, &err, NULL);
	else
		rq->cancel = cancel;
}

void method_sandbox_create(struct request *rq)
{
	struct create *c = calloc(1, sizeof(*c));
	struct err err = ERR_INIT;

	if (!c) {
		err_set(&err, ERR_NO_MEMORY, "create");
		request_fail(rq, &err, NULL);
		return;
	}
	c->rq = rq;
	rq->state = c;
	begin(c);
}
