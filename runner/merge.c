/* SPDX-License-Identifier: MIT */
/*
 * runner/merge.c - a sandbox takes another one's place
 *
 * podflared, loop thread; the files are changed on a work thread.
 *
 * Theory of operation: the winner's meta.json is written anew, with the loser's
 * id and name.  Once that is on disk, the merge has happened: a folder whose
 * meta.json names another id is completed by the next runner, should this one
 * be killed.  What follows are renames,
 *
 *	sandboxes/LOSER		to .rm-WINNER: a removal to be completed
 *	vm/WINNER.sock		to LOSER.sock: the winner's VMM listens there
 *	sandboxes/WINNER	to LOSER
 *
 * each of which may have happened or not.  In memory the two exchange their ids
 * and names, and the loser is removed.
 */
#include "runner/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "runner/agent-json.h"
#include "runner/agent.h"
#include "runner/events.h"
#include "runner/life.h"
#include "runner/places.h"
#include "runner/points.h"
#include "runner/store.h"

struct merge {
	struct work_job job;
	struct runner *runner;
	struct sandbox *loser, *winner;	/* references */
	bool keep_origin;
	char *text;	/* the winner's new meta.json */
	enum sandbox_state told;	/* in it */
	char loser_id[SANDBOX_ID_LEN + 1], winner_id[SANDBOX_ID_LEN + 1];
	int winner_dirfd;
	json_t *event;
	merge_cb cb;
	void *arg;
	struct err err;
};

/* Work thread, or at start. The order matters, see above. */
static int rename_all(struct runner *r, const char *loser, const char *winner,
		      struct err *err)
{
	int home = r->places.sandboxes_fd, vm = r->places.vm_fd;
	char gone[SANDBOX_ID_LEN + 8], from[32], to[32];

	store_retired_name(winner, gone, sizeof(gone));
	snprintf(from, sizeof(from), "%s.sock", winner);
	snprintf(to, sizeof(to), "%s.sock", loser);
	if (renameat(home, loser, home, gone) < 0 && errno != ENOENT)
		return err_sys(err, errno, "folder %s", loser);
	/* one that is not running has none */
	if (renameat(vm, from, vm, to) < 0 && errno != ENOENT)
		return err_sys(err, errno, "%s", from);
	if (renameat(home, winner, home, loser) < 0 || fsync(home) < 0)
		return err_sys(err, errno, "folder %s", winner);
	return 0;
}

/* Work thread. */
static void merge_run(struct work_job *j)
{
	struct merge *m = container_of(j, struct merge, job);
	struct err err = ERR_INIT;

	if (store_write(m->winner_dirfd, m->text, &m->err) < 0)
		return;
	/* it has happened; what fails now is completed at the next start */
	if (rename_all(m->runner, m->loser_id, m->winner_id, &err) < 0)
		log_error("merge: %s", err.msg);
}

static void swap_text(char *a, char *b, size_t size)
{
	char t[128];

	BUG_ON(size > sizeof(t));
	memcpy(t, a, size);
	memcpy(a, b, size);
	memcpy(b, t, size);
}

/* What stays with the name, and what goes with the machine. */
static void exchange(struct sandbox *loser, struct sandbox *winner,
		     bool keep_origin)
{
	json_t *labels = loser->labels;

	swap_text(loser->id, winner->id, sizeof(loser->id));
	swap_text(loser->name, winner->name, sizeof(loser->name));
	swap_text(loser->created, winner->created, sizeof(loser->created));
	loser->labels = winner->labels;
	winner->labels = labels;
	if (keep_origin)
		winner->origin = loser->origin;
}

/* The winner stands where the loser stood in lists. */
static void take_place(struct sandbox *loser, struct sandbox *winner)
{
	struct sandbox_list *list = &loser->runner->sandboxes;

	TAILQ_REMOVE(list, winner, link);
	TAILQ_INSERT_BEFORE(loser, winner, link);
}

static void greeted(void *arg, const struct err *err, const uint8_t *values,
		    size_t len)
{
	struct sandbox *sb = arg;

	if (err)
		log_warn("sandbox %s: its guest does not take its name: %s",
			 sb->id, err->msg);
	sandbox_unref(sb);
}

/* The guest has the name of the winner still. */
static void tell_guest(struct sandbox *sb)
{
	struct runner *r = sb->runner;
	CLEANUP_BUF struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;

	if (sb->state != SB_RUNNING || !sb->vm)
		return;
	sandbox_ref(sb);
	if (agent_put_hello(&payload, sb->name, HELLO_SAME, &err) == 0 &&
	    agent_call(&r->loop, vmproc_ctl(sb->vm), AGENT_HELLO, &payload,
		       r->agent_timeout_ms, greeted, sb, &err))
		return;
	greeted(sb, &err, NULL, 0);
}

static void removed(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
}

