/* SPDX-License-Identifier: MIT */
/*
 * runner/warmup.c - run an image's warm-up commands in a fresh guest
 *
 * podflared, loop thread.  Distrusts the guest: what it prints is dropped, and
 * all of it has one deadline.
 *
 * What is run first is always the same: a shell that looks at a few programs, so
 * that the first command of a sandbox finds loader, C library and shell in memory.
 */
#include "runner/warmup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/tlv.h"
#include "runner/agent-json.h"
#include "runner/agent.h"

#define WARMUP_MS 120000	/* for all commands */

static const char first[] =
	"/bin/true; ls / >/dev/null; id >/dev/null; exit 0";

struct warmup {
	struct sandbox *sb;	/* a reference */
	void (*done)(void *arg);
	void *arg;
	struct image img;
	bool touch;	/* ours alone */
	size_t next;	/* of the image's commands; 0: ours */
	const char *code;	/* for an interpreter; NULL: a command runs */
	const char *lang;	/* which one */
	uint64_t began;
	struct agent_op *open;
	struct loop_watch stream;
	struct loop_timer deadline;
	struct loop_timer begin;
	struct frame_reader in;
};

static void run_next(struct warmup *w);

static void close_stream(struct warmup *w)
{
	int fd = w->stream.fd;

	loop_del(&w->sb->runner->loop, &w->stream);
	if (fd >= 0)
		close(fd);
	frame_reader_free(&w->in);
	w->in = (struct frame_reader){ .consumed = 0 };
}

static void dissolve(struct warmup *w)
{
	struct loop *l = &w->sb->runner->loop;

	if (w->open)
		agent_cancel(w->open);
	close_stream(w);
	loop_timer_cancel(l, &w->deadline);
	loop_timer_cancel(l, &w->begin);
	image_free(&w->img);
	sandbox_unref(w->sb);
	free(w);
}

static void end(struct warmup *w)
{
	double ms = (double)(now_ns() - w->began) / 1e6;
	void (*done)(void *arg) = w->done;
	void *arg = w->arg;

	json_array_append_new(w->sb->steps, json_pack(
		"{s:s, s:f}", "name", "warmup", "ms", ms));
	dissolve(w);
	done(arg);
}

static void on_deadline(struct loop_timer *t)
{
	struct warmup *w = container_of(t, struct warmup, deadline);

	log_warn("image %s: its warm-up takes over %d s and is cut short",
		 w->sb->image, WARMUP_MS / 1000);
	end(w);
}

static void report(struct warmup *w, const struct frame *f)
{
	uint32_t status = 0;
	struct tlv t;
	size_t pos = 0;

	while (tlv_next(f->data, f->len, &pos, &t) > 0)
		if (t.tag == AGENT_T_STATUS)
			status = tlv_u32(&t);
	if (status)
		log_warn("image %s: warm-up command %zu: exit code %u",
			 w->sb->image, w->next, status & 0xff);
}

static void on_stream(struct loop_watch *watch, uint32_t events)
{
	struct warmup *w = container_of(watch, struct warmup, stream);
	struct frame f;
	ssize_t n = frame_fill(&w->in, watch->fd);
	int rc;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	while ((rc = n > 0 ? frame_next(&w->in, &f) : -1) > 0) {
		if (f.type == AGENT_EXIT)
			report(w, &f);
		else if (f.type != AGENT_ERROR)
			continue;
		rc = -1;
		break;
	}
	if (rc == 0)
		return;
	close_stream(w);
	run_next(w);
}

/* Of an interpreter: its code follows the request, and is short. */
static void send_code(struct warmup *w)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	if (frame_put(&b, AGENT_DATA, w->code, strlen(w->code)) < 0 ||
	    frame_put(&b, AGENT_END, NULL, 0) < 0 ||
	    send(w->stream.fd, b.data, b.len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
		    (ssize_t)b.len)
		log_warn("image %s: warm-up code %zu: cannot be sent",
			 w->sb->image, w->next);
}

static void opened(void *arg, const struct err *err, int fd)
{
	struct warmup *w = arg;

	w->open = NULL;
	if (err) {
		log_warn("image %s: warm-up: %s", w->sb->image, err->msg);
		end(w);
		return;
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
	    loop_add(&w->sb->runner->loop, &w->stream, fd, EPOLLIN) < 0) {
		close(fd);
		end(w);
	} else if (w->code) {
		send_code(w);
	}
}

static int put_command(struct warmup *w, const char *text, struct buf *payload,
		       struct err *err)
{
	struct exec_defaults def = {
		.image_env = w->img.env, .sandbox_env = w->sb->env,
		.user = w->img.user, .workdir = w->img.workdir,
	};
	json_t *params;
	int rc;

	if (w->code) {
		params = json_pack("{s:s}", "lang", w->lang);
		rc = agent_put_code(payload, params, &def, AGENT_CODE_WARM,
				    err);
		json_decref(params);
		return rc;
	}
	params = json_pack("{s:[s, s, s]}", "cmd", "/bin/sh", "-c",
				   text);
	rc = params ? agent_put_exec(payload, params, &def, err) : -1;
	json_decref(params);
	return rc;
}

static void run_next(struct warmup *w)
{
	const json_t *list = json_object_get(w->img.json, "warmup");
	CLEANUP_BUF struct buf payload = BUF_INIT;
	struct runner *r = w->sb->runner;
	struct err err = ERR_INIT;
	const char *text = first;
	const json_t *item;

	w->code = NULL;
	if (w->next > 0 && w->touch) {
		text = NULL;
	} else if (w->next > 0) {
		item = json_array_get(list, w->next - 1);
		w->lang = json_object_iter_key(json_object_iter(
			(json_t *)item));
		if (w->lang)
			w->code = json_string_value(
				json_object_get(item, w->lang));
		text = w->code ? w->code : json_string_value(item);
	}
	w->next++;
	if (!text || !w->sb->vm) {
		end(w);
		return;
	}
	if (put_command(w, text, &payload, &err) == 0)
		w->open = agent_open(&r->loop, vmproc_ctl(w->sb->vm),
				     w->code ? AGENT_CODE : AGENT_EXEC,
				     &payload, r->agent_timeout_ms, opened, w,
				     &err);
	if (!w->open) {
		log_warn("image %s: warm-up: %s", w->sb->image, err.msg);
		end(w);
	}
}

static void begin(struct loop_timer *t)
{
	run_next(container_of(t, struct warmup, begin));
}

static struct warmup *start(struct sandbox *sb, bool touch,
			    void (*done)(void *arg), void *arg)
{
	struct warmup *w = calloc(1, sizeof(*w));
	struct err err = ERR_INIT;

	if (!w)
		return NULL;
	w->sb = sandbox_ref(sb);
	w->touch = touch;
	w->done = done;
	w->arg = arg;
	w->stream = (struct loop_watch){ .fd = -1, .cb = on_stream };
	w->deadline.cb = on_deadline;
	w->begin.cb = begin;
	w->began = now_ns();
	if (image_find(sb->runner, sb->digest, &w->img, &err) < 0)
		log_warn("%s", err.msg);
	loop_timer_set(&sb->runner->loop, &w->deadline, WARMUP_MS);
	loop_timer_set(&sb->runner->loop, &w->begin, 0);
	return w;
}

struct warmup *warmup_start(struct sandbox *sb, void (*done)(void *arg),
			    void *arg)
{
	return start(sb, false, done, arg);
}

struct warmup *warmup_touch(struct sandbox *sb, void (*done)(void *arg),
			    void *arg)
{
	return start(sb, true, done, arg);
}

void warmup_cancel(struct warmup *w)
{
	dissolve(w);
}
