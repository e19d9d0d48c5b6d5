/* SPDX-License-Identifier: MIT */
/*
 * cli/image-work.c - a temporary folder that helper programs can reach
 *
 * Runs in the CLI.  The folder's name is unguessable and its parent is sticky.
 */
#include "cli/image-work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "common/proc.h"

/* See image-work.h. */
int work_open(struct work *w, struct err *err)
{
	const char *tmp = getenv("TMPDIR");

	if (!tmp || tmp[0] != '/')
		tmp = "/var/tmp";
	work_remove_stale(tmp);
	if (asprintf(&w->path, "%s/" WORK_PREFIX "XXXXXX", tmp) < 0)
		return err_sys(err, ENOMEM, "temporary folder");
	if (!mkdtemp(w->path)) {
		err_sys(err, errno, "%s", w->path);
		free(w->path);
		w->path = NULL;
		return err_hint(err, "set TMPDIR to a folder that every user "
				"may pass through");
	}
	if (asprintf(&w->private, "%s/private", w->path) < 0) {
		w->private = NULL;
		return err_sys(err, ENOMEM, "temporary folder");
	}
	if (chmod(w->path, 0711) < 0 || mkdir(w->private, 0700) < 0)
		return err_sys(err, errno, "%s", w->private);
	w->fd = open(w->private, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->fd < 0)
		return err_sys(err, errno, "%s", w->private);
	if (work_guard(w, err) < 0)
		return -1;
	/* who holds this lock lives; see work_remove_stale() */
	flock(w->fd, LOCK_EX | LOCK_NB);
	if (setenv("TMPDIR", w->path, 1) < 0)
		return err_sys(err, errno, "TMPDIR");
	return 0;
}

/* Files of the user ids that mmdebstrap had: only under them they go. */
static void remove_foreign(const char *path)
{
	const char *const argv[] = { "mmdebstrap", "--unshare-helper", "rm",
				     "-rf", "--one-file-system", path, NULL };
	struct proc_spawn s = { .argv = argv, .fds = { -1, -1, -1 },
				.nfds = 3 };
	pid_t pid;

	/* they must be able to list it */
	chmod(path, 0755);
	pid = proc_spawn(&s, NULL, NULL);
	if (pid > 0)
		TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
}

/* See image-work.h. */
int work_remove(const char *path, struct err *err)
{
	/* a program that was killed may take a moment to end */
	for (int i = 0; i < 5; i++) {
		if (path_remove_tree(AT_FDCWD, path, NULL) == 0)
			return 0;
		if (geteuid() != 0)
			remove_foreign(path);
		if (path_remove_tree(AT_FDCWD, path, NULL) == 0)
			return 0;
		usleep(200000);
	}
	return path_remove_tree(AT_FDCWD, path, err);
}

/* See image-work.h. */
void work_close(struct work *w)
{
	struct err err = ERR_INIT;

	if (w->path && work_remove(w->path, &err) < 0)
		log_warn("%s is left behind: %s", w->path, err.msg);
	if (w->fd >= 0)
		close(w->fd);
	if (w->guard_fd >= 0)
		close(w->guard_fd);
	if (w->guard > 0)
		TEMP_FAILURE_RETRY(waitpid(w->guard, NULL, 0));
	free(w->path);
	free(w->private);
	*w = (struct work)WORK_INIT;
}
