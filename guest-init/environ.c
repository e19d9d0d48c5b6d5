/* SPDX-License-Identifier: MIT */
/*
 * guest-init/environ.c - a command's environment, and finding its program
 *
 * A forked child of pid 1 that is about to execute the command; memory is never
 * freed, since what follows is execve(2) or the end.
 */
#include "guest-init/environ.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

static size_t key_len(const char *assignment)
{
	return strcspn(assignment, "=");
}

static char **find(const struct environment *e, const char *key, size_t len)
{
	for (size_t i = 0; i < e->len; i++)
		if (key_len(e->vars[i]) == len &&
		    memcmp(e->vars[i], key, len) == 0)
			return &e->vars[i];
	return NULL;
}

int environ_put(struct environment *e, char *assignment)
{
	char **old = find(e, assignment, key_len(assignment));
	char **vars;

	if (old && strchr(assignment, '=')) {
		*old = assignment;
		return 0;
	}
	if (old) {
		*old = e->vars[--e->len];
		e->vars[e->len] = NULL;
		return 0;
	}
	if (!strchr(assignment, '='))
		return 0;
	if (e->len + 1 >= e->cap) {
		e->cap = e->cap ? e->cap * 2 : 32;
		vars = realloc(e->vars, e->cap * sizeof(*vars));
		if (!vars)
			return -1;
		e->vars = vars;
	}
	e->vars[e->len++] = assignment;
	e->vars[e->len] = NULL;
	return 0;
}

const char *environ_get(const struct environment *e, const char *name)
{
	char **at = find(e, name, strlen(name));

	return at ? *at + strlen(name) + 1 : NULL;
}

static int put_pair(struct environment *e, const char *key, const char *value)
{
	char *assignment;

	if (asprintf(&assignment, "%s=%s", key, value) < 0) {
		errno = ENOMEM;
		return -1;
	}
	return environ_put(e, assignment);
}

int environ_base(struct environment *e, const struct user *u, bool tty)
{
	const char *const base[][2] = {
		{ "PATH", DEFAULT_PATH },	{ "HOME", u->home },
		{ "USER", u->name },		{ "LOGNAME", u->name },
		{ "SHELL", u->shell },		{ "LANG", "C.UTF-8" },
		{ "TERM", tty ? "xterm" : "dumb" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(base); i++)
		if (put_pair(e, base[i][0], base[i][1]) < 0)
			return -1;
	return 0;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int refused(const char *program, int sys, struct err *err)
{
	/* ENOENT of a file that is there: it names an interpreter that is not */
	if (sys == ENOENT && is_file(program)) {
		err_set(err, ERR_NOT_FOUND,
			"%s: its interpreter or loader is missing", program);
		return EXIT_NOT_EXECUTABLE;
	}
	err_sys(err, sys, "%s", program);
	return sys == ENOENT || sys == ENOTDIR ? EXIT_NOT_FOUND
					       : EXIT_NOT_EXECUTABLE;
}

/* Look in every folder of PATH; one that may not be executed is remembered, in
 * case that nothing better comes. */
static int exec_in_path(const struct environment *e, const char *program,
			char *const argv[], struct err *err)
{
	const char *dir = environ_get(e, "PATH");
	char path[PATH_MAX], denied[PATH_MAX] = "";

	for (dir = dir ? dir : DEFAULT_PATH; dir; dir += *dir == ':') {
		int len = (int)strcspn(dir, ":");
		int n = snprintf(path, sizeof(path), "%.*s%s%s", len, dir,
				 len ? "/" : "./", program);

		dir += len;
		if (n > 0 && (size_t)n < sizeof(path)) {
			execve(path, argv, e->vars);
			if (errno == EACCES && is_file(path))
				strcpy(denied, path);
			else if (errno != ENOENT && errno != ENOTDIR &&
				 errno != EACCES)
				return refused(path, errno, err);
			else if (errno == ENOENT && is_file(path))
				return refused(path, ENOENT, err);
		}
		if (!*dir)
			break;
	}
	if (denied[0])
		return refused(denied, EACCES, err);
	err_set(err, ERR_NOT_FOUND, "%s: command not found", program);
	return EXIT_NOT_FOUND;
}

int environ_exec(const struct environment *e, const char *program,
		 char *const argv[], struct err *err)
{
	if (!program[0] || !strchr(program, '/'))
		return exec_in_path(e, program, argv, err);
	execve(program, argv, e->vars);
	return refused(program, errno, err);
}
