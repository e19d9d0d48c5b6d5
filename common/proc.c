/* SPDX-License-Identifier: MIT */
/*
 * common/proc.c - processes: start, identity, wait
 *
 * Any process of the host side.  Distrusts pids: one is acted upon only with
 * its start time or through a pidfd.
 */
#include "common/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

extern char **environ;

/* Everything from @from on is closed by the exec, the status pipe included. */
static void close_from(unsigned int from)
{
	struct dirent *e;
	DIR *d;

	if (syscall(SYS_close_range, from, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	/* a kernel before 5.11 */
	d = opendir("/proc/self/fd");
	if (!d)
		return;
	while ((e = readdir(d))) {
		int fd = atoi(e->d_name);

		if (fd >= (int)from)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	closedir(d);
}

static int set_fds(const struct proc_spawn *s, int *status)
{
	int high[ARRAY_SIZE(s->fds)];

	/* out of the way of the targets first */
	for (int i = 0; i < s->nfds; i++) {
		high[i] = s->fds[i] >= 0
			? fcntl(s->fds[i], F_DUPFD_CLOEXEC, 64)
			: open("/dev/null", O_RDWR | O_CLOEXEC);
		if (high[i] < 0)
			return -1;
	}
	*status = fcntl(*status, F_DUPFD_CLOEXEC, 64);
	if (*status < 0)
		return -1;
	for (int i = 0; i < s->nfds; i++)
		if (dup2(high[i], i) < 0)
			return -1;
	close_from((unsigned int)s->nfds);
	return 0;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: up to the exec. What fails is told through @status. */
static void child(const struct proc_spawn *s, pid_t parent, int status)
{
	int saved;

	if (s->new_session)
		setsid();
	if (s->die_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	reset_signals();
	if (set_fds(s, &status) == 0 && (!s->cwd || chdir(s->cwd) == 0)) {
		if (s->envp)
			environ = (char **)s->envp;
		execvp(s->argv[0], (char *const *)s->argv);
	}
	saved = errno;
	if (write(status, &saved, sizeof(saved)) < 0)
		_exit(126);
	_exit(127);
}

pid_t proc_spawn(const struct proc_spawn *s, int *pidfd, struct err *err)
{
	CLEANUP_FD int rd = -1;
	CLEANUP_FD int wr = -1;
	int status[2], failed = 0;
	pid_t parent = getpid(), pid;
	ssize_t n;

	BUG_ON(s->nfds > (int)ARRAY_SIZE(s->fds));
	if (pipe2(status, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	rd = status[0];
	wr = status[1];
	pid = fork();
	if (pid < 0)
		return err_sys(err, errno, "fork");
	if (pid == 0)
		child(s, parent, wr);
	close(steal_fd(&wr));
	n = TEMP_FAILURE_RETRY(read(rd, &failed, sizeof(failed)));
	if (n == 0 && pidfd) {
		*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (*pidfd < 0) {
			failed = errno;
			kill(pid, SIGKILL);
			n = sizeof(failed);
		}
	}
	if (n != 0) {
		TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
		return err_sys(err, n == sizeof(failed) ? failed : EIO, "%s",
			       s->argv[0]);
	}
	return pid;
}

uint64_t proc_start_time(pid_t pid)
{
	char path[64], stat[1024], *p;
	CLEANUP_FD int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, stat, sizeof(stat) - 1);
	if (n <= 0)
		return 0;
	stat[n] = '\0';
	/* the name may hold spaces and parentheses: go by the last one */
	p = strrchr(stat, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

int proc_open(pid_t pid, uint64_t start_time)
{
	CLEANUP_FD int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return -1;
	/* the pidfd pins the pid: what it is now it stays */
	if (proc_start_time(pid) != start_time) {
		errno = ESRCH;
		return -1;
	}
	return steal_fd(&fd);
}

/* pidfd_send_signal(2). Return: 0, or -1 with errno. */
int proc_signal(int pidfd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}
