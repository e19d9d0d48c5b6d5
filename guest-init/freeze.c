/* SPDX-License-Identifier: MIT */
/*
 * guest-init/freeze.c - no process of the user runs: FREEZE
 *
 * Pid 1, event-driven: it never waits for a process to stop.
 */
#include "guest-init/freeze.h"

#include <errno.h>
#include <stdio.h>

#include "common/agent.h"
#include "common/tlv.h"

/* One FREEZE stream. */
struct hold {
	struct agent *agent;
	struct conn *conn;
	struct hold *next;
	struct loop_timer timer;
	bool waiting;		/* was not answered yet */
};

static void answer(struct hold *h, bool frozen)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	h->waiting = false;
	loop_timer_cancel(&h->agent->loop, &h->timer);
	tlv_put_u32(&b, AGENT_T_FROZEN, frozen);
	conn_send(h->conn, AGENT_OK, b.data, b.len);
}

static bool somebody_waits(const struct agent *a)
{
	for (const struct hold *h = a->freezer.holds; h; h = h->next)
		if (h->waiting)
			return true;
	return false;
}

/* The kernel tells of a change once, until the file is read again. */
static void on_events(struct loop_watch *w, uint32_t events)
{
	struct agent *a = container_of(w, struct agent, freezer.events);

	if (!cgroup_is_frozen(&a->cgroup))
		return;
	for (struct hold *h = a->freezer.holds; h; h = h->next)
		if (h->waiting)
			answer(h, true);
	loop_del(&a->loop, w);
}

static void on_timer(struct loop_timer *t)
{
	struct hold *h = container_of(t, struct hold, timer);
	struct agent *a = h->agent;

	answer(h, cgroup_is_frozen(&a->cgroup));
	if (!somebody_waits(a))
		loop_del(&a->loop, &a->freezer.events);
}

static void forget(struct hold *h)
{
	struct agent *a = h->agent;
	struct hold **at = &a->freezer.holds;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	loop_timer_cancel(&a->loop, &h->timer);
	free(h);
	if (!somebody_waits(a))
		loop_del(&a->loop, &a->freezer.events);
}

static void on_gone(struct conn *c)
{
	struct hold *h = c->owner;
	struct agent *a = h->agent;

	if (c->reset) {
		a->freezer.locked = true;
		a->greeted = false;
	}
	forget(h);
	if (!a->freezer.holds && !a->freezer.locked)
		cgroup_freeze(&a->cgroup, false);
}

static void on_frame(struct conn *c, const struct frame *f)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_PROTOCOL, "unexpected frame %u", f->type);
	on_gone(c);
	conn_fail(c, &err);
}

void freeze_start(struct conn *c)
{
	static const struct conn_ops ops = { .frame = on_frame,
					     .gone = on_gone };
	struct agent *a = c->agent;
	struct freezer *z = &a->freezer;
	struct hold *h = calloc(1, sizeof(*h));
	struct err err = ERR_INIT;

	if (!h) {
		err_sys(&err, ENOMEM, "cannot stop the commands");
		conn_fail(c, &err);
		return;
	}
	h->agent = a;
	h->conn = c;
	h->timer.cb = on_timer;
	h->next = z->holds;
	z->holds = h;
	conn_set_ops(c, &ops, h);
	if (cgroup_freeze(&a->cgroup, true) < 0 ||
	    cgroup_is_frozen(&a->cgroup)) {
		answer(h, cgroup_is_frozen(&a->cgroup));
		return;
	}
	h->waiting = true;
	z->events.cb = on_events;
	if (z->events.fd < 0 &&
	    loop_add(&a->loop, &z->events, a->cgroup.events, EPOLLPRI) < 0)
		answer(h, false);
	else
		loop_timer_set(&a->loop, &h->timer, FREEZE_WAIT_MS);
}

static void on_offered(struct conn *c, const struct frame *f)
{
	struct err err = ERR_INIT;

	if (f->type == AGENT_FREEZE) {
		freeze_start(c);
		return;
	}
	err_set(&err, ERR_PROTOCOL, "unexpected frame %u", f->type);
	conn_fail(c, &err);
}

void freeze_offer(struct agent *a, int fd)
{
	static const struct conn_ops ops = { .frame = on_offered };
	struct conn *c = conn_open(a, fd, &ops);

	if (!c)
		return;
	c->local = true;
	conn_set_ops(c, &ops, NULL);
}

void freeze_end(struct agent *a)
{
	while (a->freezer.holds) {
		struct hold *h = a->freezer.holds;

		if (h->waiting)
			answer(h, false);
		conn_set_ops(h->conn, NULL, NULL);
		forget(h);
	}
	a->freezer.locked = false;
	cgroup_freeze(&a->cgroup, false);
}

void freeze_free(struct agent *a)
{
	while (a->freezer.holds)
		forget(a->freezer.holds);
}
