/* SPDX-License-Identifier: MIT */
/*
 * cli/client.c - a connection to the runner
 *
 * Runs in the CLI.  Distrusts the replies for form: lines are bounded, ids and
 * types are checked, texts are made safe where they are shown.
 */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/host.h"
#include "cli/output.h"
#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/jsonrpc.h"
#include "common/loop.h"

#define CONSOLE_MAX (64 * 1024)
#define STALL_MS 5000	/* of silence, before we look why */

/* See client.h. */
void cleanup_jsonp(json_t **value)
{
	json_decref(*value);
}

/* See client.h. */
void client_close(struct client *c)
{
	progress_end(&c->progress);
	buf_free(&c->in);
	if (c->fd >= 0)
		close(c->fd);
	if (c->passed_fd >= 0)
		close(c->passed_fd);
	c->fd = -1;
	c->passed_fd = -1;
}

/* See client.h. */
void stream_close(struct stream *s)
{
	frame_reader_free(&s->in);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static int lost(struct err *err)
{
	err_set(err, ERR_UNAVAILABLE, "the runner closed the connection");
	return err_hint(err, "%s", host_lost_hint());
}

/* See client.h. */
int64_t client_send(struct client *c, const char *method, json_t *params,
		    struct err *err)
{
	CLEANUP_JSON json_t *request = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT;
	int64_t id = ++c->next_id;
	size_t done = 0;

	request = jsonrpc_request(id, method, params);
	if (!request || jsonrpc_put(&out, request) < 0)
		return err_set(err, ERR_USAGE, "%s: a text is not UTF-8",
			       method);
	if (out.len > JSONRPC_LINE_MAX)
		return err_set(err, ERR_LIMIT,
			       "%s: the request is larger than 1 MiB", method);
	while (done < out.len) {
		ssize_t n = send(c->fd, out.data + done, out.len - done,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return lost(err);
		done += (size_t)n;
	}
	return id;
}

/* See client.h. */
int client_await(struct client *c, short events, struct err *err)
{
	uint64_t began = now_ns();

	for (;;) {
		struct pollfd p[2] = {
			{ .fd = c->fd, .events = events },
			{ .fd = c->interrupt_fd, .events = POLLIN },
		};
		int timeout = progress_timeout(&c->progress);
		int n = poll(p, 2, timeout < 0 ? STALL_MS
					       : MIN(timeout, STALL_MS));

		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "poll");
		progress_tick(&c->progress);
		if (n > 0 && p[1].revents)
			return err_set(err, ERR_CANCELLED, "interrupted");
		if (n > 0 && p[0].revents)
			return 0;
		if (now_ns() - began < STALL_MS * 1000000ULL)
			continue;
		began = now_ns();
		if (host_check_stall(err) < 0)
			return -1;
	}
}

static int receive(struct client *c, struct err *err)
{
	int fds[FDPASS_MAX];
	size_t nfds = ARRAY_SIZE(fds);
	void *room;
	ssize_t n;

	if (client_await(c, POLLIN, err) < 0)
		return -1;
	c->in.max = JSONRPC_LINE_MAX + 2 * FRAME_DATA_MAX;
	room = buf_reserve(&c->in, FRAME_DATA_MAX);
	if (!room)
		return err_set(err, ERR_PROTOCOL,
			       "the runner sent a line over 1 MiB");
	n = fdpass_recv(c->fd, room, FRAME_DATA_MAX, fds, &nfds);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0)
		return lost(err);
	c->in.len += (size_t)n;
	for (size_t i = 0; i < nfds; i++) {
		if (i == 0 && c->passed_fd < 0)
			c->passed_fd = fds[i];
		else
			close(fds[i]);
	}
	return 0;
}

/* One parsed line. */
static json_t *receive_line(struct client *c, struct err *err)
{
	for (;;) {
		uint8_t *end = c->in.len ? memchr(c->in.data, '\n', c->in.len)
					 : NULL;
		size_t len;
		json_t *line;

		if (!end) {
			if (receive(c, err) < 0)
				return NULL;
			continue;
		}
		len = (size_t)(end - c->in.data);
		line = jsonrpc_parse((const char *)c->in.data, len, err);
		buf_consume(&c->in, len + 1);
		if (!line)
			err_context(err, "the runner's answer");
		return line;
	}
}

static void show_progress(struct client *c, const json_t *line)
{
	const json_t *params = json_object_get(line, "params");
	const char *text = json_string_value(json_object_get(params, "text"));
	double percent = json_number_value(json_object_get(params, "percent"));

	if (!json_is_number(json_object_get(params, "percent")) ||
	    !(percent >= 0 && percent <= 100))
		percent = -1;
	if (text)
		progress_step(&c->progress, text, (int)percent);
}

/* The console's tail that came with an error is kept for main to print. */
static int reply_error(struct client *c, const json_t *line, struct err *err)
{
	const json_t *data = json_object_get(json_object_get(line, "error"),
					     "data");
	const char *console =
		json_string_value(json_object_get(data, "console"));

	if (!jsonrpc_reply_error(line, err))
		return 0;
	if (console) {
		free(c->globals->console);
		c->globals->console = strndup(console, CONSOLE_MAX);
	}
	return -1;
}

