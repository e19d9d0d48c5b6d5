/* SPDX-License-Identifier: MIT */
/*
 * runner/child.c - a helper program with a deadline
 *
 * podflared, loop thread.  The program is trusted for what it does and not for
 * coming back: it has a deadline, and only the end of what it says is kept.
 */
#include "runner/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/proc.h"

struct child {
	struct loop *loop;
	struct loop_watch exit;		/* the pidfd */
	struct loop_watch output;	/* its stderr */
	struct loop_timer deadline;
	char said[512];
	size_t len;
	char name[64];
	bool late;
	child_cb cb;
	void *arg;
};

static void release(struct child *c)
{
	int fds[] = { c->exit.fd, c->output.fd };

	loop_timer_cancel(c->loop, &c->deadline);
	loop_del(c->loop, &c->exit);
	loop_del(c->loop, &c->output);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(c);
}

/* Keep the newest bytes. Return: false at the end. */
static bool read_output(struct child *c)
{
	char part[256];
	ssize_t n = read(c->output.fd, part, sizeof(part));
	size_t keep;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	keep = MIN(c->len, sizeof(c->said) - 1 - (size_t)n);
	memmove(c->said, c->said + c->len - keep, keep);
	memcpy(c->said + keep, part, (size_t)n);
	c->len = keep + (size_t)n;
	return true;
}

static void output_event(struct loop_watch *w, uint32_t events)
{
	struct child *c = container_of(w, struct child, output);
	int fd = w->fd;

	if (read_output(c))
		return;
	loop_del(c->loop, w);
	close(fd);
}

static const char *last_line(struct child *c)
{
	char *nl;

	c->said[c->len] = '\0';
	while (c->len && strchr("\r\n ", c->said[c->len - 1]))
		c->said[--c->len] = '\0';
	nl = strrchr(c->said, '\n');
	return nl ? nl + 1 : c->said;
}

static void exit_event(struct loop_watch *w, uint32_t events)
{
	struct child *c = container_of(w, struct child, exit);
	struct err err = ERR_INIT;
	siginfo_t si = { 0 };
	const char *why;

	if (waitid(P_PIDFD, (id_t)w->fd, &si, WEXITED | WNOHANG) < 0 ||
	    si.si_pid == 0)
		return;
	if (c->output.fd >= 0)
		read_output(c);
	why = last_line(c);
	if (c->late)
		err_set(&err, ERR_TIMEOUT, "%s took too long", c->name);
	else if (si.si_code != CLD_EXITED)
		err_set(&err, ERR_FAILED, "%s was killed by signal %d",
			c->name, si.si_status);
	else if (si.si_status)
		err_set(&err, ERR_FAILED, "%s failed: %s", c->name,
			*why ? why : "it said nothing");
	c->cb(c->arg, err.code ? &err : NULL);
	release(c);
}

static void deadline_cb(struct loop_timer *t)
{
	struct child *c = container_of(t, struct child, deadline);

	c->late = true;
	proc_signal(c->exit.fd, SIGKILL);
}

struct child *child_start(struct loop *l, const char *const *argv,
			  unsigned int timeout_ms, child_cb cb, void *arg,
			  struct err *err)
{
	struct child *c = calloc(1, sizeof(*c));
	const char *slash = strrchr(argv[0], '/');
	struct proc_spawn s = {
		.argv = argv, .fds = { -1, -1, -1 }, .nfds = 3,
		.die_with_parent = true,
	};
	CLEANUP_FD int wr = -1;
	int pipefd[2], pidfd;

	if (!c || pipe2(pipefd, O_CLOEXEC | O_NONBLOCK) < 0) {
		err_sys(err, c ? errno : ENOMEM, "%s", argv[0]);
		free(c);
		return NULL;
	}
	wr = pipefd[1];
	s.fds[2] = wr;
	c->loop = l;
	c->cb = cb;
	c->arg = arg;
	c->exit.cb = exit_event;
	c->exit.fd = -1;
	c->output.cb = output_event;
	c->deadline.cb = deadline_cb;
	snprintf(c->name, sizeof(c->name), "%s", slash ? slash + 1 : argv[0]);
	if (loop_add(l, &c->output, pipefd[0], EPOLLIN) < 0) {
		err_sys(err, errno, "%s", argv[0]);
		close(pipefd[0]);
		release(c);
		return NULL;
	}
	if (proc_spawn(&s, &pidfd, err) < 0) {
		release(c);
		return NULL;
	}
	if (loop_add(l, &c->exit, pidfd, EPOLLIN) < 0) {
		err_sys(err, errno, "%s", argv[0]);
		proc_signal(pidfd, SIGKILL);
		waitid(P_PIDFD, (id_t)pidfd, NULL, WEXITED);
		close(pidfd);
		release(c);
		return NULL;
	}
	loop_timer_set(l, &c->deadline, timeout_ms);
	return c;
}

void child_cancel(struct child *c)
{
	proc_signal(c->exit.fd, SIGKILL);
	/* a killed process is gone within microseconds: no zombie is left */
	waitid(P_PIDFD, (id_t)c->exit.fd, NULL, WEXITED);
	release(c);
}
