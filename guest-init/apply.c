/* SPDX-License-Identifier: MIT */
/*
 * guest-init/apply.c - changes of files, all or none: APPLY
 *
 * A child of pid 1.  The stream is checked in form; the files are the guest's,
 * who may change them meanwhile: then it fails, and nothing has changed.
 */
#include "guest-init/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-init/names.h"

struct apply_name apply_name(const struct apply *a, const struct apply_op *op,
			     bool kept)
{
	struct apply_name name;

	snprintf(name.text, sizeof(name.text), "%zu%s", (size_t)(op - a->ops),
		 kept ? ".old" : "");
	return name;
}

int apply_rename(int from_dir, const char *from, int to_dir, const char *to,
		 unsigned int flags)
{
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

void apply_forget(struct apply *a)
{
	if (a->parent >= 0)
		close(a->parent);
	a->parent = -1;
}

int apply_parent(struct apply *a, const char *path, const char **base)
{
	const struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_XDEV,
	};
	size_t len = (size_t)(strrchr(path, '/') - path);

	*base = path[1] ? path + len + 1 : ".";
	if (a->parent >= 0 && strncmp(a->parent_path, path, len) == 0 &&
	    !a->parent_path[len])
		return a->parent;
	apply_forget(a);
	memcpy(a->parent_path, path, len);
	a->parent_path[len] = '\0';
	a->parent = (int)syscall(SYS_openat2, a->root,
				 len ? a->parent_path + 1 : ".", &how,
				 sizeof(how));
	return a->parent;
}

/* All in it is of one level: folders wait there empty. */
static int empty_folder(int folder)
{
	size_t budget = APPLY_MAX;
	struct names names;
	int rc;

	names_init(&names, &budget);
	lseek(folder, 0, SEEK_SET);
	rc = names_read(&names, folder);
	for (size_t i = 0; rc == 0 && i < names.n; i++) {
		const char *name = names_get(&names, i);

		if (unlinkat(folder, name, 0) < 0 && errno == EISDIR)
			rc = unlinkat(folder, name, AT_REMOVEDIR);
	}
	names_free(&names);
	return rc;
}

/* One that was left behind, by a guest that ended meanwhile, is used. */
static int open_folder(struct apply *a, struct err *err)
{
	if (mkdirat(a->root, APPLY_FOLDER, 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "/" APPLY_FOLDER);
	a->folder = openat(a->root, APPLY_FOLDER, O_RDONLY | O_DIRECTORY |
			   O_NOFOLLOW | O_CLOEXEC);
	if (a->folder < 0)
		return err_sys(err, errno, "/" APPLY_FOLDER);
	if (flock(a->folder, LOCK_EX | LOCK_NB) < 0) {
		close(a->folder);
		a->folder = -1;
		return err_set(err, ERR_BUSY, "other changes are under way");
	}
	if (empty_folder(a->folder) < 0)
		return err_sys(err, errno, "/" APPLY_FOLDER);
	return 0;
}

static void close_folder(struct apply *a)
{
	if (a->folder < 0)
		return;
	if (empty_folder(a->folder) == 0)
		unlinkat(a->root, APPLY_FOLDER, AT_REMOVEDIR);
	close(a->folder);
}

static void free_ops(struct apply *a)
{
	for (size_t i = 0; i < a->n; i++) {
		free(a->ops[i].path);
		free(a->ops[i].link);
		free(a->ops[i].hardlink);
	}
	free(a->ops);
}

static int carry_out(struct apply *a, struct stream_in *in, int freezer,
		     struct err *err)
{
	if (open_folder(a, err) < 0 || apply_read(a, in, err) < 0 ||
	    apply_check(a, false, err) < 0 || apply_ready(a, err) < 0)
		return -1;
	apply_freeze(freezer);
	if (apply_check(a, true, err) < 0)
		return -1;
	if (apply_commit(a, err) == 0)
		return 0;
	apply_undo(a, err);
	return -1;
}

int apply_stream(struct stream_in *in, const char *root,
		 const struct layers *layers, int freezer, struct err *err)
{
	struct apply a = { .layers = layers, .folder = -1, .parent = -1 };
	int rc;

	a.root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a.root < 0)
		return err_sys(err, errno, "%s", root);
	umask(0);
	rc = carry_out(&a, in, freezer, err);
	if (freezer >= 0)
		close(freezer);
	/* what is acknowledged is on the disk */
	if (rc == 0)
		(void)syncfs(a.root);
	close_folder(&a);
	apply_forget(&a);
	close(a.root);
	free_ops(&a);
	return rc;
}