static void finish(struct merge *m, const struct err *err)
{
	struct runner *r = m->runner;

	m->cb(m->arg, err, m->winner);
	json_decref(m->event);
	sandbox_unref(m->loser);
	sandbox_unref(m->winner);
	free(m->text);
	free(m);
	points_sweep(r);
}

static void logged(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
	finish(arg, NULL);
}

static void merge_done(struct work_job *j)
{
	struct merge *m = container_of(j, struct merge, job);
	struct sandbox *loser = m->loser, *winner = m->winner;

	loser->merging = winner->merging = false;
	if (m->err.code) {
		/* the old file may be the new one, when just a sync failed;
		 * a stand-in has none, and goes */
		if (!winner->standin)
			store_save(winner, NULL, NULL);
		err_context(&m->err, "sandbox %s", loser->name);
		finish(m, &m->err);
		return;
	}
	log_info("sandbox %s (%s) takes the place of %s (%s)", winner->id,
		 winner->name, loser->id, loser->name);
	exchange(loser, winner, m->keep_origin);
	take_place(loser, winner);
	if (winner->vm)
		vmproc_renamed(winner->vm, winner->id);
	if (loser->vm)
		vmproc_renamed(loser->vm, loser->id);
	loser->retired = true;
	loser->logged = winner->standin = false;
	winner->logged = true;
	if (winner->state != m->told)
		store_save(winner, NULL, NULL);
	tell_guest(winner);
	life_remove(loser, false, removed, NULL);
	events_put(m->runner, json_pack("[O]", m->event), logged, m);
}

static json_t *merge_event(const struct sandbox *loser,
			   const struct sandbox *winner)
{
	json_t *e = event_new("merge", winner);

	json_object_update_new(e, json_pack("{s:s, s:s}", "parent", loser->id,
					    "parent_name", loser->name));
	return e;
}

void merge_start(struct sandbox *loser, struct sandbox *winner,
		 bool keep_origin, json_t *event, merge_cb cb, void *arg)
{
	struct merge *m = calloc(1, sizeof(*m));
	struct sandbox as = *winner, was = *loser;
	struct err err = ERR_INIT;

	exchange(&was, &as, keep_origin);
	if (m)
		m->text = store_text(&as);
	if (!m || !m->text) {
		free(m);
		json_decref(event);
		err_set(&err, ERR_NO_MEMORY, "merge");
		cb(arg, &err, NULL);
		return;
	}
	m->runner = loser->runner;
	m->loser = sandbox_ref(loser);
	m->winner = sandbox_ref(winner);
	m->keep_origin = keep_origin;
	m->told = winner->state;
	memcpy(m->loser_id, loser->id, sizeof(m->loser_id));
	memcpy(m->winner_id, winner->id, sizeof(m->winner_id));
	m->winner_dirfd = winner->dirfd;
	m->event = event ? event : merge_event(loser, winner);
	m->cb = cb;
	m->arg = arg;
	m->job.run = merge_run;
	m->job.done = merge_done;
	loser->merging = winner->merging = true;
	/* in the lane of the saves: the older ones are through before it */
	work_submit(&m->runner->work, WORK_META, &m->job);
}

/* Return: the id in a folder's meta.json, "" when there is none. */
static void read_id(int home, const char *name, char *id, size_t size)
{
	CLEANUP_FD int dirfd = openat(home, name, O_RDONLY | O_DIRECTORY |
				      O_NOFOLLOW | O_CLOEXEC);

	*id = '\0';
	if (dirfd >= 0)
		store_read_id(dirfd, id, size);
}

void merge_recover(struct runner *r)
{
	int home = r->places.sandboxes_fd;
	CLEANUP_DIR DIR *d = places_opendir(home, ".");
	char id[SANDBOX_ID_LEN + 1], other[SANDBOX_ID_LEN + 1];
	char todo[64][SANDBOX_ID_LEN + 1];	/* there is hardly ever one */
	size_t n = 0;
	struct dirent *e;

	while (d && (e = readdir(d)) && n < ARRAY_SIZE(todo)) {
		if (!names_id_valid(e->d_name))
			continue;
		read_id(home, e->d_name, id, sizeof(id));
		if (*id && strcmp(id, e->d_name) != 0)
			memcpy(todo[n++], e->d_name, sizeof(todo[0]));
	}
	while (n-- > 0) {
		struct err err = ERR_INIT;

		read_id(home, todo[n], id, sizeof(id));
		read_id(home, id, other, sizeof(other));
		log_info("sandbox %s takes the place of %s", todo[n], id);
		/* whoever stands there is the one that was to go */
		if ((*other && strcmp(other, id) != 0) ||
		    rename_all(r, id, todo[n], &err) < 0)
			log_error("sandbox %s: cannot take the place of %s: %s",
				  todo[n], id, err.msg);
	}
}
