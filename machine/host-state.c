/* SPDX-License-Identifier: MIT */
/*
 * machine/host-state.c - which machine is running, across supervisors
 *
 * Supervisor.  A file of "key=value" lines in the runtime folder.  Trusts it as
 * far as the folder is our own; a pid counts only with its start time.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "common/proc.h"
#include "machine/host.h"

#define FILE_NAME "state"
#define FILE_MAX 4096

static void set_value(struct host_state *st, const char *key, const char *v)
{
	if (strcmp(key, "pid") == 0)
		st->pid = (pid_t)strtol(v, NULL, 10);
	else if (strcmp(key, "start_time") == 0)
		st->start_time = strtoull(v, NULL, 10);
	else if (strcmp(key, "memory") == 0)
		st->memory = strtoull(v, NULL, 10);
	else if (strcmp(key, "started") == 0)
		st->started = strtoull(v, NULL, 10);
	else if (strcmp(key, "icount") == 0)
		st->icount = strcmp(v, "1") == 0;
	else if (strcmp(key, "key") == 0)
		snprintf(st->key, sizeof(st->key), "%s", v);
	else if (strcmp(key, "version") == 0)
		snprintf(st->version, sizeof(st->version), "%s", v);
}

/* A process that has ended and waits for its parent has a pidfd all the same. */
static bool has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

int host_state_load(struct host_state *st, int dirfd, int *pidfd)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_FD int fd = -1;
	char *line, *save = NULL, *eq;

	memset(st, 0, sizeof(*st));
	errno = ESRCH;
	if (path_read_file(dirfd, FILE_NAME, FILE_MAX, &text, NULL) < 0 ||
	    !text.len)
		return -1;
	for (line = strtok_r((char *)text.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		eq = strchr(line, '=');
		if (!eq)
			continue;
		*eq = '\0';
		set_value(st, line, eq + 1);
	}
	if (st->pid <= 1 || !st->start_time)
		return -1;
	fd = proc_open(st->pid, st->start_time);
	if (fd < 0 || has_ended(fd)) {
		errno = ESRCH;
		return -1;
	}
	*pidfd = steal_fd(&fd);
	return 0;
}

int host_state_save(const struct host_state *st, int dirfd, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	if (buf_printf(&b, "pid=%d\nstart_time=%llu\nmemory=%llu\nstarted=%llu\n"
		       "icount=%d\nkey=%s\nversion=%s\n", (int)st->pid,
		       (unsigned long long)st->start_time,
		       (unsigned long long)st->memory,
		       (unsigned long long)st->started, st->icount, st->key,
		       st->version) < 0)
		return err_sys(err, errno, "machine state");
	return path_write_file(dirfd, FILE_NAME, b.data, b.len, 0600, err);
}
