/* SPDX-License-Identifier: MIT */
/*
 * runner/chain.c - a sandbox's disk as files: its chain of CoW layers
 *
 * podflared, work threads.  Distrusts the files: a host that lost its power, or
 * a runner or VMM that was killed, may have left them in any state.
 *
 * Theory of operation: at a fork the layers of a running guest are frozen in
 * its VMM's memory; on disk a layer is sealed by the next flush, before
 * anything that lies on it is written.  So a layer that is not sealed has
 * nothing of worth above it: empty ones, or such as never came to the disk.
 * chain_settle() relies on that.  Nor is such a layer sealed here while others
 * have it: a copy's VMM may know of clusters in it that no flush has told the
 * file of, and will; whoever had built on it without them would find them then.
 */
#include "runner/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/cowfmt.h"
#include "common/log.h"
#include "runner/places.h"

#define OLD_NAME "disk.cow"	/* of the only layer, once */

/* What a look at a layer tells. */
struct layer {
	struct cow_report report;
	bool blank;	/* it never came to the disk */
	bool shared;	/* other folders have it too */
};

void chain_name(char name[CHAIN_NAME], unsigned int nr)
{
	snprintf(name, CHAIN_NAME, "disk.%03u.cow", nr);
}

/* Return: the number in a layer's name, -1 when it is none. */
static int parse_name(const char *s)
{
	char same[CHAIN_NAME];
	unsigned int nr;

	if (sscanf(s, "disk.%6u.cow", &nr) != 1)
		return -1;
	chain_name(same, nr);
	return strcmp(s, same) == 0 ? (int)nr : -1;
}

static int compare(const void *a, const void *b)
{
	const unsigned int *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

int chain_list(int dirfd, struct chain *c, struct err *err)
{
	CLEANUP_DIR DIR *d = NULL;
	struct dirent *e;
	int nr;

	c->n = 0;
	if (renameat(dirfd, OLD_NAME, dirfd, "disk.000.cow") < 0 &&
	    errno != ENOENT)
		return err_sys(err, errno, OLD_NAME);
	d = places_opendir(dirfd, ".");
	if (!d)
		return err_sys(err, errno, "disk layers");
	while ((e = readdir(d))) {
		nr = parse_name(e->d_name);
		if (nr < 0)
			continue;
		if (c->n == ARRAY_SIZE(c->nr))
			return err_set(err, ERR_LIMIT, "the disk has more "
				       "than %d layers", CHAIN_MAX);
		c->nr[c->n++] = (unsigned int)nr;
	}
	qsort(c->nr, c->n, sizeof(c->nr[0]), compare);
	return 0;
}

unsigned int chain_next(const struct chain *c)
{
	return c->n ? c->nr[c->n - 1] + 1 : 0;
}

uint64_t chain_used(int dirfd)
{
	CLEANUP_DIR DIR *d = places_opendir(dirfd, ".");
	uint64_t bytes = 0;
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d)))
		if (parse_name(e->d_name) >= 0 &&
		    fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += (uint64_t)st.st_blocks * 512;
	return bytes;
}

static int open_layer(int dirfd, unsigned int nr, struct err *err)
{
	char name[CHAIN_NAME];
	int fd;

	chain_name(name, nr);
	fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(err, errno, "%s", name) : fd;
}

int chain_add(int dirfd, unsigned int nr, uint64_t size, struct err *err)
{
	char name[CHAIN_NAME];
	CLEANUP_FD int fd = -1;

	chain_name(name, nr);
	fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, errno, "%s", name);
	if (cow_format_init(fd, size, err) < 0) {
		unlinkat(dirfd, name, 0);
		return -1;
	}
	return steal_fd(&fd);
}

int chain_link(int from, int to, const struct chain *c, struct err *err)
{
	char name[CHAIN_NAME];

	for (unsigned int i = 0; i < c->n; i++) {
		chain_name(name, c->nr[i]);
		if (linkat(from, name, to, name, 0) < 0) {
			err_sys(err, errno, "cannot share %s", name);
			if (errno == EPERM || errno == EOPNOTSUPP)
				err_hint(err, "sandboxes share the layers of "
					 "their disks by hard links: set "
					 "XDG_DATA_HOME to a folder on a file "
					 "system that has them");
			return -1;
		}
	}
	return 0;
}

int chain_drop(int dirfd, unsigned int nr, struct err *err)
{
	char name[CHAIN_NAME];

	chain_name(name, nr);
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "%s", name);
	return 0;
}

void chain_tidy(int dirfd)
{
	unlinkat(dirfd, CHAIN_TMP, 0);
	unlinkat(dirfd, CHAIN_LIVE_TMP, 0);
}

/* Whether nothing but zeros is where the header should be. */
static bool is_blank(int fd)
{
	char block[COW_HEADER_LEN];
	ssize_t n = pread(fd, block, sizeof(block), 0);

	for (ssize_t i = 0; i < n; i++)
		if (block[i])
			return false;
	return n >= 0;
}

static int examine(int dirfd, unsigned int nr, struct layer *l,
		   struct err *err)
{
	CLEANUP_FD int fd = open_layer(dirfd, nr, err);
	struct stat st;

	*l = (struct layer){ .blank = false };
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "disk layer %u", nr);
	l->shared = st.st_nlink > 1;
	l->blank = is_blank(fd);
	if (l->blank)
		return 0;
	if (cow_format_check(fd, &l->report, err) < 0)
		return err_context(err, "disk.%03u.cow", nr);
	return 0;
}

