/* SPDX-License-Identifier: MIT */
/*
 * runner/handout.c - a member of the pool becomes somebody's sandbox
 *
 * podflared, loop thread.  Distrusts the member to answer: it may have waited
 * for days.
 *
 * Theory of operation: its virtual CPUs go on and its guest is greeted (HELLO:
 * entropy, clock, name), while meta.json is written.  Until both are through, a
 * mark tells the next runner, should this one be killed, that the sandbox is
 * half made (store.h).  Without the guest's answer there is no sandbox.
 */
#include "runner/handout.h"

#include "common/agent.h"
#include "common/log.h"
#include "runner/agent-json.h"
#include "runner/agent.h"
#include "runner/store.h"

struct handout {
	struct sandbox *sb;	/* a reference */
	handout_cb cb;		/* NULL: forgotten */
	void *arg;
	struct vmctl_call *resume;
	struct agent_op *hello;
	uint64_t mark_ns;
	bool saving;
	struct err err;
};

static void step_done(struct handout *h, const char *name)
{
	uint64_t now = now_ns();

	json_array_append_new(h->sb->steps, json_pack(
		"{s:s, s:f}", "name", name, "ms",
		(double)(now - h->mark_ns) / 1e6));
	h->mark_ns = now;
}

/* Once nothing is in flight any more. */
static void check_done(struct handout *h)
{
	struct sandbox *sb = h->sb;

	if (h->resume || h->hello || h->saving)
		return;
	if (!h->err.code && !sb->vm)
		err_set(&h->err, ERR_UNAVAILABLE, "sandbox %s: ended at once",
			sb->name);
	/* else with the folder's removal */
	if (!h->err.code && h->cb) {
		store_unmark(sb->runner, sb->id);
		step_done(h, "save");	/* what was left of it */
	}
	if (h->cb)
		h->cb(h->arg, h->err.code ? &h->err : NULL);
	sandbox_unref(sb);
	free(h);
}

static void fail(struct handout *h, const struct err *err)
{
	if (h->err.code)
		return;
	h->err = *err;
	err_context(&h->err, "sandbox %s", h->sb->name);
	/* there are other ways to make it, unless nobody wants it */
	h->err.code = h->sb->state == SB_REMOVING ? ERR_CANCELLED
						  : ERR_UNAVAILABLE;
}

static void saved(void *arg, const struct err *err)
{
	struct handout *h = arg;

	h->saving = false;
	if (err)
		fail(h, err);
	check_done(h);
}

static void greeted(void *arg, const struct err *err, const uint8_t *values,
		    size_t len)
{
	struct handout *h = arg;
	struct err e = ERR_INIT;

	h->hello = NULL;
	if (err)
		e = *err;
	else
		agent_check_hello(values, len, &e);
	if (e.code)
		fail(h, &e);
	else
		step_done(h, "agent");
	check_done(h);
}

static void resumed(void *arg, const struct err *err,
		    const struct vm_status *st, int fd)
{
	struct handout *h = arg;
	struct runner *r = h->sb->runner;
	CLEANUP_BUF struct buf payload = BUF_INIT;
	struct err e = ERR_INIT;

	h->resume = NULL;
	if (err)
		e = *err;
	else
		step_done(h, "resume");
	if (!err && agent_put_hello(&payload, h->sb->name, HELLO_SAME,
				    &e) == 0)
		h->hello = agent_call(&r->loop, vmproc_ctl(h->sb->vm),
				      AGENT_HELLO, &payload,
				      MIN(r->agent_timeout_ms,
					  r->boot_timeout_ms),
				      greeted, h, &e);
	if (!h->hello)
		fail(h, &e);
	check_done(h);
}

struct handout *handout_start(struct sandbox *sb, handout_cb cb, void *arg,
			      struct err *err)
{
	struct handout *h = calloc(1, sizeof(*h));
	struct runner *r = sb->runner;

	if (!h) {
		err_set(err, ERR_NO_MEMORY, "sandbox %s", sb->name);
		return NULL;
	}
	h->sb = sandbox_ref(sb);
	h->cb = cb;
	h->arg = arg;
	h->mark_ns = now_ns();
	if (store_mark(r, sb->id, err) == 0)
		h->resume = vmctl_order(vmproc_ctl(sb->vm), VM_RESUME,
					r->agent_timeout_ms, resumed, h, err);
	if (!h->resume) {
		sandbox_unref(sb);
		free(h);
		return NULL;
	}
	h->saving = true;
	store_awake(sb, saved, h);
	return h;
}

void handout_cancel(struct handout *h)
{
	h->cb = NULL;
	if (h->resume)
		vmctl_cancel(h->resume);
	if (h->hello)
		agent_cancel(h->hello);
	h->resume = NULL;
	h->hello = NULL;
	check_done(h);
}
