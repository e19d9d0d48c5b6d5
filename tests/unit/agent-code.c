/* SPDX-License-Identifier: MIT */
/* tests/unit/agent-code.c - CODE: calls of the guest's interpreters */
#include "tests/unit/agent-code.h"

#include <unistd.h>

#include "tests/unit/unit.h"

int code_send(struct rig *r, const struct code *c)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t len = c->len ? c->len : strlen(c->text);
	int fd = rig_open(r);

	tlv_put_str(&b, AGENT_T_LANG, c->lang ? c->lang : "python");
	tlv_put_str(&b, AGENT_T_USER, "me");
	tlv_put_str(&b, AGENT_T_CWD, r->dir);
	tlv_put_u32(&b, AGENT_T_FLAGS, c->flags);
	tlv_put_u32(&b, AGENT_T_TIMEOUT, c->timeout_ms);
	if (c->name)
		tlv_put_str(&b, AGENT_T_NAME, c->name);
	if (c->env)
		tlv_put_str(&b, AGENT_T_ENV, c->env);
	if (c->call_env)
		tlv_put_str(&b, AGENT_T_CALL_ENV, c->call_env);
	rig_send(fd, AGENT_CODE, b.data, b.len);
	for (size_t at = 0; at < len; at += FRAME_DATA_MAX)
		rig_send(fd, AGENT_DATA, c->text + at,
			 MIN(len - at, (size_t)FRAME_DATA_MAX));
	rig_send(fd, AGENT_END, NULL, 0);
	return fd;
}

void code_collect(int fd, struct reply *reply, uint32_t *fresh)
{
	struct frame_reader in = { .buf = BUF_INIT };
	struct frame f;
	struct tlv t;
	size_t pos = 0;

	if (fresh)
		*fresh = 0;
	if (fresh && rig_next(fd, &in, &f) && f.type == AGENT_STARTED)
		while (tlv_next(f.data, f.len, &pos, &t) > 0)
			if (t.tag == AGENT_T_FRESH)
				*fresh = tlv_u32(&t);
	rig_collect(fd, &in, reply);
	frame_reader_free(&in);
	close(fd);
}

void code_run(struct rig *r, const struct code *c, struct reply *reply,
	      uint32_t *fresh)
{
	code_collect(code_send(r, c), reply, fresh);
}

void code_gives(struct rig *r, const char *text, const char *out,
		const char *err, uint32_t status)
{
	const struct code c = { .text = text };
	struct reply reply;

	code_run(r, &c, &reply, NULL);
	assert_string_equal(buf_str(&reply.err), err);
	assert_string_equal(buf_str(&reply.out), out);
	assert_int_equal(reply.type, AGENT_EXIT);
	assert_int_equal(reply.status, status);
	reply_free(&reply);
}

void code_wait_out(int fd, struct frame_reader *in, const char *text)
{
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct frame f;

	do {
		assert_true(rig_next(fd, in, &f));
		if (f.type == AGENT_STDOUT)
			buf_append(&out, f.data, f.len);
		else
			assert_int_equal(f.type, AGENT_STARTED);
	} while (!strstr(buf_str(&out), text));
}

void code_wait_window(int fd, struct frame_reader *in)
{
	struct frame f;

	do {
		assert_true(rig_next(fd, in, &f));
		assert_true(f.type == AGENT_STARTED || f.type == AGENT_WINDOW ||
			    f.type == AGENT_STDOUT);
	} while (f.type != AGENT_WINDOW);
}
