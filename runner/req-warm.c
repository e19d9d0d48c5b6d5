/* SPDX-License-Identifier: MIT */
/*
 * runner/req-warm.c - image.warm: a template without a sandbox
 *
 * podflared, loop thread.  A client that goes away does not wait for it any
 * more; the template is made all the same.
 */
#include "runner/machine.h"
#include "runner/methods.h"
#include "runner/template-json.h"
#include "runner/template.h"

static void progress(void *arg, const char *step, const char *text)
{
	request_progress(arg, step, text, -1);
}

static void reply(struct request *rq, const struct sandbox *t, const char *how,
		  json_t *steps)
{
	json_t *o = template_to_json(t);

	json_object_set_new(o, "origin", json_pack(
		"{s:s, s:o}", "how", how, "steps",
		steps ? json_incref(steps) : json_array()));
	rq->cancel = NULL;
	request_done(rq, o);
}

static void made(void *arg, struct sandbox *t, const char *how, json_t *steps,
		 const struct err *err, json_t *console)
{
	struct request *rq = arg;

	rq->cancel = NULL;
	if (err) {
		request_fail(rq, err, console);
		return;
	}
	json_decref(console);
	reply(rq, t, how, steps);
}

static void cancel(struct request *rq)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_CANCELLED, "the client went away");
	template_cancel(rq->state);
	rq->cancel = NULL;
	request_fail(rq, &err, NULL);
}

static int check(struct sandbox *like, struct request *rq, struct err *err)
{
	if (machine_fill(like, rq->params, err) < 0 ||
	    machine_check_host(rq->runner, err) < 0)
		return -1;
	if (!rq->runner->cold)
		return 0;
	err_set(err, ERR_UNAVAILABLE, "this runner keeps no templates");
	return err_hint(err, "its environment says PODFLARE_TEMPLATES=off, or "
			"its log (podflare doctor names it) says why");
}

void method_image_warm(struct request *rq)
{
	static const struct template_ops ops = {
		.progress = progress, .done = made,
	};
	char id[SANDBOX_ID_LEN + 1];
	struct err err = ERR_INIT;
	struct sandbox *like, *t = NULL;
	struct template_wait *w = NULL;

	names_id(id);
	like = sandbox_new(rq->runner, SB_VIEW, id, id, SB_CREATING, &err);
	if (like && check(like, rq, &err) == 0) {
		t = template_find(like);
		if (!t)
			w = template_make(like, &ops, rq, &err);
	}
	if (like)
		sandbox_unregister(like);
	if (t) {
		reply(rq, t, "zygote", NULL);
	} else if (w) {
		rq->state = w;
		rq->cancel = cancel;
	} else {
		request_fail(rq, &err, NULL);
	}
}
