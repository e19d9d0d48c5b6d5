/* SPDX-License-Identifier: MIT */
/*
 * cli/merge-lines.c - files of forks merged: line by line
 *
 * Runs in the CLI.  The contents are a guest's and stay bytes.
 *
 * Theory of operation: for some items at a time, as many as come to 64 MiB, the
 * contents of all three sides are fetched into a spool of their own; what comes
 * of them goes to the merge's spool.
 */
#include <errno.h>
#include <sys/stat.h>

#include <sha2.h>

#include "cli/merge.h"
#include "common/agent.h"
#include "common/cleanup.h"

#define BATCH_BYTES (64 * MIB)
#define BATCH_ITEMS 4096

enum { ANCESTOR, OURS, THEIRS, SIDES };

struct job {
	struct merge_item *item;
	struct blob blobs[SIDES];
};

struct batch {
	struct job *jobs;
	size_t n;
	struct spool spool;
};

static const struct version *side_of(const struct merge_item *it, int side)
{
	return side == ANCESTOR ? &it->ancestor :
	       side == OURS	? &it->now :
				  &it->child;
}

static bool has_ancestor(const struct merge_item *it)
{
	return S_ISREG(it->ancestor.node.mode);
}

static uint64_t bytes_of(const struct merge_item *it)
{
	uint64_t sum = 0;

	for (int s = 0; s < SIDES; s++)
		sum += side_of(it, s)->node.size;
	return sum;
}

static bool too_large(const struct merge_item *it)
{
	for (int s = 0; s < SIDES; s++)
		if (side_of(it, s)->node.size > SPOOL_TEXT_MAX)
			return true;
	return false;
}

/* The contents that one sandbox has of the batch's items. */
static int fetch_from(struct batch *b, const struct side *from,
		      struct err *err)
{
	CLEANUP_FREE char **paths = calloc(SIDES * b->n, sizeof(*paths));
	CLEANUP_FREE struct blob **blobs = calloc(SIDES * b->n,
						  sizeof(*blobs));
	size_t n = 0;

	if (!paths || !blobs)
		return err_sys(err, ENOMEM, "merge");
	for (size_t i = 0; i < b->n; i++) {
		struct job *j = &b->jobs[i];

		for (int s = 0; s < SIDES; s++) {
			const struct version *v = side_of(j->item, s);

			if (v->text.have || v->from != from ||
			    !S_ISREG(v->node.mode))
				continue;
			paths[n] = (char *)j->item->path;
			blobs[n++] = &j->blobs[s];
		}
	}
	return n ? spool_fetch(&b->spool, from, paths, blobs, n, err) : 0;
}

/* Each sandbox once; an item's content may be an earlier child's. */
static int fetch_all(struct batch *b, struct err *err)
{
	struct side *done[256];
	size_t nr_done = 0;

	for (size_t i = 0; i < b->n; i++) {
		for (int s = 0; s < SIDES; s++) {
			struct side *from = side_of(b->jobs[i].item, s)->from;
			size_t k = 0;

			while (k < nr_done && done[k] != from)
				k++;
			if (!from || k < nr_done)
				continue;
			if (nr_done == ARRAY_SIZE(done))
				return err_set(err, ERR_LIMIT, "merge: too "
					       "many sandboxes");
			done[nr_done++] = from;
			if (fetch_from(b, from, err) < 0)
				return -1;
		}
	}
	return 0;
}

/* @t is the caller's to free, empty when there is no such file. */
static int load(const struct merge *m, const struct batch *b,
		const struct job *j, int side, struct text *t, bool *text,
		struct err *err)
{
	const struct version *v = side_of(j->item, side);
	const struct blob *blob = v->text.have ? &v->text : &j->blobs[side];

	if (!S_ISREG(v->node.mode))
		return 0;
	if (!blob->have)	/* it is no file any more */
		return err_set(err, ERR_BUSY, "%s: %s changed meanwhile",
			       v->from ? v->from->name : "merge",
			       j->item->path);
	t->data = spool_load(v->text.have ? &m->spool : &b->spool, blob, err);
	t->len = blob->len;
	*text &= t->data && spool_is_text(t->data, t->len);
	return t->data ? 0 : -1;
}

/* The record of a text that no sandbox has. */
static struct change *text_record(struct merge *m, const struct version *v,
				  const char *path,
				  const struct textdiff_reply *r)
{
	struct change **texts = reallocarray(m->texts, m->nr_texts + 1,
					     sizeof(*texts));
	struct change *c = calloc(1, sizeof(*c));
	SHA2_CTX sha;

	if (texts)
		m->texts = texts;
	if (c)
		c->path = strdup(path);
	if (!texts || !c || !c->path) {
		free(c);
		return NULL;
	}
	m->texts[m->nr_texts++] = c;
	c->bits = AGENT_CHANGE_ADDED;
	c->now = (struct node){ .mode = v->node.mode, .size = r->len };
	SHA256Init(&sha);
	SHA256Update(&sha, (const uint8_t *)r->data, r->len);
	SHA256Final(c->digest, &sha);
	c->hashed = true;
	return c;
}

