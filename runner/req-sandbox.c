/* SPDX-License-Identifier: MIT */
/*
 * runner/req-sandbox.c - sandbox.list, rm, pause, resume, logs
 *
 * podflared, loop thread.
 */
#include "common/cleanup.h"
#include "runner/life.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/sandbox-json.h"
#include "runner/text.h"

#define LOG_BUDGET (480 * 1024)	/* of each log in a reply of 1 MiB at most */

void method_sandbox_list(struct request *rq)
{
	json_t *list = json_array();
	struct sandbox *sb;
	size_t used = 0;

	TAILQ_FOREACH(sb, &rq->runner->sandboxes, link)
		if (sandbox_is_shown(sb))
			json_array_append_new(list, sandbox_to_item(sb, &used));
	request_done(rq, json_pack("{s:o}", "sandboxes", list));
}

static struct sandbox *find(struct request *rq)
{
	struct err err = ERR_INIT;
	struct sandbox *sb = sandbox_find(rq->runner,
					  param_str(rq->params, "sandbox", ""),
					  &err);

	if (!sb)
		request_fail(rq, &err, NULL);
	return sb;
}

static void removed(void *arg, const struct err *err)
{
	struct request *rq = arg;

	if (err)
		request_fail(rq, err, NULL);
	else
		request_done(rq, NULL);
}

/* One whose removal hangs is not found by name any more; force finds its id. */
static struct sandbox *find_hanging(struct request *rq)
{
	const char *ref = param_str(rq->params, "sandbox", "");
	struct sandbox *sb;

	if (!param_bool(rq->params, "force"))
		return NULL;
	TAILQ_FOREACH(sb, &rq->runner->sandboxes, link)
		if (sb->state == SB_REMOVING && strcmp(sb->id, ref) == 0)
			return sb;
	return NULL;
}

void method_sandbox_rm(struct request *rq)
{
	struct sandbox *sb = find_hanging(rq);
	struct err err = ERR_INIT;

	if (!sb)
		sb = find(rq);
	if (!sb)
		return;
	if (sb->merging) {
		sandbox_check_idle(sb, &err);
		request_fail(rq, &err, NULL);
		return;
	}
	life_remove(sb, param_bool(rq->params, "force"), removed, rq);
}

/* pause and resume: an order to the VMM, then a change of state. */
struct switching {
	struct request *rq;
	struct sandbox *sb;
	enum sandbox_event event;
};

static void switched(void *arg, const struct err *err,
		     const struct vm_status *st, int fd)
{
	struct switching *s = arg;
	struct err e = ERR_INIT;

	s->sb->switching = false;
	if (err) {
		e = *err;
		err_context(&e, "sandbox %s", s->sb->name);
	} else if (sandbox_may(s->sb, s->event, &e) == 0) {
		sandbox_move(s->sb, s->event);
	}
	if (e.code)
		request_fail(s->rq, &e, NULL);
	else
		request_done(s->rq, sandbox_to_json(s->sb));
	sandbox_unref(s->sb);
	free(s);
}

static void start_switching(struct request *rq, enum vm_order order,
			    enum sandbox_event event)
{
	struct sandbox *sb = find(rq);
	struct err err = ERR_INIT;
	struct switching *s = NULL;
	struct vmctl *ctl;

	if (!sb)
		return;
	ctl = sb->vm ? vmproc_ctl(sb->vm) : NULL;
	if (sandbox_may(sb, event, &err) == 0 &&
	    sandbox_check_idle(sb, &err) == 0 && !ctl)
		err_set(&err, ERR_UNAVAILABLE, "sandbox %s: its VMM has ended",
			sb->name);
	if (!err.code) {
		s = calloc(1, sizeof(*s));
		if (!s)
			err_set(&err, ERR_NO_MEMORY, "%s", rq->method);
	}
	if (!s) {
		request_fail(rq, &err, NULL);
		return;
	}
	*s = (struct switching){ rq, sandbox_ref(sb), event };
	sb->switching = true;
	if (vmctl_order(ctl, order, rq->runner->agent_timeout_ms, switched, s,
			&err))
		return;
	sb->switching = false;
	request_fail(rq, &err, NULL);
	sandbox_unref(sb);
	free(s);
}

void method_sandbox_pause(struct request *rq)
{
	start_switching(rq, VM_PAUSE, SB_EV_PAUSED);
}

void method_sandbox_resume(struct request *rq)
{
	start_switching(rq, VM_RESUME, SB_EV_RESUMED);
}

void method_sandbox_logs(struct request *rq)
{
	struct sandbox *sb = find(rq);
	int64_t tail = param_int(rq->params, "tail", -1);
	size_t lines = tail < 0 ? 0 : (size_t)tail;
	json_t *console, *vmm;

	if (!sb)
		return;
	if (tail == 0) {
		request_done(rq, json_pack("{s:s, s:s}", "console", "", "vmm",
					   ""));
		return;
	}
	console = text_tail_file(sb->dirfd, SANDBOX_CONSOLE, lines, LOG_BUDGET,
				 TEXT_RAW);
	vmm = text_tail_file(sb->dirfd, VMPROC_LOG_FILE, lines, LOG_BUDGET,
			     TEXT_RAW);
	request_done(rq, json_pack("{s:o, s:o}", "console", console, "vmm",
				   vmm));
}
