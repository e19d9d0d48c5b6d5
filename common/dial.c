/* SPDX-License-Identifier: MIT */
/*
 * common/dial.c - reach the runner of this user on this host
 *
 * Client side, one thread, blocking.  Distrusts the socket's other end: it must
 * be a process of our own user.  See dial.h for how starting works.
 */
#include "common/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/path.h"
#include "common/proc.h"

#define START_TIMEOUT_MS 60000
#define LOCK_NAME "runner.start.lock"

static int connect_checked(int dirfd, const char *name, struct err *err)
{
	CLEANUP_FD int fd = path_connect_unix(dirfd, name, SOCK_STREAM, err);

	if (fd < 0 || fdpass_check_peer(fd, NULL, err) < 0)
		return -1;
	return steal_fd(&fd);
}

/* The daemon's one line: "ready", or "error CODE MESSAGE\x1fHINT". */
static int parse_ready(char *line, struct err *err)
{
	char *code, *msg, *hint;

	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "ready") == 0)
		return 0;
	if (strncmp(line, "error ", 6) != 0) {
		err_set(err, ERR_UNAVAILABLE,
			"podflared ended before it was ready");
		return err_hint(err, "its log is podflared.log in the state "
				"folder ($XDG_STATE_HOME/podflare)");
	}
	code = line + 6;
	msg = strchr(code, ' ');
	if (!msg)
		return err_set(err, ERR_PROTOCOL, "podflared: %s", line);
	*msg++ = '\0';
	hint = strchr(msg, '\x1f');
	if (hint)
		*hint++ = '\0';
	err_set(err, err_code_parse(code), "%s", msg);
	if (hint && *hint)
		err_hint(err, "%s", hint);
	return -1;
}

static int wait_ready(int rd, struct err *err)
{
	char line[2048] = "";
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(line) - 1 && !memchr(line, '\n', len)) {
		struct pollfd p = { .fd = rd, .events = POLLIN };

		n = TEMP_FAILURE_RETRY(poll(&p, 1, START_TIMEOUT_MS));
		if (n == 0)
			return err_set(err, ERR_TIMEOUT,
				       "podflared did not get ready in %d s",
				       START_TIMEOUT_MS / 1000);
		n = TEMP_FAILURE_RETRY(read(rd, line + len,
					    sizeof(line) - 1 - len));
		if (n < 0)
			return err_sys(err, errno, "podflared");
		if (n == 0)
			break;
		len += (size_t)n;
	}
	line[len] = '\0';
	return parse_ready(line, err);
}

static int start_runner(struct err *err)
{
	CLEANUP_FREE char *program = path_program("podflared", err);
	CLEANUP_FD int rd = -1;
	CLEANUP_FD int wr = -1;
	const char *argv[] = { program, NULL };
	struct proc_spawn s = { .argv = argv, .cwd = "/",
				.nfds = 3, .new_session = true };
	int fds[2];

	if (!program)
		return -1;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	rd = fds[0];
	wr = fds[1];
	s.fds[0] = -1;
	s.fds[1] = wr;
	s.fds[2] = -1;
	if (proc_spawn(&s, NULL, err) < 0)
		return -1;
	close(steal_fd(&wr));
	return wait_ready(rd, err);
}

static bool nobody_answers(const struct err *err)
{
	return err->sys == ECONNREFUSED || err->sys == ENOENT;
}

int dial_runner(const char *path, bool start, struct err *err)
{
	CLEANUP_FREE char *dir = NULL;
	CLEANUP_FD int dirfd = -1;
	CLEANUP_FD int lock = -1;
	struct err first = ERR_INIT;
	int fd;

	if (path)
		return connect_checked(AT_FDCWD, path, err);
	dir = path_place(PATH_RUNTIME, NULL, true, err);
	if (!dir)
		return -1;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_sys(err, errno, "%s", dir);
	fd = connect_checked(dirfd, RUNNER_SOCKET, &first);
	if (fd >= 0)
		return fd;
	if (!start || !nobody_answers(&first)) {
		if (err)
			*err = first;
		if (err && nobody_answers(&first))
			err_set(err, ERR_UNAVAILABLE, "no runner is running");
		return -1;
	}
	lock = openat(dirfd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || TEMP_FAILURE_RETRY(flock(lock, LOCK_EX)) < 0)
		return err_sys(err, errno, "%s/%s", dir, LOCK_NAME);
	/* somebody else may have started it while we waited */
	fd = connect_checked(dirfd, RUNNER_SOCKET, &first);
	if (fd >= 0)
		return fd;
	if (start_runner(err) < 0)
		return err_context(err, "cannot start the runner");
	return connect_checked(dirfd, RUNNER_SOCKET, err);
}
