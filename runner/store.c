/* SPDX-License-Identifier: MIT */
/*
 * runner/store.c - what is kept of a sandbox on disk: meta.json
 *
 * podflared; the jobs' run functions on work threads.  The files are our own;
 * what does not parse all the same is reported, never removed.
 */
#include "runner/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "runner/sandbox-json.h"
#include "runner/saved.h"

#define DESTROY_TRIES 10
#define META "meta.json"
#define META_MAX (1024 * 1024)
#define FORMAT 1
#define GONE_PREFIX ".rm-"
#define POOL "pool"	/* the state of one that is nobody's yet */

struct store_job {
	struct work_job job;
	struct sandbox *sb;
	char *text;	/* meta.json */
	store_cb cb;
	void *arg;
	struct err err;
};

int store_make(struct sandbox *sb, struct err *err)
{
	int home = sandbox_home(sb);

	if (mkdirat(home, sb->id, 0700) < 0)
		return err_sys(err, errno, "folder %s", sb->id);
	sb->dirfd = openat(home, sb->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sb->dirfd >= 0)
		return 0;
	err_sys(err, errno, "folder %s", sb->id);
	unlinkat(home, sb->id, AT_REMOVEDIR);
	return -1;
}

char *store_text(const struct sandbox *sb)
{
	json_t *o = json_pack(
		"{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, "
		"s:I, s:O, s:O, s:o, s:s, s:i, s:I, s:b, s:b}",
		"format", FORMAT, "id", sb->id, "name", sb->name, "image",
		sb->image, "digest", sb->digest, "created", sb->created,
		"state", sb->kind == SB_POOL ? POOL :
		sandbox_state_name(sb->state), "reason", sb->reason,
		"kernel", sb->kernel, "disk_base", sb->disk_base, "cpus",
		(int)sb->cpus, "memory", (json_int_t)sb->memory, "disk",
		(json_int_t)sb->disk, "env", sb->env, "labels", sb->labels,
		"origin", sandbox_origin_json(sb), "head", sb->head,
		"top", (int)sb->top, "idle_ms",
		(json_int_t)sb->idle_ms, "idle_rm", sb->idle_rm, "disk_only",
		sb->disk_only);
	char *text;

	if (o && sb->card)
		json_object_set_new(o, "card", json_true());
	if (o && sb->net)
		json_object_set(o, "net", sb->net);
	text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;

	json_decref(o);
	return text;
}

int store_write(int dirfd, const char *text, struct err *err)
{
	return path_write_file(dirfd, META, text, strlen(text), 0600, err);
}

static void mark_name(char *out, size_t size, const char *id)
{
	snprintf(out, size, "%s.new", id);
}

int store_mark(struct runner *r, const char *id, struct err *err)
{
	char name[SANDBOX_ID_LEN + 8];

	/* a link's text is all that is needed, and comes with its name */
	mark_name(name, sizeof(name), id);
	return symlinkat(r->boot_id, r->places.vm_fd, name) < 0
		? err_sys(err, errno, "%s", name) : 0;
}

void store_unmark(struct runner *r, const char *id)
{
	char name[SANDBOX_ID_LEN + 8];

	mark_name(name, sizeof(name), id);
	if (unlinkat(r->places.vm_fd, name, 0) < 0 && errno != ENOENT)
		log_error("sandbox %s: %s: %s", id, name, strerror(errno));
}

bool store_is_marked(struct runner *r, const char *id)
{
	char name[SANDBOX_ID_LEN + 8], text[64];
	ssize_t n;

	mark_name(name, sizeof(name), id);
	n = readlinkat(r->places.vm_fd, name, text, sizeof(text));
	return n >= 0 && (size_t)n == strlen(r->boot_id) &&
	       memcmp(text, r->boot_id, (size_t)n) == 0;
}

static void job_done(struct work_job *j)
{
	struct store_job *s = container_of(j, struct store_job, job);

	if (s->err.code && !s->cb)
		log_error("sandbox %s: %s", s->sb->id, s->err.msg);
	if (s->cb)
		s->cb(s->arg, s->err.code ? &s->err : NULL);
	sandbox_unref(s->sb);
	free(s->text);
	free(s);
}

static void save_run(struct work_job *j)
{
	struct store_job *s = container_of(j, struct store_job, job);

	store_write(s->sb->dirfd, s->text, &s->err);
}

static struct store_job *job_new(struct sandbox *sb, store_cb cb, void *arg)
{
	struct store_job *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->sb = sandbox_ref(sb);
	s->cb = cb;
	s->arg = arg;
	s->job.done = job_done;
	return s;
}

void store_save(struct sandbox *sb, store_cb cb, void *arg)
{
	struct store_job *s;

	if (sb->merging || !sandbox_is_stored(sb)) {
		/* a merge saves it in the end; a view is nobody's */
		if (cb)
			cb(arg, NULL);
		return;
	}
	s = job_new(sb, cb, arg);
	if (s)
		s->text = store_text(sb);
	if (!s || !s->text) {
		struct err err = ERR_INIT;

		err_set(&err, ERR_NO_MEMORY, "sandbox %s: %s", sb->id, META);
		log_error("%s", err.msg);
		if (s) {
			sandbox_unref(sb);
			free(s);
		}
		if (cb)
			cb(arg, &err);
		return;
	}
	s->job.run = save_run;
	work_submit(&sb->runner->work, WORK_META, &s->job);
}

