/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/create.c - how long it takes until there is a sandbox
 *
 * Runs in podflare-bench, one thread.  That a template comes from its files is
 * brought about by killing its process, as if memory had been short: a copy's
 * parent process is the template.
 */
#include "tests/bench/create.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/loop.h"
#include "common/path.h"

#define LOOK_MS 50
#define LOOKS 1200	/* a minute: then something is wrong */

static const char *const true_cmd[] = { "/bin/true", NULL };

struct creates {
	struct globals *g;
	const char *name;
	uint64_t memory;
	char digest[80];	/* of the image */
	pid_t pid;
	uint64_t ready_ns, exec_ns;	/* of the last one */
};

static int remove_it(struct creates *c, struct err *err)
{
	json_t *r = client_once(c->g, "sandbox.rm", json_pack(
		"{s:s, s:b}", "sandbox", c->name, "force", 1), err);

	json_decref(r);
	return r ? 0 : -1;
}

/* And the first command in it. Return: a new reference, its origin. */
static json_t *create(struct creates *c, struct err *err)
{
	CLEANUP_JSON json_t *sb = NULL;
	uint64_t start = now_ns();

	sb = client_once(c->g, "sandbox.create", json_pack(
		"{s:s, s:I}", "name", c->name, "memory",
		(json_int_t)c->memory), err);
	if (!sb)
		return NULL;
	c->ready_ns = now_ns() - start;
	if (work_exec(c->g, c->name, true_cmd, NULL, err) < 0)
		return NULL;
	c->exec_ns = now_ns() - start;
	c->pid = (pid_t)json_integer_value(json_object_get(sb, "pid"));
	snprintf(c->digest, sizeof(c->digest), "%s", json_string_value(
		json_object_get(sb, "image_digest")));
	return json_incref(json_object_get(sb, "origin"));
}

static json_t *one(struct creates *c, struct err *err)
{
	json_t *origin = create(c, err);

	if (!origin)
		return NULL;
	return json_pack("{s:O, s:o, s:o, s:O}", "how",
			 json_object_get(origin, "how"),
			 "ready_ms", work_spread(&c->ready_ns, 1),
			 "ready_and_exec_ms", work_spread(&c->exec_ns, 1),
			 "steps", json_object_get(origin, "steps"));
}

static json_t *some(struct creates *c, int n, struct err *err)
{
	CLEANUP_JSON json_t *origin = NULL;
	uint64_t ready[CREATES_MAX], exec[CREATES_MAX];

	for (int i = 0; i < n; i++) {
		if (remove_it(c, err) < 0)
			return NULL;
		json_decref(origin);
		origin = create(c, err);
		if (!origin)
			return NULL;
		ready[i] = c->ready_ns;
		exec[i] = c->exec_ns;
	}
	return json_pack("{s:O, s:o, s:o, s:O}", "how",
			 json_object_get(origin, "how"),
			 "ready_ms", work_spread(ready, (size_t)n),
			 "ready_and_exec_ms", work_spread(exec, (size_t)n),
			 "steps", json_object_get(origin, "steps"));
}

static pid_t parent_of(pid_t pid, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	const char *at;
	char path[64];
	int parent = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (path_read_file(-1, path, 4096, &text, err) == 0 &&
	    (at = strrchr(buf_str(&text), ')')))
		sscanf(at, ") %*c %d", &parent);
	return parent;
}

/* Until the template of that size has, or has not, what @key says. */
static int await_template(struct creates *c, const char *key, bool has,
			  struct err *err)
{
	const struct timespec tick = { .tv_nsec = LOOK_MS * 1000000L };

	for (int i = 0; i < LOOKS; i++) {
		CLEANUP_JSON json_t *image = client_once(
			c->g, "image.show",
			json_pack("{s:s}", "image", c->digest), err);
		const json_t *t;
		size_t at;

		if (!image)
			return -1;
		json_array_foreach(json_object_get(image, "templates"), at, t)
			if ((uint64_t)json_integer_value(json_object_get(
				t, "memory")) == c->memory &&
			    json_is_true(json_object_get(t, key)) == has)
				return 0;
		nanosleep(&tick, NULL);
	}
	return err_set(err, ERR_TIMEOUT, "the template's %s", key);
}

