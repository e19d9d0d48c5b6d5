/* SPDX-License-Identifier: MIT */
/*
 * tests/fake/fake-agent.c - plays the guest's agent, honestly or not
 *
 * The sandbox's name, which HELLO brings, says how: "hello-HOW" lies in the
 * answer to HELLO, "lie-HOW" in every later one; HOW is proto, type, huge, tlv,
 * silent, close, error or longer (an error).  "long-sessions" has as many and as long ones as fit
 * a frame.
 */
#include "tests/fake/fake-agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/err.h"
#include "common/frame.h"
#include "common/tlv.h"

static char hostname[256];

struct served {
	int fd;
	void (*serve)(int fd);
};

static void *thread_main(void *arg)
{
	struct served s = *(struct served *)arg;

	free(arg);
	s.serve(s.fd);
	return NULL;
}

int fake_thread(int fd, void (*serve)(int fd))
{
	struct served *s = malloc(sizeof(*s));
	pthread_t t;

	*s = (struct served){ fd, serve };
	if (pthread_create(&t, NULL, thread_main, s))
		return -1;
	pthread_detach(t);
	return 0;
}

static void answer(int fd, uint8_t type, struct buf *b)
{
	frame_write(fd, type, b->data, b->len);
	b->len = 0;
}

static void answer_error(int fd, uint32_t code, const char *msg)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	tlv_put_u32(&b, AGENT_T_CODE, code);
	tlv_put_str(&b, AGENT_T_MESSAGE, msg);
	answer(fd, AGENT_ERROR, &b);
}

/* Return: whether an answer, a false one, was given. */
static bool lie(int fd, const char *how)
{
	char text[501] = "";
	static const uint8_t huge[8] = { 0xff, 0xff, 0xff, 0x7f, AGENT_OK };
	CLEANUP_BUF struct buf b = BUF_INIT;

	if (!strcmp(how, "proto")) {
		tlv_put_u32(&b, AGENT_T_PROTOCOL, 99);
		answer(fd, AGENT_OK, &b);
	} else if (!strcmp(how, "type")) {
		answer(fd, 200, &b);
	} else if (!strcmp(how, "huge")) {
		return write(fd, huge, sizeof(huge)) > 0;
	} else if (!strcmp(how, "tlv")) {
		buf_append(&b, "\x10\x00\x00\x00\xff\xff\xff\xff", 8);
		answer(fd, AGENT_OK, &b);
	} else if (!strcmp(how, "silent")) {
		pause();
	} else if (!strcmp(how, "close")) {
		return true;
	} else if (!strcmp(how, "error")) {
		answer_error(fd, 9999, "\x1b[2Jgot \xff you\n");
	} else if (!strcmp(how, "longer")) {
		memset(text, 0xff, sizeof(text) - 1);
		answer_error(fd, 9999, text);
	} else {
		return false;
	}
	return true;
}

static int next(struct frame_reader *in, int fd, struct frame *f)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int rc;

	while ((rc = frame_read(in, fd, f)) < 0 && errno == EAGAIN)
		poll(&p, 1, -1);
	return rc;
}

static void started(int fd)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	tlv_put_u32(&b, AGENT_T_SESSION, 1);
	tlv_put_u32(&b, AGENT_T_PID, 100);
	answer(fd, AGENT_STARTED, &b);
}

static void long_sessions(struct buf *b)
{
	char arg[4001] = "";

	memset(arg, '"', sizeof(arg) - 1);
	for (uint32_t i = 1; i <= 250; i++) {
		tlv_put_u32(b, AGENT_T_SESSION, i);
		tlv_put_str(b, AGENT_T_ARG, arg);
	}
}

/* The "program" is cat: STDIN comes back as STDOUT; otherwise every value of
 * the request is told on STDOUT and it ends with 7. */
static void exec(struct frame_reader *in, int fd, const struct frame *req)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	char text[4096];
	bool cat = false;
	struct frame f;
	struct tlv t;
	size_t pos = 0;

	while (tlv_next(req->data, req->len, &pos, &t) > 0) {
		if (t.tag == AGENT_T_FLAGS) {
			buf_printf(&b, "flags=%u\n", tlv_u32(&t));
			continue;
		}
		tlv_str(&t, text, sizeof(text));
		if (t.tag == AGENT_T_ARG && !strcmp(text, "cat"))
			cat = true;
		if (t.tag == AGENT_T_ARG || t.tag == AGENT_T_ENV ||
		    t.tag == AGENT_T_CWD || t.tag == AGENT_T_USER)
			buf_printf(&b, "%u=%s\n", t.tag, text);
	}
	started(fd);
	while (cat && next(in, fd, &f) > 0 && f.type != AGENT_STDIN_EOF)
		if (f.type == AGENT_STDIN)
			frame_write(fd, AGENT_STDOUT, f.data, f.len);
	if (!cat)
		answer(fd, AGENT_STDOUT, &b);
	b.len = 0;
	tlv_put_u32(&b, AGENT_T_STATUS, cat ? 0 : 7);
	answer(fd, AGENT_EXIT, &b);
}