static void awake_run(struct work_job *j)
{
	struct store_job *s = container_of(j, struct store_job, job);
	struct err err = ERR_INIT;

	if (store_write(s->sb->dirfd, s->text, &s->err) < 0)
		return;
	/* the VMM has them open; what stays is found at the next start */
	if (saved_drop(s->sb->dirfd, &err) < 0)
		log_warn("sandbox %s: %s", s->sb->id, err.msg);
}

static void save_and_drop(struct sandbox *sb, enum sandbox_state state,
			  store_cb cb, void *arg)
{
	struct store_job *s = job_new(sb, cb, arg);
	struct sandbox as = *sb;
	struct err err = ERR_INIT;

	as.state = state;
	if (s)
		s->text = store_text(&as);
	if (s && s->text) {
		s->job.run = awake_run;
		work_submit(&sb->runner->work, WORK_META, &s->job);
		return;
	}
	if (s)
		sandbox_unref(sb);
	free(s);
	err_set(&err, ERR_NO_MEMORY, "sandbox %s: %s", sb->id, META);
	if (cb)
		cb(arg, &err);
}

void store_awake(struct sandbox *sb, store_cb cb, void *arg)
{
	save_and_drop(sb, SB_RUNNING, cb, arg);
}

void store_forget(struct sandbox *sb)
{
	save_and_drop(sb, sb->state, NULL, NULL);
}

void store_retired_name(const char *id, char *out, size_t size)
{
	snprintf(out, size, GONE_PREFIX "%s", id);
}

static void retire_run(struct work_job *j)
{
	struct store_job *s = container_of(j, struct store_job, job);
	int dirfd = sandbox_home(s->sb);
	char gone[SANDBOX_ID_LEN + 8];

	store_retired_name(s->sb->id, gone, sizeof(gone));
	if (s->sb->dirfd < 0 || s->sb->retired)
		return;		/* it has no folder, or it was done before */
	if (renameat(dirfd, s->sb->id, dirfd, gone) < 0 || fsync(dirfd) < 0)
		err_sys(&s->err, errno, "folder %s", s->sb->id);
}

static void destroy_run(struct work_job *j)
{
	struct store_job *s = container_of(j, struct store_job, job);
	char gone[SANDBOX_ID_LEN + 8];

	store_retired_name(s->sb->id, gone, sizeof(gone));
	/* a fork that is being prepared may just have made a file there */
	for (int i = 0; i < DESTROY_TRIES; i++) {
		s->err = (struct err)ERR_INIT;
		if (path_remove_tree(sandbox_home(s->sb), gone, &s->err) == 0 ||
		    s->err.sys != ENOTEMPTY)
			break;
	}
}

static void submit(struct sandbox *sb, enum work_lane lane,
		   void (*run)(struct work_job *j), store_cb cb, void *arg)
{
	struct store_job *s = job_new(sb, cb, arg);
	struct err err = ERR_INIT;

	if (!s) {
		err_set(&err, ERR_NO_MEMORY, "sandbox %s", sb->id);
		cb(arg, &err);
		return;
	}
	s->job.run = run;
	work_submit(&sb->runner->work, lane, &s->job);
}

void store_retire(struct sandbox *sb, store_cb cb, void *arg)
{
	/* in the lane of the saves: none comes after it */
	submit(sb, WORK_META, retire_run, cb, arg);
}

void store_destroy(struct sandbox *sb, store_cb cb, void *arg)
{
	submit(sb, WORK_BULK, destroy_run, cb, arg);
}

const char *store_retired_id(const char *name)
{
	size_t n = strlen(GONE_PREFIX);

	return strncmp(name, GONE_PREFIX, n) == 0 ? name + n : NULL;
}

static int get_text(const json_t *o, const char *key, char *out, size_t size)
{
	const char *s = json_string_value(json_object_get(o, key));

	if (!s || strlen(s) >= size)
		return -1;
	memcpy(out, s, strlen(s) + 1);
	return 0;
}

static json_t *get_value(const json_t *o, const char *key, json_type type)
{
	json_t *v = json_object_get(o, key);

	return v && json_typeof(v) == type ? json_incref(v) : NULL;
}