/* Return: the one made of it, json_null() where there are no templates. */
static json_t *from_file(struct creates *c, struct err *err)
{
	CLEANUP_JSON json_t *origin = NULL;
	pid_t parent;

	if (remove_it(c, err) < 0)
		return NULL;
	origin = create(c, err);
	if (!origin)
		return NULL;
	if (strcmp(json_string_value(json_object_get(origin, "how")),
		   "zygote") != 0)
		return json_null();
	parent = parent_of(c->pid, err);
	if (parent <= 1 || remove_it(c, err) < 0 ||
	    await_template(c, "on_disk", true, err) < 0)
		return NULL;
	kill(parent, SIGKILL);
	if (await_template(c, "in_memory", false, err) < 0)
		return NULL;
	return one(c, err);
}

/* Until one stands ready. */
static int await_ready(struct creates *c, struct err *err)
{
	const struct timespec tick = { .tv_nsec = LOOK_MS * 1000000L };

	for (int i = 0; i < LOOKS; i++) {
		CLEANUP_JSON json_t *image = client_once(
			c->g, "image.show",
			json_pack("{s:s}", "image", c->digest), err);

		if (!image)
			return -1;
		if (json_integer_value(json_object_get(json_object_get(
			    image, "pool"), "ready")) > 0)
			return 0;
		nanosleep(&tick, NULL);
	}
	return err_set(err, ERR_TIMEOUT, "the pool");
}

/* The sandbox is there already, and is made anew each time. */
static json_t *from_pool(struct creates *c, int n, struct err *err)
{
	CLEANUP_JSON json_t *last = NULL;
	uint64_t ready[CREATES_MAX], exec[CREATES_MAX];

	for (int i = 0; i < n; i++) {
		if (remove_it(c, err) < 0 || await_ready(c, err) < 0)
			return NULL;
		json_decref(last);
		last = create(c, err);
		if (!last)
			return NULL;
		ready[i] = c->ready_ns;
		exec[i] = c->exec_ns;
	}
	return json_pack("{s:O, s:o, s:o, s:O}", "how",
			 json_object_get(last, "how"),
			 "ready_ms", work_spread(ready, (size_t)n),
			 "ready_and_exec_ms", work_spread(exec, (size_t)n),
			 "steps", json_object_get(last, "steps"));
}

int create_measure_pool(struct globals *g, const char *name, uint64_t memory,
			int n, json_t *report, struct err *err)
{
	CLEANUP_FREE char *dir = path_place(PATH_CONFIG, NULL, true, err);
	CLEANUP_FREE char *path = path_place(PATH_CONFIG, "config.yaml", false,
					     err);
	struct creates c = { .g = g, .name = name, .memory = memory };
	CLEANUP_JSON json_t *origin = NULL;
	json_t *figures = json_null();
	FILE *f;

	if (!dir || !path || remove_it(&c, err) < 0 ||
	    !(origin = create(&c, err)))
		return -1;
	/* a pool has sandboxes of this size alone; somebody's own file stays */
	f = memory == 512 * MIB ? fopen(path, "wxe") : NULL;
	if (f) {
		fputs("pool: {default: 1}\n", f);
		fclose(f);
		figures = from_pool(&c, n, err);
		unlink(path);
	}
	return json_object_set_new(json_object_get(report, "create"), "pool",
				   figures);
}

int create_measure(struct globals *g, const char *name, uint64_t memory, int n,
		   json_t *report, struct err *err)
{
	struct creates c = { .g = g, .name = name, .memory = memory };
	json_t *figures = json_object();

	json_object_set_new(report, "create", figures);
	if (json_object_set_new(figures, "first", one(&c, err)) < 0)
		return -1;
	return json_object_set_new(figures, "further", some(&c, n, err));
}

int create_measure_file(struct globals *g, const char *name, uint64_t memory,
			json_t *report, struct err *err)
{
	struct creates c = { .g = g, .name = name, .memory = memory };

	return json_object_set_new(json_object_get(report, "create"),
				   "from_file", from_file(&c, err));
}
