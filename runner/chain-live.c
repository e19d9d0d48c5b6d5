/* SPDX-License-Identifier: MIT */
/*
 * runner/chain-live.c - the chain of a guest that runs, made shorter: its files
 *
 * podflared, work threads.  Distrusts the VMM, which says what it has: only files
 * that are in the sandbox's folder, and sealed there, are made one.
 *
 * Theory of operation: folder and VMM have the same layers, by the same inodes,
 * unless a runner was killed when the VMM had taken a new layer.  If the folder
 * had not, one has several where the other has one, of the same contents; what is
 * above that is the same file in both, and all below is made one.  If it had, names
 * may be left that the new layer hides; the VMM has no such files, and they go.
 * Layers that a fork has put on top since the VMM was asked are of no interest.
 */
#include "runner/chain-live.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/cowfmt.h"

struct folder {
	struct chain c;
	struct vm_file is[CHAIN_MERGE_MAX];
	uint64_t bytes[CHAIN_MERGE_MAX];
};

static bool same(const struct vm_file *a, const struct vm_file *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

static int identify(int dirfd, unsigned int nr, struct vm_file *f,
		    uint64_t *bytes)
{
	char name[CHAIN_NAME];
	struct stat st;

	chain_name(name, nr);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	*f = (struct vm_file){ st.st_dev, st.st_ino };
	*bytes = (uint64_t)st.st_blocks * 512;
	return 0;
}

/* The folder's layers up to the one that was on top when the VMM was asked. */
static int look(int dirfd, const struct vm_layers *have, struct folder *f,
		struct err *err)
{
	const struct vm_file *top = &have->file[have->n - 1];

	if (chain_list(dirfd, &f->c, err) < 0)
		return -1;
	for (unsigned int i = 0; i < f->c.n; i++) {
		/* a fork takes what it has put on top away again */
		if (identify(dirfd, f->c.nr[i], &f->is[i], &f->bytes[i]) < 0)
			break;
		if (same(&f->is[i], top)) {
			f->c.n = i + 1;
			return 0;
		}
	}
	return err_set(err, ERR_STATE, "the disk's files are not the VMM's");
}

/* If the folder has all that the VMM has: leave out what it has besides. */
static void leave_out_dead(struct chain_live *l, struct folder *f)
{
	const struct vm_layers *have = &l->have;
	unsigned int i, n = 0;

	for (i = 0; i < f->c.n; i++)
		n += n < have->n && same(&f->is[i], &have->file[n]);
	if (n < have->n)
		return;
	for (i = n = 0; i < f->c.n; i++) {
		if (n == have->n || !same(&f->is[i], &have->file[n])) {
			l->dead[l->nr_dead++] = f->c.nr[i];
			continue;
		}
		f->c.nr[n] = f->c.nr[i];
		f->is[n] = f->is[i];
		f->bytes[n++] = f->bytes[i];
	}
	f->c.n = n;
}

/* Which layers are to be made one, of the folder and of the VMM. */
static int choose(struct chain_live *l, const struct folder *f,
		  struct chain_run *run, struct err *err)
{
	const struct vm_layers *have = &l->have;
	unsigned int n = f->c.n, s = 0;

	while (s < MIN(n, have->n) &&
	       same(&f->is[n - 1 - s], &have->file[have->n - 1 - s]))
		s++;
	if (s == n && s == have->n) {
		*run = chain_choose(f->bytes, n - 1);
		l->first = run->first;
		l->count = run->n;
	} else {
		*run = (struct chain_run){ 0, n - s };
		l->first = 0;
		l->count = have->n - s;
	}
	if (!run->n || !l->count)
		return err_set(err, ERR_STATE, "there is nothing to be made "
			       "one");
	if (l->first + l->count > MIN(have->sealed, have->n - 1))
		return err_set(err, ERR_STATE, "disk layers are not sealed");
	return 0;
}

static int open_sealed(int dirfd, unsigned int nr, struct err *err)
{
	char name[CHAIN_NAME];
	CLEANUP_FD int fd = -1;
	struct cow_header h;

	chain_name(name, nr);
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "%s", name);
	if (cow_format_load(fd, &h, err) < 0)
		return err_context(err, "%s", name);
	if (!(h.flags & COW_SEALED))
		return err_set(err, ERR_STATE, "%s is not sealed", name);
	return steal_fd(&fd);
}

