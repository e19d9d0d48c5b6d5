/* SPDX-License-Identifier: MIT */
/*
 * runner/req-check.c - runner.check
 *
 * podflared, loop thread; the files are read by a work thread, from a list that
 * is made here.  Nobody waits for it but the client.
 */
#include <fcntl.h>
#include <stdio.h>

#include "common/cleanup.h"
#include "runner/check.h"
#include "runner/image.h"
#include "runner/methods.h"
#include "runner/places.h"
#include "runner/request.h"
#include "runner/sandbox.h"

struct job {
	struct work_job job;
	struct request *rq;
	struct check check;
	int rc;
};

static struct check_target *target_new(struct check *c)
{
	struct check_target *t =
		realloc(c->targets, (c->n + 1) * sizeof(*t));

	if (!t)
		return NULL;
	c->targets = t;
	t = &c->targets[c->n++];
	*t = (struct check_target){ .dirfd = -1 };
	return t;
}

static const char *home_name(enum sandbox_kind kind)
{
	switch (kind) {
	case SB_SANDBOX:
	case SB_POOL:
		return "sandboxes";
	case SB_POINT:
	case SB_VIEW:
		return "points";
	case SB_TEMPLATE:
		return "templates";
	case SB_SNAPSHOT:
		return "snapshots";
	}
	BUG("kind of sandbox");
}

/* What is being made or removed is looked at when it is there. */
static bool is_settled(const struct sandbox *sb)
{
	return sb->dirfd >= 0 && sb->state != SB_CREATING &&
	       sb->state != SB_REMOVING && !sb->merging &&
	       !(sb->kind == SB_SNAPSHOT && sb->saving);
}

static void add_sandboxes(struct check *c, const struct sandbox_list *list)
{
	const struct sandbox *sb;
	struct check_target *t;

	TAILQ_FOREACH(sb, list, link) {
		if (!is_settled(sb) || !(t = target_new(c)))
			continue;
		t->kind = sb->kind;
		t->dirfd = fcntl(sb->dirfd, F_DUPFD_CLOEXEC, 3);
		t->saved = sb->state == SB_FROZEN || sb->filed;
		snprintf(t->path, sizeof(t->path), "%s/%s",
			 home_name(sb->kind), sb->id);
		snprintf(t->name, sizeof(t->name), "%s", sb->name);
		snprintf(t->id, sizeof(t->id), "%s", sb->id);
		if (t->dirfd < 0)
			c->n--;
	}
}

static void add_image(struct runner *r, struct check *c, const char *digest)
{
	struct check_target *t = target_new(c);

	if (!t)
		return;
	t->image = true;
	t->dirfd = openat(r->places.images_fd, digest,
			  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	snprintf(t->path, sizeof(t->path), "images/%.80s", digest);
	if (image_first_name(r, digest, t->reference,
			     sizeof(t->reference)) < 0)
		snprintf(t->reference, sizeof(t->reference), "%.19s", digest);
}

static void add_images(struct runner *r, struct check *c)
{
	CLEANUP_DIR DIR *d = places_opendir(r->places.images_fd, ".");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (image_digest_valid(e->d_name))
			add_image(r, c, e->d_name);
}

/* Work thread. */
static void run(struct work_job *wj)
{
	struct job *j = container_of(wj, struct job, job);

	j->rc = check_run(&j->check);
}

static void done(struct work_job *wj)
{
	struct job *j = container_of(wj, struct job, job);
	struct check *c = &j->check;
	struct err err = ERR_INIT;

	j->rq->cancel = NULL;
	if (j->rc == 0) {
		request_done(j->rq, json_pack(
			"{s:O, s:i, s:i, s:i, s:i, s:i, s:I}", "damage",
			c->damage, "folders", (int)c->folders, "layers",
			(int)c->layers, "layers_open", (int)c->open,
			"memories", (int)c->memories, "images",
			(int)c->images, "bytes", (json_int_t)c->bytes));
	} else {
		err_set(&err, ERR_CANCELLED, "the check was given up");
		request_fail(j->rq, &err, NULL);
	}
	check_free(c);
	free(j);
}

static void cancel(struct request *rq)
{
	struct job *j = rq->state;

	atomic_store(&j->check.stop, true);
}

void method_runner_check(struct request *rq)
{
	struct runner *r = rq->runner;
	struct job *j = calloc(1, sizeof(*j));
	struct err err = ERR_INIT;

	if (!j) {
		err_set(&err, ERR_NO_MEMORY, "%s", rq->method);
		request_fail(rq, &err, NULL);
		return;
	}
	j->rq = rq;
	add_sandboxes(&j->check, &r->sandboxes);
	add_sandboxes(&j->check, &r->hidden);
	add_sandboxes(&j->check, &r->snapshots);
	add_images(r, &j->check);
	j->job.run = run;
	j->job.done = done;
	rq->state = j;
	rq->cancel = cancel;
	request_progress(rq, "check", "reading the store", -1);
	work_submit(&r->work, WORK_FLAT, &j->job);
}
