/* SPDX-License-Identifier: MIT */
/*
 * cli/diff-text.c - a diff with the contents of its files
 *
 * Runs in the CLI.  The contents are a guest's and stay bytes.
 *
 * Theory of operation: entries are taken some at a time, as many as their files
 * come to 64 MiB; their contents are fetched in one stream of each side.
 */
#include "cli/diff-text.h"

#include <errno.h>
#include <sys/stat.h>

#include "cli/spool.h"
#include "common/cleanup.h"

#define BATCH_BYTES (64 * MIB)

/* What is fetched of one side. */
struct wanted {
	char **paths;
	struct blob **blobs;
	size_t n;
};

struct batch {
	size_t first, end;	/* entries */
	struct blob *blobs;	/* two for each entry */
	struct wanted a, b;
	struct spool spool;
};

static bool wants(const struct diff_entry *e, const struct node *n)
{
	if (!S_ISREG(n->mode) || n->size > SPOOL_TEXT_MAX)
		return false;
	return e->what & (DIFF_CONTENT | DIFF_TYPE) || !e->a.mode ||
	       !e->b.mode;
}

static void want(struct wanted *w, const struct diff_entry *e,
		 const struct node *n, struct blob *blob)
{
	if (!wants(e, n))
		return;
	w->paths[w->n] = (char *)e->path;
	w->blobs[w->n++] = blob;
}

/* The entries from @first on that are fetched together. */
static size_t batch_end(const struct diff *d, size_t first)
{
	uint64_t bytes = 0;
	size_t i = first;

	do {
		const struct diff_entry *e = &d->v[i++];

		bytes += wants(e, &e->a) ? e->a.size : 0;
		bytes += wants(e, &e->b) ? e->b.size : 0;
	} while (i < d->n && bytes < BATCH_BYTES && i - first < 4096);
	return i;
}

static int batch_init(struct batch *x, const struct diff *d, size_t first,
		      struct err *err)
{
	size_t n;

	x->first = first;
	x->end = batch_end(d, first);
	n = x->end - first;
	x->blobs = calloc(2 * n, sizeof(*x->blobs));
	x->a.paths = calloc(n, sizeof(*x->a.paths));
	x->b.paths = calloc(n, sizeof(*x->b.paths));
	x->a.blobs = calloc(n, sizeof(*x->a.blobs));
	x->b.blobs = calloc(n, sizeof(*x->b.blobs));
	if (!x->blobs || !x->a.paths || !x->b.paths || !x->a.blobs ||
	    !x->b.blobs)
		return err_sys(err, ENOMEM, "diff");
	for (size_t i = first; i < x->end; i++) {
		struct blob *blobs = x->blobs + 2 * (i - first);

		want(&x->a, &d->v[i], &d->v[i].a, &blobs[0]);
		want(&x->b, &d->v[i], &d->v[i].b, &blobs[1]);
	}
	return 0;
}

static void batch_free(struct batch *x)
{
	free(x->blobs);
	free(x->a.paths);
	free(x->b.paths);
	free(x->a.blobs);
	free(x->b.blobs);
}

static int load(const struct batch *x, const struct node *n,
		const struct blob *blob, struct diff_content *c,
		struct err *err)
{
	*c = (struct diff_content){ .there = S_ISREG(n->mode) ||
					     S_ISLNK(n->mode),
				    .size = n->size };
	if (S_ISLNK(n->mode)) {
		c->data = strdup(n->link);
		c->len = strlen(n->link);
		c->size = c->len;
		c->text = c->data != NULL;
		return c->data ? 0 : err_sys(err, ENOMEM, "diff");
	}
	if (!blob->have)
		return 0;
	c->data = spool_load(&x->spool, blob, err);
	if (!c->data)
		return -1;
	c->len = blob->len;
	c->text = spool_is_text(c->data, c->len);
	return 0;
}

static int one(struct diff_texts *t, const struct batch *x, size_t i,
	       struct err *err)
{
	const struct diff_entry *e = &t->diff->v[i];
	const struct blob *blobs = x->blobs + 2 * (i - x->first);
	struct diff_content a = { 0 }, b = { 0 };
	int rc = load(x, &e->a, &blobs[0], &a, err);

	if (rc == 0)
		rc = load(x, &e->b, &blobs[1], &b, err);
	if (rc == 0)
		rc = t->entry(t, e, &a, &b, err);
	free(a.data);
	free(b.data);
	return rc;
}

static int run_batch(struct diff_texts *t, struct batch *x, struct err *err)
{
	if ((x->a.n && spool_fetch(&x->spool, t->a, x->a.paths, x->a.blobs,
				   x->a.n, err) < 0) ||
	    (x->b.n && spool_fetch(&x->spool, t->b, x->b.paths, x->b.blobs,
				   x->b.n, err) < 0))
		return -1;
	for (size_t i = x->first; i < x->end; i++)
		if (one(t, x, i, err) < 0)
			return -1;
	return 0;
}

/* See diff-text.h. */
int diff_texts_run(struct diff_texts *t, struct err *err)
{
	CLEANUP_STORE struct spool spool = SPOOL_INIT;
	size_t at = 0;

	if (t->diff->n && spool_open(&spool, err) < 0)
		return -1;
	while (at < t->diff->n) {
		struct batch x = { .spool = spool };
		int rc = batch_init(&x, t->diff, at, err);

		if (rc == 0)
			rc = run_batch(t, &x, err);
		batch_free(&x);
		spool_clear(&spool);
		if (rc < 0)
			return -1;
		at = x.end;
	}
	return 0;
}

/* See diff-text.h. */
int diff_texts_compare(struct diff_texts *t, const struct diff_content *a,
		       const struct diff_content *b, unsigned int context,
		       struct textdiff_reply *reply, struct err *err)
{
	struct text texts[2] = { { a->data, a->len }, { b->data, b->len } };

	*reply = (struct textdiff_reply){ .result = TEXTDIFF_FAILED };
	if ((a->there && !a->text) || (b->there && !b->text))
		return 0;
	return textdiff_ask(t->tool, TEXTDIFF_DIFF, context, texts, reply, err);
}

static bool plain(const struct node *n)
{
	return (n->mode & 07777) == 0755 && !n->uid && !n->gid;
}

/* See diff-text.h. */
bool diff_entry_implied(const struct diff *d, const struct diff_entry *e)
{
	const struct diff_entry *next;
	size_t len = strlen(e->path);

	if ((e->a.mode && e->b.mode) || !S_ISDIR(e->a.mode | e->b.mode))
		return false;
	if (e->b.mode && !plain(&e->b))
		return false;
	/* what is below it comes behind it, after names that it begins */
	for (next = e + 1; next < d->v + d->n; next++) {
		if (strncmp(next->path, e->path, len) != 0)
			return false;
		if (next->path[len] == '/')
			return true;
	}
	return false;
}
