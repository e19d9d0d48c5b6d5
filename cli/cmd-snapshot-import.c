/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-snapshot-import.c - podflare snapshot import
 *
 * Runs in the CLI.  Looks at the file's head, for its description; all of it is
 * sent as it is, and checked by the runner.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/image-push.h"
#include "cli/output.h"
#include "cli/sigs.h"
#include "common/agent.h"
#include "common/cleanup.h"
#include "common/crc32.h"
#include "common/snapfile.h"

struct source {
	struct client *c;
	const char *file;
	int fd;
	uint64_t size;		/* 0: not known */
	struct buf head;	/* header, description, their sum */
	uint64_t done;
};

/* Until @fd can be read. Return: 1, 0 when the runner has something to say, -1
 * with @err: interrupted. */
static int await(struct source *s, struct err *err)
{
	for (;;) {
		struct pollfd p[3] = {
			{ .fd = s->fd, .events = POLLIN },
			{ .fd = s->c->interrupt_fd, .events = POLLIN },
			{ .fd = s->c->fd, .events = POLLIN },
		};
		int n = poll(p, 3, progress_timeout(&s->c->progress));

		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "poll");
		progress_tick(&s->c->progress);
		if (n > 0 && p[1].revents)
			return err_set(err, ERR_CANCELLED, "interrupted");
		if (n > 0 && p[2].revents)
			return 0;
		if (n > 0 && p[0].revents)
			return 1;
	}
}

/* Return: bytes, 0 at the end, or when the runner has something to say; -1 with
 * @err. */
static ssize_t read_some(struct source *s, void *buf, size_t len,
			 struct err *err)
{
	int rc = await(s, err);
	ssize_t n;

	if (rc <= 0)
		return rc;
	n = TEMP_FAILURE_RETRY(read(s->fd, buf, len));
	return n < 0 ? err_sys(err, errno, "%s", s->file) : n;
}

static int read_head(struct source *s, size_t len, struct err *err)
{
	while (s->head.len < len) {
		uint8_t *to = buf_reserve(&s->head, len - s->head.len);
		ssize_t n = to ? read_some(s, to, len - s->head.len, err) : -1;

		if (!to)
			return err_sys(err, errno, "%s", s->file);
		if (n < 0)
			return -1;
		if (n == 0)
			return err_set(err, s->head.len ? ERR_IO : ERR_USAGE,
				       s->head.len ? "it is cut short"
						   : "it is empty");
		s->head.len += (size_t)n;
	}
	return 0;
}

/* Return: the call's parameters, NULL with @err. */
static json_t *read_params(struct source *s, const char *name, struct err *err)
{
	struct snapfile_header h;
	json_t *params;
	uint32_t crc;
	size_t len;

	if (read_head(s, sizeof(h), err) < 0)
		return NULL;
	memcpy(&h, s->head.data, sizeof(h));
	if (snapfile_check_header(&h, err) < 0)
		return NULL;
	len = sizeof(h) + h.meta_len;
	if (read_head(s, len + sizeof(crc), err) < 0)
		return NULL;
	memcpy(&crc, s->head.data + len, sizeof(crc));
	params = crc != crc32_of(s->head.data, len) ? NULL :
		json_pack("{s:s%}", "meta", s->head.data + sizeof(h),
			  (size_t)h.meta_len);
	if (!params)
		err_set(err, ERR_IO, "its description is damaged");
	else if (name && json_object_set_new(params, "name",
					     json_string(name)) < 0)
		err_set(err, ERR_USAGE, "\"%s\": not UTF-8", name);
	else
		return params;
	json_decref(params);
	return NULL;
}

static int send_bytes(struct source *s, const uint8_t *p, size_t len,
		      struct err *err)
{
	while (len) {
		size_t n = MIN(len, (size_t)FRAME_DATA_MAX);

		if (client_send_frame(s->c, AGENT_DATA, p, n, err) < 0)
			return -1;
		p += n;
		len -= n;
		s->done += n;
	}
	progress_bytes(&s->c->progress, "importing", s->done, s->size);
	return 0;
}

