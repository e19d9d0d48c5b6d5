/* SPDX-License-Identifier: MIT */
/*
 * cli/merge-apply.c - files of forks merged: into the parent, all or nothing
 *
 * Runs in the CLI.  Distrusts both ends: what a child sends must be the file that
 * the plan was made for, and goes to the parent under the plan's path, mode and
 * owner alone.
 *
 * Theory of operation: one APPLY stream, by path.  Contents come from a FETCH
 * stream of each sandbox, whose files are asked for in that order, and from the
 * spool.  The parent's agent stages them, checks that what is to be replaced is
 * still what was listed, and then puts all in place.
 */
#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/fetch.h"
#include "cli/merge.h"
#include "common/agent.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "common/tlv.h"

#define SOURCES_MAX 256

/* A sandbox that contents come from. */
struct source {
	struct side *side;
	char **paths;
	size_t n;
	struct fetch fetch;
	bool open;
};

struct apply {
	const struct merge *m;
	const struct diff *plan;
	size_t *leaders;	/* of each entry: whose hard link it becomes; its
				 * own number when it is none */
	struct source sources[SOURCES_MAX];
	size_t nr_sources;
	struct side_stream st;
	struct buf out;
	int64_t now;
	bool all_sent;
};

static const struct merge_item *item_of(const struct apply *a,
					const struct diff_entry *e)
{
	return merge_find(a->m, e->path, strlen(e->path));
}

static uint32_t bits_of(const struct diff_entry *e)
{
	if (!e->b.mode)
		return AGENT_CHANGE_DELETED;
	if (!e->a.mode)
		return AGENT_CHANGE_ADDED;
	if (e->what & DIFF_TYPE)
		return AGENT_CHANGE_TYPE;
	if (e->what & (DIFF_CONTENT | DIFF_LINK | DIFF_DEVICE))
		return AGENT_CHANGE_CONTENT;
	return AGENT_CHANGE_META;
}

static bool needs_content(const struct diff_entry *e)
{
	return S_ISREG(e->b.mode) && bits_of(e) != AGENT_CHANGE_META;
}

/* ---- hard links: names of one inode of one sandbox stay names of one file */

struct name {
	const struct side *from;
	uint64_t ino;
	size_t entry;
};

static int by_inode(const void *a, const void *b)
{
	const struct name *x = a, *y = b;
	uintptr_t s = (uintptr_t)x->from, t = (uintptr_t)y->from;

	if (s != t)
		return s < t ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return x->entry < y->entry ? -1 : x->entry > y->entry;
}

static bool same_attributes(const struct node *a, const struct node *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid;
}

static int find_leaders(struct apply *a, struct err *err)
{
	CLEANUP_FREE struct name *v = calloc(a->plan->n + 1, sizeof(*v));
	size_t n = 0, first = 0;

	a->leaders = calloc(a->plan->n + 1, sizeof(*a->leaders));
	if (!v || !a->leaders)
		return err_sys(err, ENOMEM, "merge");
	for (size_t i = 0; i < a->plan->n; i++) {
		const struct diff_entry *e = &a->plan->v[i];
		const struct version *now = &item_of(a, e)->now;

		a->leaders[i] = i;
		if (needs_content(e) && now->rec && now->from &&
		    now->rec->nlink > 1 && now->rec->ino)
			v[n++] = (struct name){ now->from, now->rec->ino, i };
	}
	qsort(v, n, sizeof(*v), by_inode);
	for (size_t i = 1; i < n; i++) {
		if (v[i].from != v[first].from || v[i].ino != v[first].ino)
			first = i;
		else if (same_attributes(&a->plan->v[v[i].entry].b,
					 &a->plan->v[v[first].entry].b))
			a->leaders[v[i].entry] = v[first].entry;
	}
	return 0;
}

/* ---- where contents come from */

static struct source *source_of(struct apply *a, struct side *side,
				struct err *err)
{
	struct source *s = a->sources;

	for (; s < a->sources + a->nr_sources; s++)
		if (s->side == side)
			return s;
	if (a->nr_sources == SOURCES_MAX) {
		err_set(err, ERR_LIMIT, "merge: too many sandboxes");
		return NULL;
	}
	s->paths = calloc(a->plan->n, sizeof(*s->paths));
	if (!s->paths) {
		err_sys(err, ENOMEM, "merge");
		return NULL;
	}
	s->side = side;
	a->nr_sources++;
	return s;
}