/* Files of earlier versions have the steps outside, and no more than them. */
static void fill_origin(struct sandbox *sb, const json_t *o)
{
	const json_t *from = json_object_get(o, "origin");
	struct sandbox_origin *to = &sb->origin;
	json_t *steps = get_value(from ? from : o, "steps", JSON_ARRAY);

	if (steps) {
		json_decref(sb->steps);
		sb->steps = steps;
	}
	if (get_text(o, "head", sb->head, sizeof(sb->head)) < 0)
		sb->head[0] = '\0';
	if (get_text(from, "started", to->started, sizeof(to->started)) < 0)
		to->started[0] = '\0';
	if (get_text(from, "parent", to->parent, sizeof(to->parent)) < 0 ||
	    get_text(from, "parent_name", to->parent_name,
		     sizeof(to->parent_name)) < 0 ||
	    get_text(from, "time", to->time, sizeof(to->time)) < 0)
		to->parent[0] = '\0';
	to->forked = to->parent[0] && get_text(from, "point", to->point,
					       sizeof(to->point)) == 0;
	if (to->forked || get_text(from, "how", to->how, sizeof(to->how)) < 0)
		to->how[0] = '\0';
}

/* Return: 0, or -1 when a member is missing or wrong. */
static int fill(struct sandbox *sb, const json_t *o)
{
	char state[16];

	sb->env = get_value(o, "env", JSON_OBJECT);
	sb->labels = get_value(o, "labels", JSON_OBJECT);
	sb->card = json_is_true(json_object_get(o, "card"));
	sb->net = get_value(o, "net", JSON_STRING);
	sb->cpus = (unsigned int)json_integer_value(
		json_object_get(o, "cpus"));
	sb->memory = (uint64_t)json_integer_value(
		json_object_get(o, "memory"));
	sb->disk = (uint64_t)json_integer_value(json_object_get(o, "disk"));
	sb->top = (unsigned int)json_integer_value(json_object_get(o, "top"));
	sb->idle_ms = (uint64_t)json_integer_value(
		json_object_get(o, "idle_ms"));
	sb->idle_rm = json_is_true(json_object_get(o, "idle_rm"));
	sb->disk_only = json_is_true(json_object_get(o, "disk_only"));
	sb->active_ns = now_ns();
	fill_origin(sb, o);
	if (!sb->env || !sb->labels || !sb->cpus || !sb->memory || !sb->disk ||
	    get_text(o, "image", sb->image, sizeof(sb->image)) < 0 ||
	    get_text(o, "digest", sb->digest, sizeof(sb->digest)) < 0 ||
	    get_text(o, "created", sb->created, sizeof(sb->created)) < 0 ||
	    get_text(o, "reason", sb->reason, sizeof(sb->reason)) < 0 ||
	    get_text(o, "kernel", sb->kernel, sizeof(sb->kernel)) < 0 ||
	    get_text(o, "disk_base", sb->disk_base,
		     sizeof(sb->disk_base)) < 0 ||
	    get_text(o, "state", state, sizeof(state)) < 0)
		return -1;
	if (strcmp(state, "running") == 0 || strcmp(state, "paused") == 0 ||
	    sb->kind == SB_POOL)
		sb->state = SB_RUNNING;
	else if (strcmp(state, "held") == 0 && sandbox_is_held(sb))
		sb->state = SB_HELD;
	else if (strcmp(state, "frozen") == 0)
		sb->state = SB_FROZEN;
	else
		sb->state = strcmp(state, "stopped") == 0 ? SB_STOPPED
							  : SB_FAILED;
	return 0;
}

void store_read_id(int dirfd, char *id, size_t size)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	json_t *o = NULL;

	if (path_read_file(dirfd, META, META_MAX, &b, NULL) == 0)
		o = json_loadb(buf_str(&b), b.len, JSON_REJECT_DUPLICATES,
			       NULL);
	if (get_text(o, "id", id, size) < 0)
		*id = '\0';
	json_decref(o);
}

static bool is_pool(const json_t *o)
{
	const char *s = json_string_value(json_object_get(o, "state"));

	return s && strcmp(s, POOL) == 0;
}

struct sandbox *store_load(struct runner *r, enum sandbox_kind kind,
			   const char *id, int dirfd, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	char name[PODFLARE_NAME_MAX + 1];
	struct sandbox *sb;
	json_error_t why;
	json_t *o;

	if (path_read_file(dirfd, META, META_MAX, &b, err) < 0)
		return NULL;
	o = json_loadb(buf_str(&b), b.len, JSON_REJECT_DUPLICATES, &why);
	if (get_text(o, "name", name, sizeof(name)) < 0 ||
	    !path_name_valid(name) ||
	    (kind == SB_SNAPSHOT ? sandbox_snapshot_by_name(r, name)
				 : sandbox_by_name(r, name)))
		snprintf(name, sizeof(name), "%s", id);
	if (kind == SB_SANDBOX && is_pool(o))
		kind = SB_POOL;
	sb = sandbox_new(r, kind, id, name, SB_FAILED, err);
	if (sb)
		sb->logged = kind == SB_SANDBOX;
	if (sb && (!o || json_integer_value(json_object_get(o, "format")) !=
				FORMAT || fill(sb, o) < 0)) {
		sb->state = SB_FAILED;
		snprintf(sb->reason, sizeof(sb->reason),
			 "its " META " is damaged or of another version");
		if (!sb->env)
			sb->env = json_object();
		if (!sb->labels)
			sb->labels = json_object();
	}
	json_decref(o);
	return sb;
}
