/* SPDX-License-Identifier: MIT */
/*
 * common/loop.c - an event loop: file descriptors and timers
 *
 * Runs in the one thread of its owner.  See loop.h for how it works.
 */
#include "common/loop.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* Make an empty loop. Return: 0, or -1 with @err. */
int loop_init(struct loop *l, struct err *err)
{
	memset(l, 0, sizeof(*l));
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0)
		return err_sys(err, errno, "epoll_create1");
	return 0;
}

/* Close the loop. Watches and timers are their owners' affair. */
void loop_free(struct loop *l)
{
	if (l->epfd >= 0)
		close(l->epfd);
	l->epfd = -1;
	l->timers = NULL;
}

int loop_reopen(struct loop *l, struct err *err)
{
	struct loop_timer *next;

	for (struct loop_timer *t = l->timers; t; t = next) {
		next = t->next;
		t->deadline = 0;
		t->next = NULL;
	}
	l->timers = NULL;
	/* what is left of the parent's batch is the parent's */
	l->batch_pos = l->batch_len = 0;
	close(l->epfd);
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0)
		return err_sys(err, errno, "epoll_create1");
	return 0;
}

static int control(struct loop *l, int op, struct loop_watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	return epoll_ctl(l->epfd, op, w->fd, &ev);
}

int loop_add(struct loop *l, struct loop_watch *w, int fd, uint32_t events)
{
	w->fd = fd;
	if (control(l, EPOLL_CTL_ADD, w, events) < 0) {
		w->fd = -1;
		return -1;
	}
	return 0;
}

/* Change what a watch waits for. Return: 0, or -1 with errno. */
int loop_mod(struct loop *l, struct loop_watch *w, uint32_t events)
{
	return control(l, EPOLL_CTL_MOD, w, events);
}

/* Take a watch out, before its fd is closed. Harmless when it is not in. */
void loop_del(struct loop *l, struct loop_watch *w)
{
	if (w->fd < 0)
		return;
	control(l, EPOLL_CTL_DEL, w, 0);
	w->fd = -1;
	for (int i = l->batch_pos; i < l->batch_len; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
}

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t ms)
{
	struct loop_timer **at = &l->timers;

	loop_timer_cancel(l, t);
	t->deadline = now_ns() + ms * 1000000ULL;
	while (*at && (*at)->deadline <= t->deadline)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
}

/* Disarm. Harmless when it is not armed. */
void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	if (!t->deadline)
		return;
	for (struct loop_timer **at = &l->timers; *at; at = &(*at)->next) {
		if (*at == t) {
			*at = t->next;
			break;
		}
	}
	t->deadline = 0;
	t->next = NULL;
}

static int next_timeout(const struct loop *l, int timeout_ms)
{
	uint64_t now, ms;

	if (!l->timers)
		return timeout_ms;
	now = now_ns();
	if (l->timers->deadline <= now)
		return 0;
	ms = (l->timers->deadline - now + 999999) / 1000000;
	if (timeout_ms >= 0 && ms > (uint64_t)timeout_ms)
		return timeout_ms;
	return ms > 1000000 ? 1000000 : (int)ms;
}

static void run_timers(struct loop *l)
{
	uint64_t now = now_ns();

	while (l->timers && l->timers->deadline <= now) {
		struct loop_timer *t = l->timers;

		loop_timer_cancel(l, t);
		t->cb(t);
	}
}

int loop_once(struct loop *l, int timeout_ms)
{
	int n = epoll_wait(l->epfd, l->batch, LOOP_BATCH,
			   next_timeout(l, timeout_ms));

	if (n < 0 && errno != EINTR)
		return -1;
	l->batch_len = MAX(n, 0);
	for (l->batch_pos = 0; l->batch_pos < l->batch_len;) {
		struct epoll_event *ev = &l->batch[l->batch_pos++];
		struct loop_watch *w = ev->data.ptr;

		if (w)
			w->cb(w, ev->events);
	}
	l->batch_len = 0;
	run_timers(l);
	return 0;
}

int loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop)
		if (loop_once(l, -1) < 0)
			return -1;
	return 0;
}

/* Let loop_run() return after the current batch. */
void loop_stop(struct loop *l)
{
	l->stop = true;
}
