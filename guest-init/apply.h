/* SPDX-License-Identifier: MIT */
/*
 * guest-init/apply.h - changes of files, all or none: APPLY
 *
 * Theory of operation: what is new is made in a folder of its own on the same
 * file system while it comes in.  When all is there, it is checked that what is
 * to be replaced is still what the host knows, and made ready.  Then the commands
 * stand still (a FREEZE of the agent's own), it is checked again, renames put the
 * new in place, and each step is noted.  When one fails, those before it are
 * taken back.  What was there is kept in that folder meanwhile, but for files of the
 * image's own: those can be had from the image again, and to rename them would
 * be to copy them.
 *
 * Removals come first, the deepest before what holds it; then what is new, from
 * the top down.
 */
#ifndef PODFLARE_GUEST_APPLY_H
#define PODFLARE_GUEST_APPLY_H

#include "guest-init/layers.h"
#include "guest-init/lookup.h"
#include "guest-init/stream.h"

#define APPLY_FOLDER ".podflare-apply"
#define APPLY_MAX (64 * MIB)	/* bytes of records, without contents */

/* What was done for one change, to be taken back. */
enum apply_done {
	APPLY_REMOVED = 1,	/* the old is gone, or kept */
	APPLY_PLACED = 2,	/* the new is there */
	APPLY_SWAPPED = 4,	/* the old is kept where the new was */
	APPLY_SET = 8,		/* mode and owner */
};

struct apply_op {
	char *path, *link, *hardlink;
	uint32_t change, mode, uid, gid;
	uint64_t mtime, rdev;
	uint64_t old_ino, old_ctime;
	bool has_ino, has_ctime, image;	/* what must be there */
	struct stat was;	/* what is; st_mode 0: nothing */
	bool of_image;		/* that is the image's own file */
	unsigned int done;
};

struct apply {
	const struct layers *layers;
	int root, folder;	/* of the file system; where the new is made */
	struct apply_op *ops;
	size_t n, room, bytes;
	int parent;		/* the last one opened, -1: none */
	char parent_path[LOOKUP_PATH_MAX];
};

/* The name of an operation's object in the folder. */
struct apply_name {
	char text[32];
};

/* apply.c */
/*
 * Carry out what the stream says.
 * @param root folder of the file system, which is of these halves
 * @param freezer a stream to the agent itself; closed; -1: none
 * Return: 0, or -1 with @err: nothing has changed then.
 */
int apply_stream(struct stream_in *in, const char *root,
		 const struct layers *layers, int freezer, struct err *err);
/* @param kept of what was there, not of the new */
struct apply_name apply_name(const struct apply *a, const struct apply_op *op,
			     bool kept);
/* renameat2(2) */
int apply_rename(int from_dir, const char *from, int to_dir, const char *to,
		 unsigned int flags);
/* The folder a path is in. @param base set to its last part
 * Return: valid until the next call and apply_forget(); -1 with errno. */
int apply_parent(struct apply *a, const char *path, const char **base);
/* A folder may be another one now. */
void apply_forget(struct apply *a);

/* apply-read.c: all records; the new is made on the way. Return: 0, -1 @err. */
int apply_read(struct apply *a, struct stream_in *in, struct err *err);
/* Mode, owner and time. @param fd of a file, or -1: @name in @dir */
int apply_attributes(int fd, int dir, const char *name,
		     const struct apply_op *op);
/* apply-check.c: what must be there is. @param again after apply_ready(), by
 * which times of folders have changed. Return: 0, or -1 with @err. */
int apply_check(struct apply *a, bool again, struct err *err);
/* apply-ready.c. Return: 0, or -1 with @err. */
int apply_ready(struct apply *a, struct err *err);
/* The commands stand still until @fd is closed. */
void apply_freeze(int fd);
/* apply-commit.c. Return: 0, or -1 with @err, and some is done. */
int apply_commit(struct apply *a, struct err *err);
/* apply-undo.c: take back what is done; adds to @err when that fails, too. */
void apply_undo(struct apply *a, struct err *err);

#endif
