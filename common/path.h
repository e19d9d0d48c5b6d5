/* SPDX-License-Identifier: MIT */
/* common/path.h - the XDG places, checked directories, whole-file writes */
#ifndef PODFLARE_COMMON_PATH_H
#define PODFLARE_COMMON_PATH_H

#include <limits.h>
#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

/* NAME_MAX of our own objects: [a-z0-9][a-z0-9_.-]{0,62} */
#define PODFLARE_NAME_MAX 63

enum path_place {
	PATH_RUNTIME,	/* $XDG_RUNTIME_DIR/podflare, else /tmp/podflare-UID */
	PATH_DATA,	/* $XDG_DATA_HOME/podflare, else ~/.local/share */
	PATH_CONFIG,	/* $XDG_CONFIG_HOME/podflare, else ~/.config */
	PATH_CACHE,	/* $XDG_CACHE_HOME/podflare, else ~/.cache */
	PATH_STATE,	/* $XDG_STATE_HOME/podflare, else ~/.local/state */
};

/* The path of a place, or of @sub below it (NULL: the place itself), made with
 * its parents (0700) if @make. PATH_RUNTIME is checked: a real directory, ours,
 * mode 0700, not a symbolic link. Return: malloc'ed, NULL with @err. */
char *path_place(enum path_place place, const char *sub, bool make,
		 struct err *err);
/* mkdir -p with mode 0700. Return: 0, or -1 with @err. */
int path_mkdirs(const char *path, struct err *err);
/* Return: whether @name is a valid name of a sandbox, image or snapshot. */
bool path_name_valid(const char *name);
/* Whole file, at most @max bytes, NUL kept behind. @dirfd as openat(2).
 * Return: 0, or -1 with @err. */
int path_read_file(int dirfd, const char *name, size_t max, struct buf *out,
		   struct err *err);
/* Atomic and durable: temporary name, fsync, rename, fsync of the directory.
 * Return: 0, or -1 with @err and the old file untouched. */
int path_write_file(int dirfd, const char *name, const void *data, size_t len,
		    int mode, struct err *err);
/* rm -r of @name in @dirfd; never follows links, never leaves the file system
 * tree it started in. Return: 0 (also when there is none), or -1 with @err. */
int path_remove_tree(int dirfd, const char *name, struct err *err);
/* bind(2)/connect(2) a Unix socket whose path may be longer than sun_path,
 * through /proc/self/fd. @type SOCK_STREAM or SOCK_SEQPACKET; CLOEXEC.
 * bind: an old socket of that name is replaced; not yet listening.
 * Return: fd, or -1 with @err (sys is set). */
int path_bind_unix(int dirfd, const char *name, int type, struct err *err);
int path_connect_unix(int dirfd, const char *name, int type, struct err *err);
/* Where our own program @name is: $PODFLARE_LIBEXEC, the folder of the running
 * program, the installed libexec folder. Return: malloc'ed, NULL with @err. */
char *path_program(const char *name, struct err *err);

#endif
