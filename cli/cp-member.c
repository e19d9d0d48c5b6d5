/* SPDX-License-Identifier: MIT */
/*
 * cli/cp-member.c - names in a hostile archive, and what they lead to
 *
 * Runs in the CLI.  Distrusts every name.  The words are checked first, and the
 * kernel holds the line after that: openat2(2) with RESOLVE_BENEATH and
 * RESOLVE_NO_SYMLINKS, so that what stands on the disk cannot lead out either.
 */
#include "cli/cp-member.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

/* See cp-member.h. */
void member_free(struct member *m)
{
	free(m->path);
	m->path = NULL;
}

static int bad_name(const char *name, const char *why, struct err *err)
{
	err_set(err, ERR_GUEST, "the sandbox sent a bad archive: \"%.200s\" %s",
		name, why);
	return err_hint(err, "nothing of it was written outside of the "
			"destination");
}

static bool part_is(const char *part, size_t len, const char *word)
{
	return len == strlen(word) && !memcmp(part, word, len);
}

/* See cp-member.h. */
int member_parse(const char *name, const char *only, struct member *m,
		 struct err *err)
{
	const char *p = name;
	char *out;

	*m = (struct member){ 0 };
	if (*name == '/' || !*name)
		return bad_name(name, *name ? "is an absolute name"
					    : "is an empty name", err);
	m->path = out = calloc(1, strlen(name) + 1);
	if (!out)
		return err_sys(err, ENOMEM, "cp");
	m->last = out;
	while (*p) {
		size_t len = strcspn(p, "/");

		if (part_is(p, len, ".."))
			return bad_name(name, "leads out of it", err);
		if (len && !part_is(p, len, ".")) {
			if (m->depth++)
				*out++ = '/';
			m->last = out;
			memcpy(out, p, len);
			out += len;
			if (m->depth == 1 && only && !part_is(p, len, only))
				return bad_name(name, "is not what was asked "
						"for", err);
		}
		p += len;
		p += *p == '/';
	}
	if (!m->depth && only)
		return bad_name(name, "is not what was asked for", err);
	return 0;
}

/* See cp-member.h. */
const char *member_link_refused(const struct member *m, const char *only,
				const char *target)
{
	/* parts between the link's own directory and the top of the copy */
	unsigned int room = m->depth - 1, up = 0;
	bool down = false;
	const char *p = target;

	if (only && m->depth < 2)
		return "a symbolic link that leads out of the copy";
	if (only)
		room--;
	if (!*target || *target == '/')
		return "a symbolic link to an absolute name";
	while (*p) {
		size_t len = strcspn(p, "/");

		if (part_is(p, len, "..")) {
			if (down || ++up > room)
				return "a symbolic link that leads out of the "
				       "copy";
		} else if (len && !part_is(p, len, ".")) {
			down = true;
		}
		p += len;
		p += *p == '/';
	}
	return NULL;
}

/* See cp-member.h. */
int member_open(int folder, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned int)(flags | O_CLOEXEC |
						  O_NOFOLLOW),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do {
		fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return (int)fd;
}

/* mkdir -p below @folder, each step beneath it. */
static int make_parents(int folder, const char *path, struct err *err)
{
	CLEANUP_FREE char *part = strdup(path);
	CLEANUP_FD int at = -1;
	char *p = part, *save;

	if (!part)
		return err_sys(err, ENOMEM, "cp");
	for (p = strtok_r(part, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
		int dir = at >= 0 ? at : folder;
		int next;

		if (mkdirat(dir, p, 0755) < 0 && errno != EEXIST)
			return err_sys(err, errno, "%.200s", path);
		next = member_open(dir, p, O_RDONLY | O_DIRECTORY);
		if (next < 0)
			return err_sys(err, errno, "%.200s", path);
		if (at >= 0)
			close(at);
		at = next;
	}
	return 0;
}

/* See cp-member.h. */
int member_open_parent(int folder, const struct member *m, struct err *err)
{
	CLEANUP_FREE char *dir = NULL;
	size_t len = (size_t)(m->last - m->path);
	int fd;

	dir = len ? strndup(m->path, len - 1) : strdup(".");
	if (!dir)
		return err_sys(err, ENOMEM, "cp");
	fd = member_open(folder, dir, O_RDONLY | O_DIRECTORY);
	if (fd < 0 && errno == ENOENT) {
		if (make_parents(folder, dir, err) < 0)
			return -1;
		fd = member_open(folder, dir, O_RDONLY | O_DIRECTORY);
	}
	if (fd >= 0)
		return fd;
	if (errno == ENOSYS || errno == EPERM) {
		err_sys(err, errno, "openat2");
		return err_hint(err, "copying out of a sandbox needs Linux 5.6 "
				"or newer, and a container that allows "
				"openat2(2)");
	}
	if (errno == ELOOP || errno == ENOTDIR)
		return err_set(err, ERR_EXISTS, "%.200s: a file or symbolic "
			       "link is in the way", dir);
	return err_sys(err, errno, "%.200s", dir);
}