static void stat_path(int fd, const struct frame *req)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	if (memmem(req->data, req->len, "/missing", 8)) {
		answer_error(fd, ERR_NOT_FOUND, "/missing: not there");
		return;
	}
	tlv_put_u32(&b, AGENT_T_MODE, 0100644);
	tlv_put_u64(&b, AGENT_T_SIZE, 12345);
	tlv_put_u64(&b, AGENT_T_MTIME, UINT64_MAX);
	tlv_put(&b, AGENT_T_LINK, "a\0\x1b\xff", 4);
	answer(fd, AGENT_OK, &b);
}

static void handle(struct frame_reader *in, int fd, const struct frame *f)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct frame g;

	switch (f->type) {
	case AGENT_EXEC:
		exec(in, fd, f);
		return;
	case AGENT_STAT:
		stat_path(fd, f);
		return;
	case AGENT_SESSIONS:
		if (!strcmp(hostname, "long-sessions")) {
			long_sessions(&b);
			break;
		}
		tlv_put_u32(&b, AGENT_T_SESSION, 3);
		tlv_put_u32(&b, AGENT_T_PID, 33);
		tlv_put_str(&b, AGENT_T_ARG, "sleep");
		tlv_put_str(&b, AGENT_T_ARG, "1");
		tlv_put_u32(&b, AGENT_T_SESSION, 4);
		tlv_put_u32(&b, AGENT_T_STATUS, 2);
		break;
	case AGENT_INFO:
		tlv_put_u64(&b, AGENT_T_MEM_TOTAL, 1000);
		tlv_put_str(&b, AGENT_T_LOAD, "0.1 0.2\x1b[2J");
		tlv_put_u32(&b, 60000, 1);
		break;
	case AGENT_PUT:
		answer(fd, AGENT_OK, &b);
		while (next(in, fd, &g) > 0 && g.type != AGENT_END)
			;
		break;
	case AGENT_GET:
		frame_write(fd, AGENT_DATA, "tar", 3);
		answer(fd, AGENT_END, &b);
		return;
	case AGENT_FREEZE:
		tlv_put_u32(&b, AGENT_T_FROZEN, 1);
		answer(fd, AGENT_OK, &b);
		next(in, fd, &g);	/* until the stream ends */
		return;
	case AGENT_POWEROFF:
		answer(fd, AGENT_OK, &b);
		fake_power_off();
		return;
	default:
		answer_error(fd, ERR_PROTOCOL, "unknown request");
		return;
	}
	answer(fd, AGENT_OK, &b);
}

static void hello(int fd, const struct frame *f)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	bool entropy = false, copy = false;
	struct tlv t;
	size_t pos = 0;

	while (tlv_next(f->data, f->len, &pos, &t) > 0) {
		if (t.tag == AGENT_T_HOSTNAME)
			tlv_str(&t, hostname, sizeof(hostname));
		if (t.tag == AGENT_T_ENTROPY && t.len == 64)
			entropy = true;
		/* a view is a copy, too */
		if (t.tag == AGENT_T_COPY || t.tag == AGENT_T_FROZEN)
			copy |= tlv_u32(&t) == 1;
	}
	if (vmm.restored || (copy && !vmm.forked)) {
		/* it cannot know which one it is; one that was booted may have
		 * another one's disk */
		fake_console(copy ? "hello, copy\n" : "hello again\n");
		copy = false;
	}
	if (!entropy || copy != fake_is_copy())
		answer_error(fd, ERR_PROTOCOL, entropy ? "not a copy, or one"
						       : "no entropy");
	else if (strncmp(hostname, "hello-", 6) || !lie(fd, hostname + 6)) {
		tlv_put_u32(&b, AGENT_T_PROTOCOL, AGENT_PROTOCOL);
		answer(fd, AGENT_OK, &b);
	}
}

void fake_agent(int fd)
{
	struct frame_reader in = { .consumed = 0 };
	struct frame f;

	fcntl(fd, F_SETFL, 0);
	if (next(&in, fd, &f) > 0) {
		if (f.type == AGENT_HELLO)
			hello(fd, &f);
		else if (strncmp(hostname, "lie-", 4) ||
			 !lie(fd, hostname + 4))
			handle(&in, fd, &f);
	}
	frame_reader_free(&in);
	close(fd);
}