static int merge(int dirfd, struct chain_live *l, struct err *err)
{
	int in[CHAIN_MERGE_MAX], rc = -1;
	CLEANUP_FD int out = -1;
	unsigned int i;

	unlinkat(dirfd, CHAIN_LIVE_TMP, 0);
	out = openat(dirfd, CHAIN_LIVE_TMP,
		     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return err_sys(err, errno, CHAIN_LIVE_TMP);
	for (i = 0; i < l->n; i++)
		if ((in[i] = open_sealed(dirfd, l->nr[i], err)) < 0)
			break;
	if (i == l->n)
		rc = chain_merge(in, l->n, out, &l->stop, err);
	while (i-- > 0)
		close(in[i]);
	if (rc < 0)
		unlinkat(dirfd, CHAIN_LIVE_TMP, 0);
	else
		l->fd = steal_fd(&out);
	return rc;
}

void chain_live_sync(int dirfd)
{
	char name[CHAIN_NAME];
	struct chain c;

	if (chain_list(dirfd, &c, NULL) < 0)
		return;
	for (unsigned int i = 0; i < c.n; i++) {
		CLEANUP_FD int fd = -1;

		chain_name(name, c.nr[i]);
		fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		/* an error is told to the VMM as well, by its own descriptor */
		if (fd >= 0 && fdatasync(fd) < 0)
			return;
	}
}

int chain_live_merge(int dirfd, struct chain_live *l, struct err *err)
{
	struct folder *f = calloc(1, sizeof(*f));
	struct chain_run run;
	int rc = -1;

	if (!f)
		return err_set(err, ERR_NO_MEMORY, "disk layers");
	l->nr_dead = 0;
	if (look(dirfd, &l->have, f, err) == 0) {
		leave_out_dead(l, f);
		rc = choose(l, f, &run, err);
	}
	if (rc == 0) {
		l->n = run.n;
		memcpy(l->nr, f->c.nr + run.first, run.n * sizeof(l->nr[0]));
		memcpy(l->is, f->is + run.first, run.n * sizeof(l->is[0]));
		rc = merge(dirfd, l, err);
	}
	free(f);
	return rc;
}

int chain_live_store(int dirfd, struct chain_live *l, struct err *err)
{
	unsigned int last = l->nr[l->n - 1];
	char name[CHAIN_NAME];
	struct vm_file is;
	uint64_t bytes;

	for (unsigned int i = 0; i < l->n; i++)
		if (identify(dirfd, l->nr[i], &is, &bytes) < 0 ||
		    !same(&is, &l->is[i])) {
			chain_live_drop(dirfd, l);
			return err_set(err, ERR_STATE, "the disk's files have "
				       "changed");
		}
	chain_name(name, last);
	if (renameat(dirfd, CHAIN_LIVE_TMP, dirfd, name) < 0) {
		err_sys(err, errno, "%s", name);
		chain_live_drop(dirfd, l);
		return -1;
	}
	/* it hides the others only where it is */
	if (fsync(dirfd) < 0)
		return err_sys(err, errno, "folder");
	for (unsigned int i = 0; i + 1 < l->n; i++)
		if (chain_drop(dirfd, l->nr[i], err) < 0)
			return -1;
	for (unsigned int i = 0; i < l->nr_dead; i++)
		if (chain_drop(dirfd, l->dead[i], err) < 0)
			return -1;
	return 0;
}

void chain_live_drop(int dirfd, struct chain_live *l)
{
	if (l->fd >= 0)
		unlinkat(dirfd, CHAIN_LIVE_TMP, 0);
}
