/* SPDX-License-Identifier: MIT */
/*
 * cli/spool.c - contents of files, kept in an unnamed temporary file
 *
 * Runs in the CLI.  The contents are a guest's and stay bytes.
 */
#include "cli/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "cli/fetch.h"
#include "common/cleanup.h"

#define LOOK 8000	/* bytes in which a NUL tells a binary file */

/* See spool.h. */
int spool_open(struct spool *s, struct err *err)
{
	const char *dir = getenv("TMPDIR");
	char name[] = "/tmp/podflare-XXXXXX";

	if (!dir || !*dir)
		dir = "/tmp";
	*s = (struct spool)SPOOL_INIT;
	s->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (s->fd < 0) {
		/* a file system without O_TMPFILE */
		s->fd = mkostemp(name, O_CLOEXEC);
		if (s->fd >= 0)
			unlink(name);
	}
	if (s->fd < 0)
		return err_sys(err, errno, "temporary file in %s", dir);
	return 0;
}

/* See spool.h. */
void spool_close(struct spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* See spool.h. */
void spool_clear(struct spool *s)
{
	if (ftruncate(s->fd, 0) == 0)
		s->size = 0;
}

static int put(struct spool *s, uint64_t at, const void *data, size_t len,
	       struct err *err)
{
	const char *p = data;

	while (len) {
		ssize_t n = TEMP_FAILURE_RETRY(pwrite(s->fd, p, len, (off_t)at));

		if (n < 0) {
			err_sys(err, errno, "temporary file");
			return err_hint(err, "TMPDIR names the folder for it");
		}
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* See spool.h. */
int spool_add(struct spool *s, const void *data, size_t len, struct blob *blob,
	      struct err *err)
{
	if (put(s, s->size, data, len, err) < 0)
		return -1;
	*blob = (struct blob){ .have = true, .at = s->size, .len = len };
	s->size += len;
	return 0;
}

/* See spool.h. */
char *spool_load(const struct spool *s, const struct blob *blob,
		 struct err *err)
{
	CLEANUP_FREE char *data = malloc(blob->len + 1);
	uint64_t done = 0;

	if (!data) {
		err_sys(err, ENOMEM, "temporary file");
		return NULL;
	}
	while (done < blob->len) {
		ssize_t n = TEMP_FAILURE_RETRY(pread(s->fd, data + done,
						     blob->len - done,
						     (off_t)(blob->at + done)));

		if (n <= 0) {
			err_sys(err, n ? errno : EIO, "temporary file");
			return NULL;
		}
		done += (uint64_t)n;
	}
	data[blob->len] = '\0';
	return steal_ptr(&data);
}

static int take(struct spool *s, struct fetch *f, const struct change *c,
		struct blob *blob, struct err *err)
{
	struct blob b = { .have = true, .at = s->size, .len = c->now.size };
	const void *data;
	uint64_t at;
	size_t len;
	int rc;

	if (c->sys || !S_ISREG(c->now.mode) || c->now.size > SPOOL_TEXT_MAX)
		return 0;
	s->size += b.len;
	if (ftruncate(s->fd, (off_t)s->size) < 0)
		return err_sys(err, errno, "temporary file");
	while ((rc = fetch_data(f, &at, &data, &len, err)) > 0)
		if (put(s, b.at + at, data, len, err) < 0)
			return -1;
	if (rc == 0)
		*blob = b;
	return rc;
}

/* See spool.h. */
int spool_fetch(struct spool *s, const struct side *side, char *const *paths,
		struct blob *const *blobs, size_t n, struct err *err)
{
	CLEANUP_FETCH struct fetch f;
	const struct change *c;
	int rc;

	fetch_init(&f, side, paths, n);
	for (size_t i = 0; (rc = fetch_next(&f, &c, err)) > 0; i++)
		if (take(s, &f, c, blobs[i], err) < 0)
			return -1;
	return rc;
}

/* See spool.h. */
bool spool_is_text(const char *data, uint64_t len)
{
	return !memchr(data, '\0', MIN(len, (uint64_t)LOOK));
}
