/* SPDX-License-Identifier: MIT */
/*
 * cli/fetch.c - files of a sandbox with their contents, one after the other
 *
 * Runs in the CLI.  Distrusts the stream: extents are in order and within the
 * file, and the end is where the record says.
 */
#include "cli/fetch.h"

#include <sys/stat.h>

void fetch_init(struct fetch *f, const struct side *side, char *const *paths,
		size_t n)
{
	*f = (struct fetch){ .side = side, .paths = paths, .n = n };
}

void fetch_free(struct fetch *f)
{
	side_stream_close(&f->st);
	change_free(&f->file);
}

/* A stream for as many paths as one may have. */
static int ask(struct fetch *f, struct err *err)
{
	size_t n = side_batch(f->paths + f->next, f->n - f->next);

	side_stream_close(&f->st);
	if (side_stream_open(&f->st, f->side, "files.fetch", NULL,
			     "reading files", err) < 0 ||
	    side_stream_ask(&f->st, f->paths + f->next, n, f->side->as_image,
			    err) < 0)
		return -1;
	f->asked = f->next + n;
	return 0;
}

static int skip(struct fetch *f, struct err *err)
{
	const void *data;
	uint64_t at;
	size_t len;
	int rc;

	do {
		rc = fetch_data(f, &at, &data, &len, err);
	} while (rc > 0);
	return rc;
}

static int next(struct fetch *f, struct err *err)
{
	const char *path = f->paths[f->next];

	change_free(&f->file);
	if (f->next == f->asked && ask(f, err) < 0)
		return -1;
	if (side_stream_record(&f->st, path, &f->file, err) < 0)
		return -1;
	if (!f->file.sys && !f->file.now.mode)
		return err_set(err, ERR_PROTOCOL,
			       "the sandbox's agent: a file without a mode");
	f->next++;
	f->in_file = !f->file.sys && S_ISREG(f->file.now.mode);
	f->at = f->left = 0;
	return 1;
}

/* See fetch.h. */
int fetch_next(struct fetch *f, const struct change **c, struct err *err)
{
	if (skip(f, err) < 0)
		return err_context(err, "%s", f->side->name);
	if (f->next == f->asked && f->st.open &&
	    side_stream_end(&f->st, err) < 0)
		return err_context(err, "%s", f->side->name);
	if (f->next == f->n) {
		side_stream_close(&f->st);
		return 0;
	}
	if (next(f, err) < 0)
		return err_context(err, "%s", f->side->name);
	*c = &f->file;
	return 1;
}

/* Where the next data are. Return: 1, 0 at the end, -1 with @err. */
static int next_extent(struct fetch *f, struct err *err)
{
	uint64_t head[2];	/* place, length */
	uint64_t size = f->file.now.size;

	if (side_stream_read(&f->st, head, sizeof(head), err) < 0)
		return -1;
	if (head[0] < f->at || head[0] > size || head[1] > size - head[0] ||
	    (!head[1] && head[0] != size))
		return err_set(err, ERR_PROTOCOL,
			       "the sandbox's agent: data outside of a file");
	f->at = head[0];
	f->left = head[1];
	f->in_file = head[1] != 0;
	return f->in_file;
}

/* See fetch.h. */
int fetch_data(struct fetch *f, uint64_t *at, const void **data, size_t *len,
	       struct err *err)
{
	int rc = 1;

	if (f->in_file && !f->left)
		rc = next_extent(f, err);
	if (rc <= 0 || !f->in_file)
		return rc < 0 ? -1 : 0;
	rc = side_stream_some(&f->st, f->left, data, len, err);
	if (rc == 0)
		return err_set(err, ERR_PROTOCOL, "the sandbox's agent: a file "
			       "is cut short");
	if (rc < 0)
		return -1;
	*at = f->at;
	f->at += *len;
	f->left -= *len;
	return 1;
}