/* Whether the entry's content is fetched, not linked or merged here. */
static bool is_fetched(const struct apply *a, size_t i,
		       const struct version *now)
{
	return needs_content(&a->plan->v[i]) && a->leaders[i] == i &&
	       !now->text.have;
}

static int find_sources(struct apply *a, struct err *err)
{
	for (size_t i = 0; i < a->plan->n; i++) {
		const struct diff_entry *e = &a->plan->v[i];
		const struct version *now = &item_of(a, e)->now;
		struct source *s;

		if (!is_fetched(a, i, now))
			continue;
		s = source_of(a, now->from, err);
		if (!s)
			return -1;
		s->paths[s->n++] = (char *)e->path;
	}
	for (size_t i = 0; i < a->nr_sources; i++) {
		struct source *s = &a->sources[i];

		fetch_init(&s->fetch, s->side, s->paths, s->n);
		s->open = true;
	}
	return 0;
}

/* ---- the stream */

static int flush(struct apply *a, struct err *err)
{
	int rc = xfer_send(&a->st.xfer, a->out.data, a->out.len, err);

	a->out.len = 0;
	return rc;
}

static int put(struct apply *a, const void *data, size_t len, struct err *err)
{
	if (buf_append(&a->out, data, len) < 0)
		return err_sys(err, errno, "merge");
	return a->out.len >= FRAME_DATA_MAX ? flush(a, err) : 0;
}

static int put_extent(struct apply *a, uint64_t at, const void *data,
		      uint64_t len, struct err *err)
{
	const uint64_t head[2] = { at, len };

	if (put(a, head, sizeof(head), err) < 0)
		return -1;
	return put(a, data, len, err);
}

static int put_text(struct apply *a, const struct version *v, struct err *err)
{
	CLEANUP_FREE char *text = spool_load(&a->m->spool, &v->text, err);

	if (!text)
		return -1;
	if (v->text.len && put_extent(a, 0, text, v->text.len, err) < 0)
		return -1;
	return put_extent(a, v->text.len, "", 0, err);
}

static int put_fetched(struct apply *a, struct source *s, uint64_t size,
		       struct err *err)
{
	const void *data;
	uint64_t at;
	size_t len;
	int rc;

	while ((rc = fetch_data(&s->fetch, &at, &data, &len, err)) > 0)
		if (put_extent(a, at, data, len, err) < 0)
			return -1;
	return rc < 0 ? -1 : put_extent(a, size, "", 0, err);
}

/* The file that the plan was made for. Return: NULL with @err. */
static const struct change *next_file(struct source *s, const char *path,
				      const struct version *v, struct err *err)
{
	const struct change *c = NULL;
	char text[512];
	int rc = fetch_next(&s->fetch, &c, err);

	if (rc < 0)
		return NULL;
	if (rc > 0 && !c->sys && S_ISREG(c->now.mode) &&
	    c->now.size == v->node.size &&
	    (!v->rec || (c->ino == v->rec->ino && c->ctime == v->rec->ctime)))
		return c;
	err_set(err, ERR_BUSY, "%s: %s changed meanwhile", s->side->name,
		gpath_text(path, text, sizeof(text)));
	err_hint(err, "nothing was merged; run it again, or pause the sandbox's "
		      "writers");
	return NULL;
}

static int put_expected(struct buf *b, const struct diff_entry *e,
			uint32_t bits)
{
	if (!e->a.mode)
		return 0;
	if (!e->ca)
		return tlv_put_u32(b, AGENT_T_IMAGE, 1);
	if (tlv_put_u64(b, AGENT_T_OLD_INO, e->ca->ino) < 0)
		return -1;
	/* a folder in use changes all the time; what is to become of its mode
	 * does not depend on that */
	if (S_ISDIR(e->a.mode) && bits == AGENT_CHANGE_META)
		return 0;
	return tlv_put_u64(b, AGENT_T_OLD_CTIME, (uint64_t)e->ca->ctime);
}

