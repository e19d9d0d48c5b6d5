/* SPDX-License-Identifier: MIT */
/*
 * runner/req-image.c - image.list, show, rm
 *
 * podflared, loop thread.
 */
#include <stdio.h>

#include "runner/image-put.h"
#include "runner/image.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/pool.h"
#include "runner/sandbox.h"
#include "runner/template-json.h"
#include "runner/template.h"

static json_t *used_by(struct runner *r, const char *digest)
{
	json_t *list = json_array();
	struct sandbox *sb;

	TAILQ_FOREACH(sb, &r->sandboxes, link)
		if (sb->state != SB_REMOVING &&
		    strcmp(sb->digest, digest) == 0)
			json_array_append_new(list, json_string(sb->name));
	TAILQ_FOREACH(sb, &r->snapshots, link)
		if (sb->state != SB_REMOVING &&
		    strcmp(sb->digest, digest) == 0)
			json_array_append_new(list, json_sprintf("snapshot %s",
								 sb->name));
	return list;
}

static json_t *to_json(struct runner *r, const struct image *img)
{
	json_t *o = image_to_json(r, img);

	json_object_set_new(o, "used_by", used_by(r, img->digest));
	return o;
}

#define LIST_BUDGET (384 * 1024)	/* of 1 MiB, for whole elements */

struct listing {
	struct runner *runner;
	json_t *list;
	size_t used;
};

/* What is long is left to image.show once there are many, as all have to fit one
 * line. */
static void list_one(void *arg, const struct image *img)
{
	static const char *const longer[] = { "env", "names", "used_by" };
	struct listing *l = arg;
	json_t *o = to_json(l->runner, img);
	size_t size = json_dumpb(o, NULL, 0, JSON_COMPACT);

	if (l->used + size <= LIST_BUDGET)
		l->used += size;
	else
		for (size_t i = 0; i < ARRAY_SIZE(longer); i++)
			json_object_del(o, longer[i]);
	json_array_append_new(l->list, o);
}

void method_image_list(struct request *rq)
{
	struct listing l = { rq->runner, json_array(), 0 };

	image_each(rq->runner, list_one, &l);
	request_done(rq, json_pack("{s:o}", "images", l.list));
}

void method_image_show(struct request *rq)
{
	CLEANUP_IMAGE struct image img = { .nr_files = 0 };
	struct err err = ERR_INIT;
	json_t *o;

	if (image_find(rq->runner, param_str(rq->params, "image", ""), &img,
		       &err) < 0) {
		request_fail(rq, &err, NULL);
	} else {
		o = to_json(rq->runner, &img);
		json_object_set_new(o, "pool", json_pack(
			"{s:i, s:i}", "size",
			(int)pool_wanted(rq->runner, img.digest), "ready",
			(int)pool_ready(rq->runner, img.digest)));
		json_object_set_new(o, "templates",
				    template_list(rq->runner, img.digest));
		request_done(rq, o);
	}
}

struct image_rm {
	struct work_job job;
	struct request *rq;
	int images_fd;
	char gone[IMAGE_GONE_MAX];
	struct err err;
};

static void rm_run(struct work_job *j)
{
	struct image_rm *rm = container_of(j, struct image_rm, job);

	image_destroy(rm->images_fd, rm->gone, &rm->err);
}

static void rm_done(struct work_job *j)
{
	struct image_rm *rm = container_of(j, struct image_rm, job);

	if (rm->err.code)
		request_fail(rm->rq, &rm->err, NULL);
	else
		request_done(rm->rq, NULL);
	free(rm);
}

/* Refuse while sandboxes use it. Return: 0, or -1 with @err. */
static int check_unused(struct runner *r, const char *ref, const char *digest,
			struct err *err)
{
	json_t *list = used_by(r, digest);
	size_t n = json_array_size(list);
	const char *first;
	int rc = 0;

	if (n) {
		first = json_string_value(json_array_get(list, 0));
		rc = err_set(err, ERR_BUSY, "image %.80s: used by %s%s%s", ref,
			     strchr(first, ' ') ? "" : "sandbox ", first,
			     n > 1 ? " and others" : "");
		err_hint(err, "remove them first; with --force the image goes, "
			 "and what is stopped, frozen or a snapshot cannot "
			 "start any more");
	}
	json_decref(list);
	return rc;
}

/* Drop the name, or all of them. Return: 1 when the folder is to go, 0 when
 * other names keep it, -1 with @err. */
static int drop(struct runner *r, const char *ref, bool force,
		const struct image *img, char *gone, struct err *err)
{
	char digest[IMAGE_DIGEST_LEN + 1];
	bool named = path_name_valid(ref) &&
		     image_read_name(r, ref, digest) == 0;

	if (named && image_count_names(r, img->digest) > 1) {
		image_drop_names(r, img->digest, ref);
		return 0;
	}
	if (!force && check_unused(r, ref, img->digest, err) < 0)
		return -1;
	image_drop_names(r, img->digest, NULL);
	template_drop_image(r, img->digest);
	pool_drop_image(r, img->digest);
	return image_retire(r->places.images_fd, img->digest, gone, err) < 0
		? -1 : 1;
}

void method_image_rm(struct request *rq)
{
	CLEANUP_IMAGE struct image img = { .nr_files = 0 };
	const char *ref = param_str(rq->params, "image", "");
	struct image_rm *rm = NULL;
	struct err err = ERR_INIT;
	int rc = image_find(rq->runner, ref, &img, &err);

	if (rc == 0) {
		rm = calloc(1, sizeof(*rm));
		rc = rm ? drop(rq->runner, ref, param_bool(rq->params, "force"),
			       &img, rm->gone, &err)
			: err_set(&err, ERR_NO_MEMORY, "image");
	}
	if (rc <= 0) {
		free(rm);
		if (rc < 0)
			request_fail(rq, &err, NULL);
		else
			request_done(rq, NULL);
		return;
	}
	rm->rq = rq;
	rm->images_fd = rq->runner->places.images_fd;
	rm->job.run = rm_run;
	rm->job.done = rm_done;
	work_submit(&rq->runner->work, WORK_BULK, &rm->job);
}
