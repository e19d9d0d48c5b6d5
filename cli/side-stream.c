/* SPDX-License-Identifier: MIT */
/*
 * cli/side-stream.c - a stream of records to and from a sandbox's agent
 *
 * Runs in the CLI.  Distrusts the stream: it is the guest's.
 */
#include <errno.h>

#include "cli/side.h"
#include "common/agent.h"
#include "common/cleanup.h"
#include "common/tlv.h"

#define BATCH_BYTES (512 * KIB)	/* of paths in one question */
#define BATCH_PATHS 8192

/* See side.h. */
int side_stream_open(struct side_stream *st, const struct side *s,
		     const char *method, json_t *params, const char *what,
		     struct err *err)
{
	static const struct globals quiet = { .quiet = true };
	struct side_env *env = s->env;

	*st = (struct side_stream){ .env = env,
				    .client = CLIENT_INIT,
				    .stream = STREAM_INIT };
	if (!params)
		params = json_object();
	if (json_object_set_new(params, "sandbox", json_string(side_target(s))) < 0) {
		json_decref(params);
		return err_set(err, ERR_USAGE, "\"%s\": not UTF-8", s->name);
	}
	if (client_open(&st->client, env->globals, err) < 0) {
		json_decref(params);
		return -1;
	}
	st->client.interrupt_fd = env->sigs->fd;
	if (client_stream(&st->client, method, params, &st->stream, err) < 0)
		return err_context(err, "%s", s->name);
	xfer_init(&st->xfer, &st->stream, env->sigs,
		  what ? env->globals : &quiet, what ? what : "");
	st->open = true;
	return 0;
}

/* See side.h. */
void side_stream_close(struct side_stream *st)
{
	if (st->open) {
		progress_end(&st->xfer.progress);
		if (st->xfer.signal && !st->env->signal)
			st->env->signal = st->xfer.signal;
	}
	if (st->env) {
		stream_close(&st->stream);
		client_close(&st->client);
	}
	*st = (struct side_stream){ 0 };
}

/* See side.h. */
size_t side_batch(char *const *paths, size_t n)
{
	size_t bytes = 0, i;

	for (i = 0; i < n && i < BATCH_PATHS; i++) {
		bytes += strlen(paths[i]) + 16;
		if (i && bytes > BATCH_BYTES)
			break;
	}
	return i;
}

static int put_path(struct buf *b, const char *path, bool as_image)
{
	CLEANUP_BUF struct buf record = BUF_INIT;
	uint32_t size;

	if (tlv_put_str(&record, AGENT_T_PATH, path) < 0 ||
	    (as_image && tlv_put_u32(&record, AGENT_T_IMAGE, 1) < 0))
		return -1;
	size = (uint32_t)record.len;
	if (buf_append(b, &size, sizeof(size)) < 0)
		return -1;
	return buf_append(b, record.data, record.len);
}

/* See side.h. */
int side_stream_ask(struct side_stream *st, char *const *paths, size_t n,
		    bool as_image, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	for (size_t i = 0; i < n; i++)
		if (put_path(&b, paths[i], as_image) < 0)
			return err_sys(err, errno, "paths");
	if (xfer_expect_ok(&st->xfer, err) < 0 ||
	    xfer_send(&st->xfer, b.data, b.len, err) < 0)
		return -1;
	return xfer_send_end(&st->xfer, err);
}

/* See side.h. */
int side_stream_some(struct side_stream *st, size_t max, const void **data,
		     size_t *len, struct err *err)
{
	while (!st->len) {
		const void *next;
		int rc;

		if (st->at_end)
			return 0;
		rc = xfer_receive(&st->xfer, &next, &st->len, err);
		if (rc < 0)
			return -1;
		st->at_end = rc == 0;
		st->data = rc ? next : NULL;
		if (st->at_end)
			st->len = 0;
	}
	*data = st->data;
	*len = MIN(st->len, max);
	st->data += *len;
	st->len -= *len;
	return 1;
}

/* See side.h. */
int side_stream_read(struct side_stream *st, void *out, size_t n,
		     struct err *err)
{
	uint8_t *to = out;

	while (n) {
		const void *data;
		size_t len;
		int rc = side_stream_some(st, n, &data, &len, err);

		if (rc < 0)
			return -1;
		if (rc == 0)
			return err_set(err, ERR_PROTOCOL, "the sandbox's "
				       "agent: an answer is cut short");
		memcpy(to, data, len);
		to += len;
		n -= len;
	}
	return 0;
}

/* See side.h. */
int side_stream_record(struct side_stream *st, const char *path,
		       struct change *c, struct err *err)
{
	CLEANUP_FREE uint8_t *record = NULL;
	uint32_t size;

	if (side_stream_read(st, &size, sizeof(size), err) < 0)
		return -1;
	if (size > CHANGE_RECORD_MAX)
		return err_set(err, ERR_PROTOCOL, "the sandbox's agent: a "
			       "record of %u bytes", size);
	record = malloc(size + 1);
	if (!record)
		return err_sys(err, ENOMEM, "record");
	if (side_stream_read(st, record, size, err) < 0 ||
	    change_decode(record, size, c, err) < 0)
		return -1;
	if (strcmp(c->path, path) != 0) {
		change_free(c);
		return err_set(err, ERR_PROTOCOL, "the sandbox's agent: a "
			       "record of another file");
	}
	return 0;
}

/* See side.h. */
int side_stream_end(struct side_stream *st, struct err *err)
{
	const void *data;
	size_t len;
	int rc = side_stream_some(st, 1, &data, &len, err);

	if (rc > 0)
		return err_set(err, ERR_PROTOCOL, "the sandbox's agent: more "
			       "than was asked for");
	return rc;
}
