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
#include <time.h>
#include <unistd.h>

#include "runner/agent-json.h"
#include "runner/creation.h"
#include "runner/events.h"
#include "runner/kvm.h"
#include "runner/life.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/places.h"
#include "runner/sandbox-json.h"

#define CPUS_DEFAULT 1
#define MEMORY_DEFAULT (512 * MIB)
#define DISK_DEFAULT (8 * GIB)
#define SPACE_MIN (64 * MIB)	/* free on the data disk to create at all */
#define NAME_TRIES 100
#define TEXTS_MAX (64 * 1024)	/* bytes of env, of labels */

struct create {
	struct request *rq;
	struct sandbox *sb;
	struct creation *creation;	/* NULL once it is done */
	struct err err;	/* once it has failed */
	json_t *console;
};

static void removed(void *arg, const struct err *err)
{
	struct create *c = arg;

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
		/* the log is being written: it is undone afterwards */
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

static int set_sizes(struct sandbox *sb, const json_t *params, struct err *err)
{
	uint64_t cpus = CPUS_DEFAULT;

	sb->memory = MEMORY_DEFAULT;
	sb->disk = DISK_DEFAULT;
	if (param_range(params, "cpus", 1, VM_CPUS_MAX, &cpus, err) < 0 ||
	    param_range(params, "memory", VM_RAM_MIN, VM_RAM_MAX, &sb->memory,
			err) < 0 ||
	    param_range(params, "disk", DISK_SIZE_MIN, DISK_SIZE_MAX,
			&sb->disk, err) < 0)
		return -1;
	sb->cpus = (unsigned int)cpus;
	sb->memory = ALIGN_UP(sb->memory, VM_RAM_UNIT);
	sb->disk = ALIGN_UP(sb->disk, MIB);
	return 0;
}

static int set_image(struct sandbox *sb, const char *ref, struct err *err)
{
	CLEANUP_IMAGE struct image img = { .nr_files = 0 };

	if (image_find(sb->runner, ref, &img, err) < 0)
		return -1;
	snprintf(sb->image, sizeof(sb->image), "%s", ref);
	snprintf(sb->digest, sizeof(sb->digest), "%s", img.digest);
	snprintf(sb->kernel, sizeof(sb->kernel), "%s", img.kernel);
	return 0;
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
	snprintf(sb->image, sizeof(sb->image), "%s", snapshot->image);
	snprintf(sb->digest, sizeof(sb->digest), "%s", snapshot->digest);
	snprintf(sb->kernel, sizeof(sb->kernel), "%s", snapshot->kernel);
	memcpy(sb->head, snapshot->head, sizeof(sb->head));
	sb->cpus = snapshot->cpus;
	sb->memory = snapshot->memory;
	sb->disk = snapshot->disk;
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

static int fill(struct sandbox *sb, const json_t *params,
		const struct sandbox *snapshot, struct err *err)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(sb->created, sizeof(sb->created), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (snapshot ? set_from(sb, params, snapshot, err) < 0
		     : set_sizes(sb, params, err) < 0 ||
		       set_image(sb, param_str(params, "image", "default"),
				 err) < 0)
		return -1;
	sb->env = get_texts(params, "env", err);
	sb->labels = sb->env ? get_texts(params, "labels", err) : NULL;
	if (!sb->labels || agent_check_env(sb->env, err) < 0)
		return -1;
	if (snapshot) {
		sb->env = merge_texts(sb->env, snapshot->env);
		sb->labels = merge_texts(sb->labels, snapshot->labels);
	}
	return 0;
}

static int check_host(struct runner *r, struct err *err)
{
	int kvm;

	if (r->ending)
		return err_set(err, ERR_STATE, "the runner is ending");
	if (places_check_space(&r->places, SPACE_MIN, err) < 0)
		return -1;
	kvm = kvm_open(err);
	if (kvm < 0)
		return -1;
	close(kvm);
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
	if (fill(sb, rq->params, *snapshot, err) == 0 && check_host(r, err) == 0)
		return sb;
	sandbox_unregister(sb);
	return NULL;
}

void method_sandbox_create(struct request *rq)
{
	struct create *c = calloc(1, sizeof(*c));
	struct sandbox *sb, *snapshot = NULL;
	struct err err = ERR_INIT;

	if (!c) {
		err_set(&err, ERR_NO_MEMORY, "create");
		request_fail(rq, &err, NULL);
		return;
	}
	sb = make(rq, &snapshot, &err);
	if (!sb) {
		free(c);
		request_fail(rq, &err, NULL);
		return;
	}
	c->rq = rq;
	c->sb = sandbox_ref(sb);
	rq->state = c;
	c->creation = creation_start(sb, snapshot, &creation_ops, c, &err);
	if (!c->creation)
		fail(c, &err, NULL);
	else
		rq->cancel = cancel;
}