/* Make it immutable, as the VMM would have with its next flush. */
static int seal(int dirfd, unsigned int nr, struct err *err)
{
	CLEANUP_FD int fd = open_layer(dirfd, nr, err);
	struct cow_header h;

	if (fd < 0 || cow_format_load(fd, &h, err) < 0)
		return -1;
	h.flags |= COW_SEALED;
	/* what the layer holds comes first */
	if (fdatasync(fd) < 0 || cow_format_store(fd, &h) < 0 ||
	    fdatasync(fd) < 0)
		return err_sys(err, errno, "disk.%03u.cow", nr);
	return 0;
}

/* A fresh top, on stable storage. */
static int push(int dirfd, uint64_t size, struct chain *c, struct err *err)
{
	CLEANUP_FD int fd = -1;

	if (c->n == ARRAY_SIZE(c->nr))
		return err_set(err, ERR_LIMIT, "the disk has %u layers "
			       "already", c->n);
	c->nr[c->n] = chain_next(c);
	fd = chain_add(dirfd, c->nr[c->n], size, err);
	if (fd < 0)
		return -1;
	c->n++;
	if (fsync(fd) < 0 || fsync(dirfd) < 0)
		return err_sys(err, errno, "disk layer");
	return 0;
}

static int remove_at(int dirfd, struct chain *c, struct layer *layers,
		     unsigned int i, struct err *err)
{
	if (chain_drop(dirfd, c->nr[i], err) < 0)
		return -1;
	c->n--;
	memmove(&c->nr[i], &c->nr[i + 1], (c->n - i) * sizeof(c->nr[0]));
	memmove(&layers[i], &layers[i + 1], (c->n - i) * sizeof(layers[0]));
	return 0;
}

/* Drop what is of no worth: layers that never came to the disk, and empty ones
 * on one that can be written to still. */
static int prune(int dirfd, struct chain *c, struct layer *layers,
		 struct err *err)
{
	for (unsigned int i = c->n; i-- > 0;) {
		const struct layer *below = i ? &layers[i - 1] : NULL;
		bool worthless = layers[i].blank ||
			(i == c->n - 1 && below && !layers[i].report.clusters &&
			 !below->blank && !below->report.sealed &&
			 !below->shared);

		if (worthless && remove_at(dirfd, c, layers, i, err) < 0)
			return -1;
	}
	return 0;
}

/* Few layers of many. Return: 0, or -1 with @err. */
static int shorten(int dirfd, struct chain *c, struct err *err)
{
	if (chain_shorten(dirfd, c, err) == 0)
		return 0;
	/* without room for that it is used as it is */
	if (c->n > CHAIN_MAX)
		return -1;
	log_warn("%s", err->msg);
	*err = (struct err)ERR_INIT;
	return 0;
}

/* What there is, for good: a runner that was killed may have renamed a layer,
 * and what is written from now on stands on that. */
static int list_settled(int dirfd, struct chain *c, struct err *err)
{
	if (chain_list(dirfd, c, err) < 0)
		return -1;
	return fsync(dirfd) < 0 ? err_sys(err, errno, "disk layers") : 0;
}

int chain_settle(int dirfd, uint64_t size, struct chain *c, struct err *err)
{
	struct layer layers[ARRAY_SIZE(c->nr)], *top;
	unsigned int i, found;

	if (list_settled(dirfd, c, err) < 0)
		return -1;
	for (i = 0; i < c->n; i++)
		if (examine(dirfd, c->nr[i], &layers[i], err) < 0)
			return -1;
	found = c->n;
	if (prune(dirfd, c, layers, err) < 0)
		return -1;
	if (!found)
		return err_set(err, ERR_IO, "the disk's files are gone");
	top = c->n ? &layers[c->n - 1] : NULL;
	for (i = 0; i < c->n; i++) {
		bool below = i + 1 < c->n || top->report.sealed || top->shared;

		if (!below || layers[i].report.sealed)
			continue;
		if ((layers[i].shared ? chain_own : seal)(dirfd, c->nr[i],
							  err) < 0)
			return -1;
	}
	if ((!top || top->report.sealed || top->shared) &&
	    push(dirfd, size, c, err) < 0)
		return -1;
	return shorten(dirfd, c, err);
}

int chain_thaw(int dirfd, uint64_t size, unsigned int top, struct chain *c,
	       struct err *err)
{
	if (list_settled(dirfd, c, err) < 0)
		return -1;
	while (c->n && c->nr[c->n - 1] > top)
		if (chain_drop(dirfd, c->nr[--c->n], err) < 0)
			return -1;
	if (!c->n || c->nr[c->n - 1] != top)
		return err_set(err, ERR_IO, "the disk's files are gone");
	for (unsigned int i = 0; i < c->n; i++) {
		struct layer l;

		if (examine(dirfd, c->nr[i], &l, err) < 0)
			return -1;
		if (l.blank)
			return err_set(err, ERR_IO, "disk.%03u.cow: its "
				       "header is gone", c->nr[i]);
		if (!l.report.sealed && seal(dirfd, c->nr[i], err) < 0)
			return -1;
	}
	if (push(dirfd, size, c, err) < 0)
		return -1;
	return shorten(dirfd, c, err);
}
