/* SPDX-License-Identifier: MIT */
/*
 * machine/initramfs.c - the machine's root file system, made and kept
 *
 * Supervisor, at start-up.  The image's machine.cpio (kernel modules) and an
 * archive of our own behind it: our programs, their libraries, mke2fs, busybox
 * where the host has it, a minimal /etc.  Kept in the cache folder under the
 * inputs' key.
 */
#include "machine/initramfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "machine/cpio.h"

#define PREFIX "initramfs-"

static const char *const dirs[] = {
	"dev", "proc", "sys", "run", "tmp", "data", "etc", "root",
	"usr", "usr/bin", "usr/sbin", INPUTS_LIBS,
};

/* Wherever a loader looks by default, it finds the libraries. */
static const struct {
	const char *name, *target;
} links[] = {
	{ "bin", "usr/bin" },
	{ "sbin", "usr/sbin" },
	{ "lib", INPUTS_LIBS },
	{ "lib64", INPUTS_LIBS },
	{ "usr/lib64", "lib" },
	{ "init", "usr/bin/podflare-machine" },
	{ "etc/mtab", "/proc/self/mounts" },
};

static const struct {
	const char *name, *text;
} texts[] = {
	{ "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"
	  "podflare:x:1000:1000:podflare:/data/home:/bin/sh\n" },
	{ "etc/group", "root:x:0:\npodflare:x:1000:\n" },
	{ "etc/hosts", "127.0.0.1 localhost\n::1 localhost\n" },
	{ "etc/hostname", "podflare-machine\n" },
	{ "etc/profile", "PS1='\\u@\\h:\\w\\$ '\nexport PS1\n" },
};

static int write_frame(struct cpio *c, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (cpio_dir(c, dirs[i], 0755, err) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (cpio_symlink(c, links[i].name, links[i].target, err) < 0)
			return -1;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (cpio_text(c, texts[i].name, texts[i].text, err) < 0)
			return -1;
	return 0;
}

static bool is_frame_dir(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (strcmp(dirs[i], name) == 0)
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (strcmp(links[i].name, name) == 0)
			return true;
	return false;
}

/* The folders above @name; one that is there already does no harm. */
static int write_parents(struct cpio *c, const char *name, struct err *err)
{
	char dir[PATH_MAX];

	for (const char *p = name; (p = strchr(p, '/')); p++) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(p - name), name);
		if (!is_frame_dir(dir) && cpio_dir(c, dir, 0755, err) < 0)
			return -1;
	}
	return 0;
}

/* Return: whether a program of that name comes in itself. */
static bool is_ours(const struct inputs *in, const char *name)
{
	for (size_t i = 0; i < in->n; i++) {
		const char *slash = strrchr(in->files[i].guest, '/');

		if (slash && strcmp(slash + 1, name) == 0)
			return true;
	}
	return false;
}

static int write_applets(struct cpio *c, const struct inputs *in,
			 struct err *err)
{
	CLEANUP_FREE char *list = strdup(in->applets);
	char *name, *save = NULL, path[PATH_MAX];

	if (!list)
		return err_sys(err, ENOMEM, "initramfs");
	for (name = strtok_r(list, "\n", &save); name;
	     name = strtok_r(NULL, "\n", &save)) {
		snprintf(path, sizeof(path), "usr/bin/%s", name);
		if (!strchr(name, '/') && !is_ours(in, name) &&
		    cpio_symlink(c, path, "busybox", err) < 0)
			return -1;
	}
	return 0;
}

static int write_all(FILE *f, const struct inputs *in, struct err *err)
{
	struct cpio c = { .f = f };

	if (cpio_concat(f, in->modules, err) < 0 || write_frame(&c, err) < 0)
		return -1;
	for (size_t i = 0; i < in->n; i++) {
		const struct input *file = &in->files[i];

		if (write_parents(&c, file->guest, err) < 0 ||
		    cpio_file(&c, file->guest, file->program ? 0755 : 0644,
			      file->host, err) < 0)
			return -1;
	}
	if (write_applets(&c, in, err) < 0)
		return -1;
	return cpio_end(&c, err);
}

static void remove_others(const char *dir, const char *keep)
{
	CLEANUP_DIR DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) == 0 &&
		    strcmp(e->d_name, keep) != 0)
			unlinkat(dirfd(d), e->d_name, 0);
}

char *initramfs_make(const struct inputs *in, struct err *err)
{
	CLEANUP_FREE char *dir = path_place(PATH_CACHE, "machine", true, err);
	CLEANUP_FREE char *path = NULL;
	CLEANUP_FREE char *tmp = NULL;
	CLEANUP_FILE FILE *f = NULL;

	if (!dir)
		return NULL;
	if (asprintf(&path, "%s/" PREFIX "%s", dir, in->key) < 0 ||
	    asprintf(&tmp, "%s.tmp", path) < 0) {
		err_sys(err, ENOMEM, "initramfs");
		return NULL;
	}
	if (access(path, R_OK) == 0)
		return steal_ptr(&path);
	remove_others(dir, "");
	f = fopen(tmp, "we");
	if (!f) {
		err_sys(err, errno, "%s", tmp);
		return NULL;
	}
	if (write_all(f, in, err) < 0) {
		unlink(tmp);
		return NULL;
	}
	if (fflush(f) != 0 || rename(tmp, path) < 0) {
		err_sys(err, errno, "%s", path);
		unlink(tmp);
		return NULL;
	}
	return steal_ptr(&path);
}
