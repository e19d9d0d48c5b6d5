/* SPDX-License-Identifier: MIT */
/*
 * runner/reap.c - children that nobody waits for
 *
 * podflared, loop thread.
 *
 * Theory of operation: VMMs make VMMs, and have the kernel reap them.  When one
 * ends, those that it has made become ours, as we ask for it (PR_SET_CHILD_
 * SUBREAPER): not every container's init reaps.  Whom we know is waited for by
 * its own part, within the turn of the loop in which its pidfd tells that it
 * ended.  Whoever has ended and is still there a while later is a stranger, a
 * copy that was never taken up: it is waited for here.
 */
#include "runner/reap.h"

#include <sys/wait.h>

#include "common/log.h"

#define AGAIN_MS 2000

/* Return: one that has ended, 0: none. It stays. */
static pid_t look(void)
{
	siginfo_t si = { 0 };

	if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0)
		return 0;
	return si.si_pid;
}

static void again(struct loop_timer *t)
{
	struct reaper *r = container_of(t, struct reaper, again);
	pid_t pid = look();

	while (pid && pid == r->seen) {
		log_info("process %d, which nobody knew, has ended", (int)pid);
		waitid(P_PID, (id_t)pid, NULL, WEXITED | WNOHANG);
		pid = look();
	}
	r->seen = pid;
	if (pid)
		loop_timer_set(r->loop, t, AGAIN_MS);
}

void reaper_init(struct reaper *r, struct loop *l)
{
	*r = (struct reaper){ .loop = l, .again = { .cb = again } };
}

void reaper_child(struct reaper *r)
{
	if (!r->again.deadline)
		loop_timer_set(r->loop, &r->again, AGAIN_MS);
}

void reaper_stop(struct reaper *r)
{
	loop_timer_cancel(r->loop, &r->again);
}