static int send_all(struct source *s, struct err *err)
{
	CLEANUP_FREE uint8_t *chunk = malloc(FRAME_DATA_MAX);
	ssize_t n;

	if (!chunk)
		return err_sys(err, ENOMEM, "import");
	if (send_bytes(s, s->head.data, s->head.len, err) < 0)
		return -1;
	while ((n = read_some(s, chunk, FRAME_DATA_MAX, err)) > 0)
		if (send_bytes(s, chunk, (size_t)n, err) < 0)
			return -1;
	return n < 0 ? -1 : client_send_frame(s->c, AGENT_END, NULL, 0, err);
}

/* The runner's image may be missing where this file system has it. */
static int ensure_image(struct source *s, const json_t *params,
			struct err *err)
{
	CLEANUP_JSON json_t *meta = json_loads(json_text(params, "meta"),
					       JSON_REJECT_DUPLICATES, NULL);
	const char *digest = json_text(meta, "image_digest");

	return *digest ? image_ensure(s->c, digest, err) : -1;
}

/* Return: the id of the call whose stream may begin, -1 with @err. */
static int64_t begin(struct source *s, json_t *params, struct err *err)
{
	CLEANUP_JSON json_t *answer = NULL;
	int64_t id = client_send(s->c, "snapshot.import", json_incref(params),
				 err);

	if (id < 0)
		return -1;
	answer = client_wait(s->c, id, err);
	if (answer)
		return id;
	if (err->code != ERR_NOT_FOUND || ensure_image(s, params, err) < 0)
		return -1;
	id = client_send(s->c, "snapshot.import", json_incref(params), err);
	answer = id < 0 ? NULL : client_wait(s->c, id, err);
	return answer ? id : -1;
}

static json_t *import(struct source *s, const char *name, struct err *err)
{
	CLEANUP_JSON json_t *params = read_params(s, name, err);
	struct err sending = ERR_INIT;
	json_t *snapshot = NULL;
	int64_t id;
	int rc;

	if (!params) {
		err_context(err, "%s", s->file);
		return NULL;
	}
	id = begin(s, params, err);
	if (id < 0)
		return NULL;
	progress_start(&s->c->progress, s->c->globals);
	rc = send_all(s, &sending);
	/* why it stopped listening is in its second reply */
	if (rc == 0 || sending.sys == EPIPE || sending.sys == ECONNRESET)
		snapshot = client_wait(s->c, id, err);
	progress_end(&s->c->progress);
	if (!snapshot && rc < 0 &&
	    (err->code == ERR_NONE || err->code == ERR_UNAVAILABLE))
		*err = sending;
	return snapshot;
}

static int open_source(struct source *s, struct err *err)
{
	struct stat st;

	s->fd = STDIN_FILENO;
	if (strcmp(s->file, "-") != 0)
		s->fd = open(s->file, O_RDONLY | O_CLOEXEC);
	else if (isatty(STDIN_FILENO))
		return err_set(err, ERR_USAGE, "snapshot import: standard "
			       "input is a terminal");
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return err_sys(err, errno, "%s", s->file);
	if (S_ISDIR(st.st_mode))
		return err_sys(err, EISDIR, "%s", s->file);
	s->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	return 0;
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	CLEANUP_CLIENT struct client c = CLIENT_INIT;
	CLEANUP_SIGS struct sigs sigs = SIGS_INIT;
	CLEANUP_JSON json_t *snapshot = NULL;
	struct source s = {
		.c = &c, .file = ctx->argc ? ctx->argv[0] : "-", .fd = -1,
	};

	if (open_source(&s, err) < 0 || client_open(&c, ctx->globals, err) < 0 ||
	    sigs_open_ending(&sigs, err) < 0)
		return -1;
	c.interrupt_fd = sigs.fd;
	snapshot = import(&s, ctx->argc > 1 ? ctx->argv[1] : NULL, err);
	buf_free(&s.head);
	if (s.fd > STDERR_FILENO)
		close(s.fd);
	if (!snapshot) {
		if (err->code == ERR_CANCELLED)
			ctx->globals->signal = sigs_read(&sigs);
		return -1;
	}
	if (ctx->globals->json)
		output_json(snapshot);
	else
		output_name(json_text(snapshot, "name"));
	return 0;
}

const struct cmd cmd_snapshot_import = {
	.name = "import",
	.summary = "Make a snapshot of an exported file (-: standard input)",
	.operands = "[FILE|-] [NAME]",
	.max = 2,
	.flags = CMD_SIGNALS,
	.run = run,
};
