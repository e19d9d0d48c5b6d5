/* SPDX-License-Identifier: MIT */
/*
 * tests/fake/fake-fork.c - plays CTL_FORK, with real processes
 *
 * How it goes depends on the memory of the fake VMM:
 *
 *	150 MiB	it is refused
 *	152 MiB	the second child that runs fails
 *	154 MiB	the first child that runs dies at once
 *	156 MiB	its pid is told wrong
 *	158 MiB	there is never an answer
 *	160 MiB	the disk's top was untouched
 *	162 MiB	the VMM dies when the children are there
 *	164 MiB	the answer tells of one child more
 *	166 MiB	the child that is held fails
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "tests/fake/fake-agent.h"

#define CHILD_FDS 5	/* socket, console, exit record, log, layer */

static atomic_bool new_copy;

bool fake_is_copy(void)
{
	return atomic_exchange(&new_copy, false);
}

/* In the child: what is not its own is closed. */
static void become(const int *own, bool held, int ready)
{
	int keep[CHILD_FDS + 1];

	/* out of the way of the numbers that they get */
	for (int i = 0; i < CHILD_FDS; i++)
		keep[i] = fcntl(own[i], F_DUPFD_CLOEXEC, 400);
	keep[CHILD_FDS] = fcntl(ready, F_DUPFD_CLOEXEC, 400);
	close_range(3, 399, 0);
	dup2(keep[0], CTL_LISTEN_FD);
	close(keep[0]);
	vmm.conn = -1;
	vmm.console_fd = keep[1];
	vmm.exit_fd = keep[2];
	/* an untouched top is the source's alone */
	if (fake_is_mode(160) || vmm.state == CTL_STATE_HELD)
		fake_drop_layer();
	fake_push_layer(keep[4]);
	vmm.state = held ? CTL_STATE_HELD : CTL_STATE_RUNNING;
	vmm.up_at = 0;
	vmm.restored = false;
	vmm.forked = true;
	new_copy = true;
	alarm(1);	/* nobody may come for it */
	if (listen(CTL_LISTEN_FD, 8) < 0 || write(keep[CHILD_FDS], "", 1) != 1)
		_exit(1);
	close(keep[CHILD_FDS]);
}

/* Return: the child's pid, 0 in it. */
static pid_t make(const int *own, bool held)
{
	int ready[2];
	pid_t pid;
	char c;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ready[0]);
		if (vmm.wire >= 0)
			close(vmm.wire);
		vmm.wire = -1;
		become(own, held, ready[1]);
		return 0;
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

void fake_fork(const struct ctl_fork *m, const int *fds, size_t nfds)
{
	struct ctl_forked r = { .h = { CTL_MAGIC, CTL_FORKED, m->h.seq },
				.n = m->n, .pause_ns = 1000000 };
	unsigned int running = 0;

	signal(SIGCHLD, SIG_IGN);
	if (nfds != 1 + m->n * CHILD_FDS) {
		fake_reply(m->h.seq, EINVAL, "fake: wrong files", -1);
		return;
	}
	if (fake_is_mode(150)) {
		fake_reply(m->h.seq, ENOMEM, "fake: no memory for it", -1);
		return;
	}
	for (unsigned int i = 0; i < m->n; i++) {
		bool held = m->flags[i] & CTL_FORK_HOLD;
		pid_t pid;

		running += !held;
		if ((fake_is_mode(152) && running == 2) ||
		    (fake_is_mode(166) && held)) {
			r.error[i] = ENOMEM;
			strcpy(r.detail, "fake: this one failed");
			continue;
		}
		pid = make(fds + 1 + i * CHILD_FDS, held);
		if (pid == 0)
			return;
		r.pid[i] = (uint32_t)pid;
		if (fake_is_mode(154) && !held && running == 1)
			kill(pid, SIGKILL);
		if (fake_is_mode(156) && !held && running == 1)
			r.pid[i] = (uint32_t)getpid();
	}
	if (fake_is_mode(162))
		_exit(5);
	r.kept_top = fake_is_mode(160);
	if (!r.kept_top && vmm.state != CTL_STATE_HELD)
		fake_push_layer(fds[0]);
	r.n += fake_is_mode(164);
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	if (!fake_is_mode(158))
		fdpass_send(vmm.conn, &r, sizeof(r), NULL, 0);
}
