/* SPDX-License-Identifier: MIT */
/*
 * cli/image-work-stale.c - what builds that were killed leave behind
 *
 * Runs in the CLI, and in a child that outlives it.  Distrusts the shared folder:
 * only folders of this user are looked at.  Nothing is touched whose owner lives:
 * it holds a lock.
 *
 * Theory of operation: the kernel ends a killed build's own children, but not
 * theirs (mmdebstrap's, in namespaces of their own or not). So a guard waits for
 * the end of a pipe, which is that of the build, and clears up. Where the guard
 * was killed as well, the next build does.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/image-work.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "common/proc.h"

#define CMDLINE_MAX (64 * KIB)

struct groups {
	pid_t v[16];
	size_t n;
};

/* Whether the process was started to work in @path: it is in its arguments. */
static bool works_in(int procfd, const char *pid, const char *path)
{
	CLEANUP_BUF struct buf args = { .max = CMDLINE_MAX + 16384 };
	char name[64];

	snprintf(name, sizeof(name), "%.32s/cmdline", pid);
	if (path_read_file(procfd, name, CMDLINE_MAX, &args, NULL) < 0)
		return false;
	return args.len && memmem(args.data, args.len, path, strlen(path));
}

static bool is_member(const struct groups *g, pid_t group)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i] == group)
			return true;
	return false;
}

/*
 * Helpers run in process groups of their own. Find those in which a program
 * names @path, then end all in them: also those under other user ids, which the
 * kernel lets us, since their user namespace is ours (user_namespaces(7)).
 */
static void each_process(struct groups *g, const char *path, bool end)
{
	CLEANUP_DIR DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc))) {
		pid_t pid = (pid_t)atoi(e->d_name);
		uint64_t start = pid > 1 ? proc_start_time(pid) : 0;
		pid_t group = start ? getpgid(pid) : -1;
		CLEANUP_FD int fd = -1;

		if (group <= 1 || group == getpgrp())
			continue;
		if (!end) {
			if (g->n < ARRAY_SIZE(g->v) && !is_member(g, group) &&
			    works_in(dirfd(proc), e->d_name, path))
				g->v[g->n++] = group;
		} else if (is_member(g, group)) {
			fd = proc_open(pid, start);
			if (fd >= 0)
				proc_signal(fd, SIGKILL);
		}
	}
}

/* Again and again, as they may just be starting others. */
static void end_programs(const char *path)
{
	for (int i = 0; i < 50; i++) {
		struct groups g = { .n = 0 };

		each_process(&g, path, false);
		if (!g.n)
			return;
		each_process(&g, path, true);
		usleep(20000);
	}
}

/* Whether nobody holds its lock. */
static bool is_stale(const char *path)
{
	CLEANUP_FREE char *private = NULL;
	CLEANUP_FD int fd = -1;
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
	    st.st_uid != geteuid() ||
	    asprintf(&private, "%s/private", path) < 0)
		return false;
	fd = open(private, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT && st.st_mtime + 60 < time(NULL);
	return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* See image-work.h. */
void work_remove_stale(const char *tmp)
{
	CLEANUP_DIR DIR *d = opendir(tmp);
	char path[PATH_MAX];
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, WORK_PREFIX, strlen(WORK_PREFIX)) ||
		    snprintf(path, sizeof(path), "%s/%s", tmp, e->d_name) >=
			    (int)sizeof(path) ||
		    !is_stale(path))
			continue;
		log_info("removing %s, which a killed build left", path);
		end_programs(path);
		work_remove(path, NULL);
	}
}

/* The child: without our descriptors, so that it holds no lock and no pipe, and
 * out of Ctrl-C's way. */
static void guard(const char *path, int rd) __attribute__((noreturn));
static void guard(const char *path, int rd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char c;

	setsid();
	prctl(PR_SET_NAME, "podflare-guard");
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	if (null < 0 || dup2(rd, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(null, 2) < 0)
		_exit(1);
	/* a kernel before 5.9: there are not many */
	if (syscall(SYS_close_range, 3, ~0U, 0) < 0)
		for (int fd = 3; fd < 1024; fd++)
			close(fd);
	/* nothing is ever written: this is its end */
	while (read(0, &c, 1) < 0 && errno == EINTR)
		;
	if (access(path, F_OK) == 0) {
		end_programs(path);
		work_remove(path, NULL);
	}
	_exit(0);
}

/* See image-work.h. */
int work_guard(struct work *w, struct err *err)
{
	CLEANUP_FD int rd = -1;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	rd = fds[0];
	w->guard_fd = fds[1];
	w->guard = fork();
	if (w->guard == 0)
		guard(w->path, rd);
	return w->guard < 0 ? err_sys(err, errno, "fork") : 0;
}
