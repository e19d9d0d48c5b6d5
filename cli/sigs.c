/* SPDX-License-Identifier: MIT */
/*
 * cli/sigs.c - signals as events of a poll loop
 *
 * Runs in the CLI, which has one thread.
 */
#include "cli/sigs.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int watched[] = { SIGINT, SIGTERM, SIGHUP,
			       SIGQUIT, SIGWINCH, SIGCONT };
#define NR_ENDING 4	/* of them, the first ones */

static int open_first(struct sigs *s, size_t n, struct err *err)
{
	struct sigaction sa;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		sigaddset(&set, watched[i]);
	/* nohup(1) means it; for the others see CMD_SIGNALS */
	if (!sigaction(SIGHUP, NULL, &sa) && sa.sa_handler == SIG_IGN)
		sigdelset(&set, SIGHUP);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd < 0)
		return err_sys(err, errno, "signalfd");
	sigprocmask(SIG_BLOCK, &set, &s->old);
	return 0;
}

/* See sigs.h. */
int sigs_open(struct sigs *s, struct err *err)
{
	return open_first(s, ARRAY_SIZE(watched), err);
}

/* See sigs.h. */
int sigs_open_ending(struct sigs *s, struct err *err)
{
	return open_first(s, NR_ENDING, err);
}

/* See sigs.h. */
int sigs_read(struct sigs *s)
{
	struct signalfd_siginfo info;

	if (s->fd < 0 || read(s->fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

/* See sigs.h. */
void sigs_close(struct sigs *s)
{
	if (s->fd < 0)
		return;
	close(s->fd);
	s->fd = -1;
	sigprocmask(SIG_SETMASK, &s->old, NULL);
}
