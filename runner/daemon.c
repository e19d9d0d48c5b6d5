/* SPDX-License-Identifier: MIT */
/*
 * runner/daemon.c - how podflared begins: its log, its lock, its socket
 *
 * podflared, before the loop runs.
 */
#include "runner/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/dial.h"
#include "common/log.h"
#include "common/path.h"

#define LOG_NAME "podflared.log"
#define LOG_MAX (4 * 1024 * 1024)
#define LOCK_NAME "podflared.lock"
#define LOCK_TRIES 100
#define LOCK_PAUSE_MS 10
#define BACKLOG 128
#define LISTEN_FDS_START 3

int daemon_open_log(struct err *err)
{
	CLEANUP_FREE char *dir = path_place(PATH_STATE, NULL, true, err);
	CLEANUP_FD int dirfd = -1;
	CLEANUP_FD int fd = -1;
	struct stat st;

	if (!dir)
		return -1;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(err, errno, "%s", dir);
	if (fstatat(dirfd, LOG_NAME, &st, 0) == 0 && st.st_size > LOG_MAX)
		renameat(dirfd, LOG_NAME, dirfd, LOG_NAME ".1");
	fd = openat(dirfd, LOG_NAME, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		    0600);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		return err_sys(err, errno, "%s/" LOG_NAME, dir);
	return 0;
}

/* Say who holds it, for the error of the next one. */
static void sign_lock(int fd)
{
	CLEANUP_FREE char *runtime = path_place(PATH_RUNTIME, NULL, false, NULL);

	/* without the line that error only knows less */
	if (ftruncate(fd, 0) < 0 ||
	    dprintf(fd, "%d %s\n", (int)getpid(), runtime ? runtime : "") < 0)
		log_debug(LOCK_NAME ": %s", strerror(errno));
}

static int refuse_second(int fd, struct err *err)
{
	char line[PATH_MAX + 32];
	ssize_t n = pread(fd, line, sizeof(line) - 1, 0);
	int pid = 0, at = 0;

	line[MAX(n, 0)] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%d %n", &pid, &at) != 1 || pid <= 0 || !line[at])
		return err_set(err, ERR_EXISTS, "another podflared is running");
	err_set(err, ERR_EXISTS, "another podflared (process %d) is running",
		pid);
	return err_hint(err, "its socket is %.300s/" RUNNER_SOCKET ": set "
			"XDG_RUNTIME_DIR as it was set there, or end it with "
			"kill %d; sandboxes go on", line + at, pid);
}

static int lock_folder(int dirfd, struct err *err)
{
	CLEANUP_FD int fd = openat(dirfd, LOCK_NAME,
				   O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, errno, LOCK_NAME);
	/* a runner that was killed may leave it to a child that has not come
	 * to its exec yet */
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			sign_lock(fd);
			return steal_fd(&fd);
		}
		if (errno != EWOULDBLOCK)
			return err_sys(err, errno, LOCK_NAME);
		poll(NULL, 0, LOCK_PAUSE_MS);
	}
	return refuse_second(fd, err);
}

int daemon_lock(struct places *p, struct daemon_locks *locks, struct err *err)
{
	/* a second one in another runtime folder would end sandboxes whose
	 * sockets it cannot find */
	locks->data = lock_folder(p->data_fd, err);
	if (locks->data < 0)
		return -1;
	locks->runtime = lock_folder(p->runtime_fd, err);
	return locks->runtime < 0 ? -1 : 0;
}

/* sd_listen_fds(3): one socket, if it is meant for this process. */
static int passed_socket(void)
{
	const char *n = getenv("LISTEN_FDS");
	const char *pid = getenv("LISTEN_PID");

	if (!n || !pid || strcmp(n, "1") != 0 ||
	    strtol(pid, NULL, 10) != (long)getpid())
		return -1;
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	if (fcntl(LISTEN_FDS_START, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(LISTEN_FDS_START, F_SETFL, O_NONBLOCK) < 0)
		return -1;
	return LISTEN_FDS_START;
}

int daemon_listen(struct places *p, bool *own, struct err *err)
{
	CLEANUP_FD int fd = passed_socket();

	*own = fd < 0;
	if (fd >= 0)
		return steal_fd(&fd);
	fd = path_bind_unix(p->runtime_fd, RUNNER_SOCKET,
			    SOCK_STREAM | SOCK_NONBLOCK, err);
	if (fd < 0)
		return -1;
	if (listen(fd, BACKLOG) < 0)
		return err_sys(err, errno, RUNNER_SOCKET);
	return steal_fd(&fd);
}

void daemon_report(const struct err *err)
{
	char line[sizeof(err->msg) + sizeof(err->hint) + 64];
	CLEANUP_FD int null = -1;
	int n;

	if (err)
		n = snprintf(line, sizeof(line), "error %s %s\x1f%s\n",
			     err_code_name(err->code), err->msg, err->hint);
	else
		n = snprintf(line, sizeof(line), "ready\n");
	/* whoever started us may be gone: then nobody is to be told */
	if (write(STDOUT_FILENO, line, (size_t)n) < 0 && errno != EPIPE &&
	    errno != EBADF)
		perror("podflared");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDOUT_FILENO);
}