static int put_new(struct buf *b, const struct diff_entry *e, uint32_t bits,
		   int64_t mtime)
{
	if (tlv_put_u32(b, AGENT_T_MODE, e->b.mode) < 0 ||
	    tlv_put_u32(b, AGENT_T_UID, e->b.uid) < 0 ||
	    tlv_put_u32(b, AGENT_T_GID, e->b.gid) < 0)
		return -1;
	if (bits == AGENT_CHANGE_META)
		return 0;
	if (e->b.link && tlv_put_str(b, AGENT_T_LINK, e->b.link) < 0)
		return -1;
	if (e->b.rdev && tlv_put_u64(b, AGENT_T_RDEV, e->b.rdev) < 0)
		return -1;
	return tlv_put_u64(b, AGENT_T_MTIME, (uint64_t)mtime);
}

static int put_record(struct apply *a, size_t i, int64_t mtime,
		      struct err *err)
{
	const struct diff_entry *e = &a->plan->v[i];
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint32_t bits = bits_of(e), size;
	size_t leader = a->leaders[i];

	if (tlv_put_str(&b, AGENT_T_PATH, e->path) < 0 ||
	    tlv_put_u32(&b, AGENT_T_CHANGE, bits) < 0 ||
	    put_expected(&b, e, bits) < 0 ||
	    (e->b.mode && put_new(&b, e, bits, mtime) < 0) ||
	    (leader != i && tlv_put_str(&b, AGENT_T_HARDLINK,
					a->plan->v[leader].path) < 0))
		return err_sys(err, errno, "merge");
	size = (uint32_t)b.len;
	if (put(a, &size, sizeof(size), err) < 0)
		return -1;
	return put(a, b.data, b.len, err);
}

static int put_entry(struct apply *a, size_t i, struct err *err)
{
	const struct diff_entry *e = &a->plan->v[i];
	const struct version *now = &item_of(a, e)->now;
	int64_t mtime = now->rec && now->from ? now->rec->mtime : a->now;
	const struct change *c;
	struct source *s;

	if (!is_fetched(a, i, now)) {
		if (put_record(a, i, mtime, err) < 0)
			return -1;
		return needs_content(e) && a->leaders[i] == i
			? put_text(a, now, err) : 0;
	}
	s = source_of(a, now->from, err);
	c = s ? next_file(s, e->path, now, err) : NULL;
	if (!c || put_record(a, i, c->mtime, err) < 0)
		return -1;
	return put_fetched(a, s, now->node.size, err);
}

static int put_all(struct apply *a, struct err *err)
{
	if (side_stream_open(&a->st, a->m->parent, "files.apply", NULL,
			     "merging", err) < 0 ||
	    xfer_expect_ok(&a->st.xfer, err) < 0)
		return -1;
	for (size_t i = 0; i < a->plan->n; i++)
		if (put_entry(a, i, err) < 0)
			return -1;
	if (flush(a, err) < 0 || xfer_send_end(&a->st.xfer, err) < 0)
		return -1;
	a->all_sent = true;
	return xfer_expect_ok(&a->st.xfer, err);
}

/* The agent's own error says that nothing has changed. Who stops waiting for its
 * word, or never gets it, when all was sent, does not know. */
static int failed(const struct apply *a, struct err *err)
{
	if (a->all_sent &&
	    (err->code == ERR_GUEST || err->code == ERR_CANCELLED)) {
		err_context(err, "merge: it may have been done or not");
		/* of a signal nothing else is told */
		if (err->code == ERR_CANCELLED)
			log_warn("%s", err->msg);
		return err_hint(err, "`podflare diff` shows what is in %s now",
				a->m->parent->name);
	}
	return err_context(err, "merge: %s is as it was", a->m->parent->name);
}

/* See merge.h. */
int merge_apply(struct merge *m, const struct diff *plan, struct err *err)
{
	CLEANUP_FREE struct apply *a = calloc(1, sizeof(*a));
	struct timespec t;
	int rc;

	if (!a)
		return err_sys(err, ENOMEM, "merge");
	a->m = m;
	a->plan = plan;
	a->out.max = 2 * SPOOL_TEXT_MAX;
	clock_gettime(CLOCK_REALTIME, &t);
	a->now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	rc = find_leaders(a, err);
	if (rc == 0)
		rc = find_sources(a, err);
	if (rc == 0)
		rc = put_all(a, err);
	if (rc < 0)
		failed(a, err);
	for (size_t i = 0; i < a->nr_sources; i++) {
		if (a->sources[i].open)
			fetch_free(&a->sources[i].fetch);
		free(a->sources[i].paths);
	}
	side_stream_close(&a->st);
	buf_free(&a->out);
	free(a->leaders);
	return rc;
}