static int take_text(struct merge *m, struct merge_item *it,
		     const struct textdiff_reply *r, struct err *err)
{
	struct change *rec = text_record(m, &it->next, it->path, r);

	if (!rec)
		return err_sys(err, ENOMEM, "merge");
	it->lines = false;
	it->next.from = NULL;
	it->next.rec = rec;
	it->next.node.size = r->len;
	return spool_add(&m->spool, r->data, r->len, &it->next.text, err);
}

static bool equals(const struct textdiff_reply *r, const struct text *t)
{
	return r->len == t->len && !memcmp(r->data, t->data, t->len);
}

/* The content of one side; mode and owner are merged already. */
static void take_side(struct merge_item *it, const struct version *v)
{
	struct node n = it->next.node;

	it->lines = false;
	it->next = *v;
	it->next.node.mode = n.mode;
	it->next.node.uid = n.uid;
	it->next.node.gid = n.gid;
}

/* No text: the favoured side's, or a conflict. */
static void no_lines(const struct merge *m, struct merge_item *it,
		     enum merge_conflict kind)
{
	it->lines = false;
	if (m->favor != TEXTDIFF_CONFLICTS)
		take_side(it, m->favor == TEXTDIFF_THEIRS ? &it->child
							  : &it->now);
	else if (!it->conflict)
		it->conflict = kind;
}

static int merge_one(struct merge *m, struct merge_item *it,
		     struct textdiff *tool, const struct text *texts,
		     struct err *err)
{
	struct textdiff_reply r;
	int rc = 0;

	if (textdiff_ask(tool, TEXTDIFF_MERGE, m->favor, texts, &r, err) < 0)
		return -1;
	if (r.result == TEXTDIFF_OK && equals(&r, &texts[OURS]))
		take_side(it, &it->now);
	else if (r.result == TEXTDIFF_OK && equals(&r, &texts[THEIRS]))
		take_side(it, &it->child);
	else if (r.result == TEXTDIFF_OK)
		rc = take_text(m, it, &r, err);
	else
		no_lines(m, it, !has_ancestor(it) ? CONFLICT_ADD_ADD :
			 r.result == TEXTDIFF_CONFLICT ? CONFLICT_CONTENT :
			 CONFLICT_BINARY);
	free(r.data);
	return rc;
}

static int one(struct merge *m, const struct batch *b, const struct job *j,
	       struct textdiff *tool, struct err *err)
{
	struct text texts[SIDES] = { { 0 } };
	bool text = true;
	int rc = 0;

	for (int s = 0; s < SIDES && rc == 0; s++)
		rc = load(m, b, j, s, &texts[s], &text, err);
	if (rc == 0 && !text)
		no_lines(m, j->item, has_ancestor(j->item) ? CONFLICT_BINARY
							   : CONFLICT_ADD_ADD);
	else if (rc == 0)
		rc = merge_one(m, j->item, tool, texts, err);
	for (int s = 0; s < SIDES; s++)
		free((char *)texts[s].data);
	return rc;
}

static int run_batch(struct merge *m, struct batch *b, struct textdiff *tool,
		     struct err *err)
{
	int rc;

	if (spool_open(&b->spool, err) < 0)
		return -1;
	rc = fetch_all(b, err);
	for (size_t i = 0; rc == 0 && i < b->n; i++)
		rc = one(m, b, &b->jobs[i], tool, err);
	spool_close(&b->spool);
	return rc;
}

/* See merge.h. */
int merge_lines(struct merge *m, struct textdiff *tool, struct err *err)
{
	CLEANUP_FREE struct job *jobs = calloc(BATCH_ITEMS, sizeof(*jobs));
	struct batch b = { .jobs = jobs };
	uint64_t bytes = 0;

	if (!jobs)
		return err_sys(err, ENOMEM, "merge");
	for (size_t i = 0; i < m->n; i++) {
		struct merge_item *it = &m->items[i];

		if (it->lines && too_large(it)) {
			no_lines(m, it, CONFLICT_BINARY);
		} else if (it->lines) {
			jobs[b.n++] = (struct job){ .item = it };
			bytes += bytes_of(it);
		}
		if (b.n && (b.n == BATCH_ITEMS || bytes > BATCH_BYTES ||
			    i + 1 == m->n)) {
			if (run_batch(m, &b, tool, err) < 0)
				return -1;
			b.n = 0;
			bytes = 0;
		}
	}
	return 0;
}