/* See client.h. */
json_t *client_wait(struct client *c, int64_t id, struct err *err)
{
	for (;;) {
		CLEANUP_JSON json_t *line = receive_line(c, err);
		const char *method;
		json_t *result;

		if (!line)
			return NULL;
		method = json_string_value(json_object_get(line, "method"));
		if (method) {
			if (!strcmp(method, "progress"))
				show_progress(c, line);
			continue;
		}
		progress_end(&c->progress);
		if (reply_error(c, line, err) < 0)
			return NULL;
		result = json_object_get(line, "result");
		if (!result ||
		    json_integer_value(json_object_get(line, "id")) != id) {
			err_set(err, ERR_PROTOCOL,
				"the runner's answer: not to this request");
			return NULL;
		}
		return json_incref(result);
	}
}

/* See client.h. */
json_t *client_call(struct client *c, const char *method, json_t *params,
		    struct err *err)
{
	int64_t id = client_send(c, method, params, err);

	if (id < 0)
		return NULL;
	progress_start(&c->progress, c->globals);
	return client_wait(c, id, err);
}

/* It speaks our protocol and goes on serving: an upgrade must not end what runs
 * under the old one. Whoever wants the new one's repairs ends it. */
static void warn_version(struct client *c, long long pid)
{
	if (c->globals->warned || !strcmp(c->version, PACKAGE_VERSION))
		return;
	c->globals->warned = true;
	if (*host_version_hint())
		output_warn(c->globals, "the runner is version %s, this is "
			    "podflare " PACKAGE_VERSION "; `%s` ends it",
			    c->version, host_version_hint());
	else
		output_warn(c->globals, "the runner is version %s, this is "
			    "podflare " PACKAGE_VERSION "; after `kill %lld` "
			    "its sandboxes go on and the next command starts "
			    "the new one", c->version, pid);
}

static int say_hello(struct client *c, struct err *err)
{
	CLEANUP_JSON json_t *hello = NULL;
	json_int_t protocol, pid;
	const char *version;

	hello = client_call(c, "runner.hello",
			    json_pack("{s:i, s:s}", "protocol",
				      JSONRPC_PROTOCOL, "version",
				      PACKAGE_VERSION),
			    err);
	if (!hello) {
		if (err && err->code == ERR_VERSION && *host_version_hint())
			err_hint(err, "%s", host_version_hint());
		/* one that refuses has said why */
		if (err && (err->code == ERR_PROTOCOL ||
			    err->code == ERR_UNAVAILABLE))
			err_hint(err, "is the other side a podflare runner?");
		return -1;
	}
	protocol = json_integer_value(json_object_get(hello, "protocol"));
	pid = json_integer_value(json_object_get(hello, "pid"));
	version = json_string_value(json_object_get(hello, "version"));
	snprintf(c->version, sizeof(c->version), "%s", version ? version : "?");
	if (protocol != JSONRPC_PROTOCOL) {
		err_set(err, ERR_VERSION, "the running podflared is version "
			"%s, this is podflare " PACKAGE_VERSION, c->version);
		if (*host_version_hint())
			return err_hint(err, "%s", host_version_hint());
		return err_hint(err, "stop it with `kill %lld`: its sandboxes "
				"go on, and the next command starts a new one",
				(long long)pid);
	}
	warn_version(c, (long long)pid);
	return 0;
}

/* See client.h. */
int client_open(struct client *c, struct globals *g, struct err *err)
{
	*c = (struct client)CLIENT_INIT;
	c->globals = g;
	c->fd = host_connect(c->globals, true, err);
	if (c->fd < 0)
		return -1;
	return say_hello(c, err);
}

/* See client.h. */
int client_stream(struct client *c, const char *method, json_t *params,
		  struct stream *s, struct err *err)
{
	CLEANUP_JSON json_t *result = client_call(c, method, params, err);

	*s = (struct stream)STREAM_INIT;
	if (!result)
		return -1;
	if (c->passed_fd >= 0) {
		s->fd = steal_fd(&c->passed_fd);
	} else {
		s->fd = steal_fd(&c->fd);
		s->in.buf = c->in;
		c->in = (struct buf)BUF_INIT;
	}
	return 0;
}

/* See client.h. */
int client_send_frame(struct client *c, uint8_t type, const void *data,
		      size_t len, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	ssize_t n;

	if (frame_put(&b, type, data, len) < 0)
		return err_sys(err, ENOMEM, "sending");
	while (b.len) {
		if (client_await(c, POLLOUT, err) < 0)
			return -1;
		n = send(c->fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0)
			buf_consume(&b, (size_t)n);
		else if (errno != EAGAIN && errno != EINTR)
			return err_sys(err, errno, "sending");
	}
	return 0;
}

/* See client.h. */
json_t *client_once(struct globals *g, const char *method, json_t *params,
		    struct err *err)
{
	CLEANUP_CLIENT struct client c = CLIENT_INIT;

	if (client_open(&c, g, err) < 0) {
		json_decref(params);
		return NULL;
	}
	return client_call(&c, method, params, err);
}
