/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/runner-export.c - exported snapshots, for tests
 */
#include "tests/unit/runner-export.h"

#include <stdio.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/frame.h"
#include "common/snapfile.h"
#include "tests/unit/unit.h"

void file_snap(const char *sandbox, const char *name)
{
	call_ok("snapshot.create", json_pack("{s:s, s:s}", "sandbox", sandbox,
					     "name", name));
}

void file_snap_rm(const char *name)
{
	call_ok("snapshot.rm", json_pack("{s:s}", "snapshot", name));
}

bool file_none(void *arg)
{
	return host_count(SNAPSHOTS) == 0;
}

void file_done(void)
{
	host_wait(file_none, NULL);
	assert_nothing_left();
}

void file_says(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("no \"%s\" in: %s", what, text);
}

/* The stream of snapshot.export. */
int file_open(const char *name)
{
	struct conn c;
	int fd;

	conn_open(&c, false);
	json_decref(conn_ok(&c, "snapshot.export",
			    json_pack("{s:s}", "snapshot", name)));
	fd = c.passed;
	assert_true(fd >= 0);
	c.passed = -1;
	conn_close(&c);
	return fd;
}

/* Return: the type of the frame that was the last one, -1: cut short. */
int file_read(int fd, struct buf *b)
{
	struct frame_reader in = { .consumed = 0 };
	struct frame f;
	int type = -1;

	while (frame_read(&in, fd, &f) > 0) {
		type = f.type;
		if (f.type != AGENT_DATA)
			break;
		assert_int_equal(buf_append(b, f.data, f.len), 0);
	}
	frame_reader_free(&in);
	close(fd);
	return type;
}

void file_export(const char *name, struct buf *b)
{
	b->max = 64 * MIB;
	assert_int_equal(file_read(file_open(name), b), AGENT_END);
}

/* Of a sandbox of @mib MiB that is gone. */
void file_make(int mib, struct buf *b)
{
	create("f", mib);
	file_snap("f", "good");
	rm("f");
	file_export("good", b);
	file_snap_rm("good");
}

json_t *file_params(const struct buf *b, const char *name)
{
	const struct snapfile_header *h = (const void *)b->data;
	json_t *p = json_pack("{s:s%}", "meta", b->data + sizeof(*h),
			      (size_t)h->meta_len);

	assert_non_null(p);
	if (name)
		json_object_set_new(p, "name", json_string(name));
	return p;
}

static void send_bytes(struct conn *c, const uint8_t *p, size_t len)
{
	while (len) {
		size_t n = MIN(len, (size_t)FRAME_DATA_MAX);

		if (frame_write(c->fd, AGENT_DATA, p, n) < 0)
			return;		/* its reply says why */
		p += n;
		len -= n;
	}
	frame_write(c->fd, AGENT_END, NULL, 0);
}

/* The last reply to an import of @b with @params (stolen). */
json_t *file_import(const struct buf *b, json_t *params)
{
	struct conn c;
	json_t *r;

	conn_open(&c, false);
	r = conn_reply(&c, conn_request(&c, "snapshot.import", params));
	if (json_object_get(r, "result")) {
		json_decref(r);
		send_bytes(&c, b->data, b->len);
		r = conn_reply(&c, c.id);
	}
	assert_non_null(r);
	conn_close(&c);
	return r;
}

void file_import_ok(const struct buf *b, const char *name)
{
	json_t *r = file_import(b, file_params(b, name)), *s;

	if (json_object_get(r, "error"))
		fail_msg("%s", text_of(json_object_get(r, "error"),
				       "message"));
	s = json_object_get(r, "result");
	assert_string_equal(text_of(s, "how"), "import");
	json_decref(r);
}

/* The error's message; static storage. */
const char *file_import_fails(const struct buf *b, json_t *params)
{
	static char text[1024];
	json_t *r = file_import(b, params), *e = json_object_get(r, "error");

	if (!e)
		fail_msg("was imported");
	snprintf(text, sizeof(text), "%s", text_of(e, "message"));
	json_decref(r);
	return text;
}

const char *file_damaged(const struct buf *b, const struct buf *good)
{
	return file_import_fails(b, file_params(good, NULL));
}
