/* SPDX-License-Identifier: MIT */
/*
 * runner/chain-flat.c - few layers of many, in the files of a folder
 *
 * podflared, work threads.
 *
 * Theory of operation: the layers below the top never change, so that what some
 * neighbours hold together is written to a new, sealed layer, which then takes
 * the place of the highest of them by a rename.  It hides all that the others
 * have: these are removed afterwards, in any order, or by the next time.  Other
 * folders keep the files that they have links to.  Of one layer alone that
 * makes a copy, which is this folder's own.
 */
#include "runner/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/cowfmt.h"
#include "runner/chain-merge.h"

_Static_assert(CHAIN_MAX + 2 <= CHAIN_MERGE_MAX, "layers of a chain");

/* Put one sealed layer, of what these @n hold together, in the place of the last
 * of them. Return: 0, or -1 with @err and all as it was. */
static int rewrite(int dirfd, const unsigned int *nr, unsigned int n,
		   struct err *err)
{
	int in[CHAIN_MERGE_MAX], rc = -1;
	CLEANUP_FD int out = -1;
	char name[CHAIN_NAME] = "";
	unsigned int i;

	unlinkat(dirfd, CHAIN_TMP, 0);
	out = openat(dirfd, CHAIN_TMP, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return err_sys(err, errno, CHAIN_TMP);
	for (i = 0; i < n; i++) {
		chain_name(name, nr[i]);
		in[i] = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (in[i] < 0) {
			err_sys(err, errno, "%s", name);
			break;
		}
	}
	if (i == n && chain_merge(in, n, out, NULL, err) == 0)
		rc = renameat(dirfd, CHAIN_TMP, dirfd, name) < 0 || fsync(dirfd) < 0
			? err_sys(err, errno, "%s", name) : 0;
	while (i-- > 0)
		close(in[i]);
	if (rc < 0)
		unlinkat(dirfd, CHAIN_TMP, 0);
	return rc;
}

/* Make one of the run. */
static int flatten(int dirfd, struct chain *c, struct chain_run run,
		   struct err *err)
{
	unsigned int last = run.first + run.n - 1;

	if (rewrite(dirfd, c->nr + run.first, run.n, err) < 0)
		return err_context(err, "making one of %u disk layers", run.n);
	for (unsigned int i = run.first; i < last; i++)
		if (chain_drop(dirfd, c->nr[i], err) < 0)
			return -1;
	memmove(&c->nr[run.first], &c->nr[last],
		(c->n - last) * sizeof(c->nr[0]));
	c->n -= run.n - 1;
	return 0;
}

int chain_flatten(int dirfd, struct chain *c, struct err *err)
{
	return c->n < 3 ? 0 : flatten(dirfd, c, (struct chain_run){ 0, c->n - 1 },
				      err);
}

int chain_shorten(int dirfd, struct chain *c, struct err *err)
{
	while (c->n > CHAIN_FLATTEN) {
		uint64_t bytes[CHAIN_MERGE_MAX];
		struct stat st;

		for (unsigned int i = 0; i < c->n; i++) {
			char name[CHAIN_NAME];

			chain_name(name, c->nr[i]);
			if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
				return err_sys(err, errno, "%s", name);
			bytes[i] = (uint64_t)st.st_blocks * 512;
		}
		if (flatten(dirfd, c, chain_choose(bytes, c->n - 1), err) < 0)
			return -1;
	}
	return 0;
}

int chain_own(int dirfd, unsigned int nr, struct err *err)
{
	if (rewrite(dirfd, &nr, 1, err) < 0)
		return err_context(err, "copying disk.%03u.cow", nr);
	return 0;
}
