/* SPDX-License-Identifier: MIT */
/*
 * cli/machine-client.c - the emulated machine's supervisor, as a client
 *
 * Runs in the CLI, blocking.  Distrusts the socket's other end: it must be a
 * process of our own user.
 *
 * Theory of operation: as common/dial.c has it for the runner: connect; when
 * nobody answers, take the lock, try again, start a supervisor and read its
 * lines until it is ready.  When we end before that, it undoes the start.
 */
#include "cli/machine-client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/machine-spawn.h"
#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/path.h"

#define SOCKET_NAME "machine.sock"
#define START_LOCK "start.lock"
#define LOCK_NAME "lock"
#define ANSWER_MS 180000	/* a runner may have to start inside */
#define STOP_MS 300000		/* sandboxes inside are being stopped */
#define LINE_MAX_LEN 2048

static int open_dir(struct err *err)
{
	CLEANUP_FREE char *dir = path_place(PATH_RUNTIME, "machine", true, err);
	int fd;

	if (!dir)
		return -1;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_sys(err, errno, "%s", dir);
}

static int try_connect(int dirfd, struct err *err)
{
	CLEANUP_FD int fd = path_connect_unix(dirfd, SOCKET_NAME, SOCK_STREAM,
					      err);

	if (fd < 0 || fdpass_check_peer(fd, NULL, err) < 0)
		return -1;
	return steal_fd(&fd);
}

static bool nobody_answers(const struct err *err)
{
	return err->sys == ECONNREFUSED || err->sys == ENOENT;
}

/* A machine whose supervisor was killed runs on: it has a state file. */
static bool may_run(int dirfd)
{
	return faccessat(dirfd, "state", F_OK, 0) == 0;
}

static int start_locked(int dirfd, const struct machine_start *how,
			struct err *err)
{
	CLEANUP_FD int lock = openat(dirfd, START_LOCK,
				     O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct err why = ERR_INIT;
	int fd;

	if (lock < 0 || TEMP_FAILURE_RETRY(flock(lock, LOCK_EX)) < 0)
		return err_sys(err, errno, START_LOCK);
	/* somebody else may have started it while we waited */
	fd = try_connect(dirfd, &why);
	if (fd >= 0)
		return fd;
	if (!how->start && !may_run(dirfd))
		return err_set(err, ERR_UNAVAILABLE,
			       "the emulated machine is not running");
	if (machine_spawn(how, err) < 0)
		return -1;
	return try_connect(dirfd, err);
}

static int connect_supervisor(const struct machine_start *how, struct err *err)
{
	CLEANUP_FD int dirfd = open_dir(err);
	struct err why = ERR_INIT;
	int fd;

	if (dirfd < 0)
		return -1;
	fd = try_connect(dirfd, &why);
	if (fd >= 0)
		return fd;
	if (nobody_answers(&why))
		return start_locked(dirfd, how, err);
	if (err)
		*err = why;
	return -1;
}

/* See machine-client.h. */
int machine_request(const char *kind, const struct machine_start *how,
		    struct err *err)
{
	CLEANUP_FD int fd = connect_supervisor(how, err);
	char line[64];
	int n = snprintf(line, sizeof(line), "%s\n", kind);

	if (fd < 0)
		return -1;
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		return err_sys(err, errno, "the machine's supervisor");
	return steal_fd(&fd);
}

/* One line, byte by byte: what follows it is the stream's. */
static int read_line(int fd, char *line, size_t size, int timeout_ms,
		     struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	ssize_t n;

	while (len < size - 1) {
		n = TEMP_FAILURE_RETRY(poll(&p, 1, timeout_ms));
		if (n == 0)
			return err_set(err, ERR_TIMEOUT,
				       "the emulated machine: no answer in "
				       "%d s", timeout_ms / 1000);
		n = TEMP_FAILURE_RETRY(read(fd, line + len, 1));
		if (n <= 0) {
			err_set(err, ERR_UNAVAILABLE,
				"the emulated machine has ended");
			if (err)
				err->sys = ECONNRESET;
			return -1;
		}
		if (line[len] == '\n')
			break;
		len++;
	}
	line[len] = '\0';
	return 0;
}

/* See machine-client.h. */
int machine_answer(int fd, int timeout_ms, struct err *err)
{
	char line[LINE_MAX_LEN];

	if (read_line(fd, line, sizeof(line), timeout_ms, err) < 0)
		return -1;
	return machine_parse_answer(line, err);
}

/* See machine-client.h. */
int machine_await_end(int timeout_ms, struct err *err)
{
	CLEANUP_FD int dirfd = open_dir(err);
	CLEANUP_FD int lock = -1;

	if (dirfd < 0)
		return -1;
	lock = openat(dirfd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0)
		return err_sys(err, errno, LOCK_NAME);
	for (int ms = 0; ms < timeout_ms; ms += 20) {
		if (flock(lock, LOCK_EX | LOCK_NB) == 0)
			return 0;
		poll(NULL, 0, 20);
	}
	return err_set(err, ERR_TIMEOUT,
		       "the emulated machine did not power off in %d s",
		       timeout_ms / 1000);
}

/* @again: set when the machine ended, or is about to, before it answered. */
static int open_once(const char *kind, const struct machine_start *how,
		     bool *again, struct err *err)
{
	CLEANUP_FD int fd = machine_request(kind, how, err);

	if (fd < 0)
		return -1;
	if (machine_answer(fd, ANSWER_MS, err) < 0) {
		*again = err->code == ERR_STATE || err->sys == ECONNRESET;
		return -1;
	}
	return steal_fd(&fd);
}

/* See machine-client.h. */
int machine_open(const char *kind, const struct machine_start *how,
		 struct err *err)
{
	struct err why = ERR_INIT;
	bool again = false;
	int fd = open_once(kind, how, &again, &why);

	if (fd < 0 && again && how->start) {
		if (machine_await_end(STOP_MS, err) < 0)
			return -1;
		why = (struct err)ERR_INIT;
		fd = open_once(kind, how, &again, &why);
	}
	if (fd < 0 && err)
		*err = why;
	return fd;
}
