/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/runner-conn.c - a client of the runner, for tests
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sha2.h>

#include "common/agent.h"
#include "common/fdpass.h"
#include "common/frame.h"
#include "common/jsonrpc.h"
#include "common/path.h"
#include "tests/unit/runner-host.h"
#include "tests/unit/unit.h"

static const char *const files[] = { "base.img", "vmlinux", "modules.cpio" };

void conn_open(struct conn *c, bool raw)
{
	struct err err = ERR_INIT;

	*c = (struct conn){ .passed = -1 };
	c->fd = path_connect_unix(AT_FDCWD,
				  host_path("runtime/podflare/runner.sock"),
				  SOCK_STREAM, &err);
	if (c->fd < 0)
		fail_msg("%s", err.msg);
	if (!raw)
		json_decref(conn_ok(c, "runner.hello",
				    json_pack("{s:i, s:s}", "protocol", 1,
					      "version", "test")));
}

void conn_close(struct conn *c)
{
	if (c->passed >= 0)
		close(c->passed);
	close(c->fd);
	buf_free(&c->in);
}

void conn_send(struct conn *c, const char *text)
{
	size_t len = strlen(text), done = 0;
	ssize_t n;

	while (done < len) {
		n = send(c->fd, text + done, len - done, MSG_NOSIGNAL);
		if (n < 0)
			return;		/* dropped: the reply tells */
		done += (size_t)n;
	}
}

int64_t conn_request(struct conn *c, const char *method, json_t *params)
{
	json_t *rq = jsonrpc_request(++c->id, method, params);
	CLEANUP_BUF struct buf b = BUF_INIT;

	assert_int_equal(jsonrpc_put(&b, rq), 0);
	conn_send(c, buf_str(&b));
	json_decref(rq);
	return c->id;
}

/* The next line. Return: NULL at the end of the stream. */
static json_t *next_line(struct conn *c)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	struct err err = ERR_INIT;
	char part[16384], *nl;
	size_t len, nfds;
	json_t *o;
	ssize_t n;
	int fd;

	while (!(nl = c->in.len ? memchr(c->in.data, '\n', c->in.len) : NULL)) {
		assert_int_equal(poll(&p, 1, 30000), 1);
		nfds = 1;
		n = fdpass_recv(c->fd, part, sizeof(part), &fd, &nfds);
		if (n <= 0)
			return NULL;
		if (nfds) {
			assert_int_equal(c->passed, -1);
			c->passed = fd;
		}
		assert_int_equal(buf_append(&c->in, part, (size_t)n), 0);
	}
	len = (size_t)(nl - (char *)c->in.data);
	o = jsonrpc_parse((char *)c->in.data, len, &err);
	assert_non_null(o);
	buf_consume(&c->in, len + 1);
	return o;
}

json_t *conn_reply(struct conn *c, int64_t id)
{
	json_t *o;

	while ((o = next_line(c))) {
		if (json_object_get(o, "method"))
			c->progress++;
		else if (json_integer_value(json_object_get(o, "id")) == id)
			return o;
		json_decref(o);
	}
	return NULL;
}

static json_t *take(json_t *reply, const char *key)
{
	json_t *v = json_incref(json_object_get(reply, key));

	if (!v) {
		char *text = reply ? json_dumps(reply, 0) : NULL;

		print_error("no \"%s\" in: %s\n", key, text ? text : "nothing");
		free(text);
	}
	json_decref(reply);
	assert_non_null(v);
	return v;
}

json_t *conn_ok(struct conn *c, const char *method, json_t *params)
{
	return take(conn_reply(c, conn_request(c, method, params)), "result");
}

json_t *conn_fail(struct conn *c, const char *method, json_t *params,
		  const char *code)
{
	json_t *e = take(conn_reply(c, conn_request(c, method, params)),
			 "error");
	json_t *data = json_object_get(e, "data");

	assert_string_equal(json_string_value(json_object_get(data, "code")),
			    code);
	return e;
}

void call_ok(const char *method, json_t *params)
{
	struct conn c;

	conn_open(&c, false);
	json_decref(conn_ok(&c, method, params));
	conn_close(&c);
}

void call_fail(const char *method, json_t *params, const char *code)
{
	struct conn c;

	conn_open(&c, false);
	json_decref(conn_fail(&c, method, params, code));
	conn_close(&c);
}

json_t *by_name(const char *name)
{
	return json_pack("{s:s}", "sandbox", name);
}

const char *sandbox_text(const char *name, const char *key)
{
	static char text[1024];
	struct conn c;
	json_t *list, *sb, *v;
	size_t i;

	text[0] = '\0';
	conn_open(&c, false);
	list = conn_ok(&c, "sandbox.list", NULL);
	json_array_foreach(json_object_get(list, "sandboxes"), i, sb) {
		if (strcmp(name, json_string_value(
				json_object_get(sb, "name"))) != 0)
			continue;
		v = json_object_get(sb, key);
		if (json_is_integer(v))
			snprintf(text, sizeof(text), "%lld",
				 json_integer_value(v));
		else if (json_is_string(v))
			snprintf(text, sizeof(text), "%s",
				 json_string_value(v));
	}
	json_decref(list);
	conn_close(&c);
	return text;
}

bool sandbox_is(const char *name, const char *state)
{
	return strcmp(sandbox_text(name, "state"), state) == 0;
}

void image_meta(struct buf *meta, const char *note)
{
	char hex[SHA256_DIGEST_STRING_LENGTH];

	buf_printf(meta, "{\"format\":1,\"name\":\"default%s\","
		   "\"base_type\":\"squashfs\",\"kernel\":\"fake\","
		   "\"env\":{\"FROM\":\"image\",\"BOTH\":\"image\"},"
		   "\"user\":\"root\",\"workdir\":\"/root\",\"files\":{", note);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		SHA256Data((const uint8_t *)files[i], strlen(files[i]), hex);
		buf_printf(meta, "%s\"%s\":{\"size\":%zu,\"sha256\":\"%s\"}",
			   i ? "," : "", files[i], strlen(files[i]), hex);
	}
	buf_printf(meta, "}}");
	buf_str(meta);
}

json_t *image_params(const char *name, const char *meta)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		json_array_append_new(list, json_pack("{s:s, s:i}", "name",
						      files[i], "size",
						      (int)strlen(files[i])));
	return json_pack("{s:s, s:s, s:o}", "name", name, "meta", meta, "files",
			 list);
}

void image_send(struct conn *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		/* in two frames: what is between them must not matter */
		frame_write(c->fd, AGENT_DATA, files[i], 3);
		frame_write(c->fd, AGENT_DATA, files[i] + 3,
			    strlen(files[i]) - 3);
		frame_write(c->fd, AGENT_END, NULL, 0);
	}
}
