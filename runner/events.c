/* SPDX-License-Identifier: MIT */
/*
 * runner/events.c - the log of what happened to sandboxes
 *
 * podflared, loop thread; reading and writing on a work thread, in order.  A
 * line that was cut short by the host's end is passed over.
 */
#include "runner/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"

#define FILE_NAME "events.jsonl"
#define OLD_NAME "events.old.jsonl"

struct event_job {
	struct work_job job;
	int dirfd;	/* data */
	struct buf text;
	events_cb cb;
	events_read_cb read_cb;
	void *arg;
	json_t *list;
	struct err err;
};

json_t *event_new(const char *what, const struct sandbox *sb)
{
	struct timespec ts;
	char date[24], at[40];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(at, sizeof(at), "%s.%03ldZ", date, ts.tv_nsec / 1000000);
	return json_pack("{s:s, s:s, s:s, s:s}", "time", at, "what", what,
			 "sandbox", sb->id, "name", sb->name);
}

static int open_log(struct event_job *e)
{
	const int flags = O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
	CLEANUP_FD int fd = openat(e->dirfd, FILE_NAME, flags, 0600);
	struct stat st;
	char last;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(&e->err, errno, FILE_NAME);
	if (st.st_size > 0 && (uint64_t)st.st_size + e->text.len >
					EVENTS_FILE_MAX) {
		close(steal_fd(&fd));
		if (renameat(e->dirfd, FILE_NAME, e->dirfd, OLD_NAME) < 0)
			return err_sys(&e->err, errno, OLD_NAME);
		fd = openat(e->dirfd, FILE_NAME, flags, 0600);
		if (fd < 0 || fsync(e->dirfd) < 0)
			return err_sys(&e->err, errno, FILE_NAME);
	} else if (st.st_size > 0 && (pread(fd, &last, 1, st.st_size - 1) != 1 ||
				      last != '\n')) {
		/* the last one was cut short: it is no part of the next */
		if (write(fd, "\n", 1) != 1)
			return err_sys(&e->err, errno, FILE_NAME);
	}
	return steal_fd(&fd);
}

/* Work thread. */
static void put_run(struct work_job *j)
{
	struct event_job *e = container_of(j, struct event_job, job);
	CLEANUP_FD int fd = open_log(e);

	if (fd < 0)
		return;
	errno = ENOSPC;		/* what a short write means */
	if (write(fd, e->text.data, e->text.len) != (ssize_t)e->text.len ||
	    fdatasync(fd) < 0)
		err_sys(&e->err, errno, FILE_NAME);
}

static void put_done(struct work_job *j)
{
	struct event_job *e = container_of(j, struct event_job, job);

	if (e->err.code && !e->cb)
		log_error("%s", e->err.msg);
	if (e->cb)
		e->cb(e->arg, e->err.code ? &e->err : NULL);
	buf_free(&e->text);
	free(e);
}

/* Append a line each. Return: 0, or -1. */
static int put_lines(struct buf *b, const json_t *events)
{
	json_t *event;
	size_t i;

	json_array_foreach(events, i, event) {
		char *text = json_dumps(event, JSON_COMPACT);
		int rc = text ? buf_printf(b, "%s\n", text) : -1;

		free(text);
		if (rc < 0)
			return -1;
	}
	return 0;
}

void events_put(struct runner *r, json_t *events, events_cb cb, void *arg)
{
	struct event_job *e = calloc(1, sizeof(*e));
	struct err err = ERR_INIT;

	if (!e || put_lines(&e->text, events) < 0) {
		json_decref(events);
		if (e)
			buf_free(&e->text);
		free(e);
		err_set(&err, ERR_NO_MEMORY, FILE_NAME);
		if (cb)
			cb(arg, &err);
		return;
	}
	json_decref(events);
	e->job.run = put_run;
	e->job.done = put_done;
	e->dirfd = r->places.data_fd;
	e->cb = cb;
	e->arg = arg;
	work_submit(&r->work, WORK_LOG, &e->job);
}

void events_put_one(struct runner *r, json_t *event)
{
	events_put(r, json_pack("[o]", event), NULL, NULL);
}

static void read_file(struct event_job *e, const char *name)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	char *line, *save = NULL;
	json_t *event;

	if (path_read_file(e->dirfd, name, 2 * EVENTS_FILE_MAX, &b,
			   &e->err) < 0) {
		if (e->err.code == ERR_NOT_FOUND)
			e->err = (struct err)ERR_INIT;
		return;
	}
	buf_str(&b);
	for (line = strtok_r((char *)b.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		event = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		if (json_is_object(event))
			json_array_append(e->list, event);
		json_decref(event);
	}
}

/* Work thread. */
static void read_run(struct work_job *j)
{
	struct event_job *e = container_of(j, struct event_job, job);

	read_file(e, OLD_NAME);
	read_file(e, FILE_NAME);
}

static void read_done(struct work_job *j)
{
	struct event_job *e = container_of(j, struct event_job, job);

	if (e->err.code) {
		json_decref(e->list);
		e->list = NULL;
	}
	e->read_cb(e->arg, e->err.code ? &e->err : NULL, e->list);
	free(e);
}

void events_read(struct runner *r, events_read_cb cb, void *arg)
{
	struct event_job *e = calloc(1, sizeof(*e));
	struct err err = ERR_INIT;

	if (!e) {
		err_set(&err, ERR_NO_MEMORY, FILE_NAME);
		cb(arg, &err, NULL);
		return;
	}
	e->job.run = read_run;
	e->job.done = read_done;
	e->dirfd = r->places.data_fd;
	e->list = json_array();
	e->read_cb = cb;
	e->arg = arg;
	work_submit(&r->work, WORK_LOG, &e->job);
}
