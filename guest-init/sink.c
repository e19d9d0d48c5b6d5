/* SPDX-License-Identifier: MIT */
/*
 * guest-init/sink.c - output of daemons whose command has ended
 *
 * Pid 1.
 */
#include "guest-init/sink.h"

#include <errno.h>
#include <unistd.h>

struct sink {
	struct loop_watch watch;
	struct agent *agent;
	struct sink *next;	/* newest first */
	int fd;
};

static void drop(struct sink *s)
{
	struct sink **at = &s->agent->sinks;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	loop_del(&s->agent->loop, &s->watch);
	close(s->fd);
	free(s);
}

static void on_output(struct loop_watch *w, uint32_t events)
{
	struct sink *s = container_of(w, struct sink, watch);
	char junk[16384];
	ssize_t n = read(s->fd, junk, sizeof(junk));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		drop(s);
}

void sink_add(struct agent *a, int fd)
{
	struct sink *s = calloc(1, sizeof(*s));
	unsigned int n = 0;

	if (!s) {
		close(fd);
		return;
	}
	s->agent = a;
	s->fd = fd;
	s->watch = (struct loop_watch){ .fd = -1, .cb = on_output };
	s->next = a->sinks;
	a->sinks = s;
	if (loop_add(&a->loop, &s->watch, fd, EPOLLIN) < 0) {
		drop(s);
		return;
	}
	for (struct sink *old = a->sinks; old; old = old->next)
		if (++n > SINKS_MAX && !old->next) {
			drop(old);
			return;
		}
}

void sink_free_all(struct agent *a)
{
	while (a->sinks)
		drop(a->sinks);
}
