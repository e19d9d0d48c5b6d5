/* SPDX-License-Identifier: MIT */
/*
 * guest-init/changes.c - what differs from the image: CHANGES
 *
 * A child of pid 1.  The request is checked in form; the files are the guest's.
 */
#include "guest-init/changes.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>

#include "common/agent.h"
#include "common/tlv.h"
#include "guest-init/compare.h"
#include "guest-init/mapped.h"
#include "guest-init/record.h"
#include "guest-init/walk.h"

struct changes {
	struct walk walk;
	struct stream_out *out;
	bool again;		/* a path is looked at once more */
	struct mapped mapped;
};

/* The targets of what are links. Return: false when one has just gone. */
static bool read_links(struct record *r, const struct layer_dir *d,
		       const char *name, const struct layer_entry *e)
{
	static char targets[2][PATH_MAX];
	const bool is_link[2] = { e->now && S_ISLNK(e->now_st.st_mode),
				  e->old && S_ISLNK(e->old_st.st_mode) };

	for (int i = 0; i < 2; i++) {
		if (!is_link[i])
			continue;
		r->links[i] = targets[i];
		r->link_lens[i] = layer_readlink(d, name, e, i == 1, targets[i]);
		if (!r->link_lens[i])
			return false;
	}
	return true;
}

static int send_change(struct walk *w, const struct layer_dir *d,
		       const char *name, const struct layer_entry *e,
		       struct err *err)
{
	struct changes *c = container_of(w, struct changes, walk);
	struct layer_entry again;
	struct record r;
	uint32_t change = 0;
	int rc;

	if (w->all ? !e->now : !(change = compare_entry(d, name, e)))
		return 0;
	record_begin(&r, (char *)w->path.data, w->path.len);
	record_u32(&r, AGENT_T_CHANGE, change);
	if (e->now)
		record_stat(&r, &e->now_st, e->upper);
	if (e->now && S_ISREG(e->now_st.st_mode) &&
	    mapped_has(&c->mapped, e->now_st.st_ino, (char *)w->path.data))
		record_u32(&r, AGENT_T_MAPPED, 1);
	if (e->old)
		record_old_stat(&r, &e->old_st);
	if (read_links(&r, d, name, e))
		return record_send(&r, c->out, err);
	/* replaced meanwhile, once more, it is as if it were not there */
	if (c->again || layer_stat(d, name, true, &again) < 0)
		return 0;
	c->again = true;
	rc = send_change(w, d, name, &again, err);
	c->again = false;
	return rc;
}

static int parse(struct filter *filter, bool *all, const struct frame *request,
		 struct err *err)
{
	struct tlv t;
	size_t pos = 0;
	int rc;

	while ((rc = tlv_next(request->data, request->len, &pos, &t)) > 0) {
		char *path;

		if (t.tag == AGENT_T_ALL)
			*all = tlv_u32(&t) != 0;
		if (t.tag != AGENT_T_PATH)
			continue;
		path = tlv_strdup(&t);
		if (!path)
			return err_set(err, ERR_PROTOCOL, "a value holds a NUL");
		if (filter_add(filter, path, err) < 0)
			return -1;
	}
	return rc < 0 ? err_set(err, ERR_PROTOCOL, "malformed request") : 0;
}

static int send_all(const struct frame *request, struct changes *c,
		    struct filter *filter, struct err *err)
{
	if (parse(filter, &c->walk.all, request, err) < 0 ||
	    walk_root(&c->walk, filter_ready(filter), err) < 0)
		return -1;
	return stream_flush(c->out, err);
}

int changes_send(const struct frame *request, const struct layers *layers,
		 const char *mountinfo, struct stream_out *out,
		 struct err *err)
{
	struct filter filter = { 0 };
	struct mounts mounts;
	struct changes c = {
		.walk = { .layers = layers, .filter = &filter,
			  .mounts = &mounts, .visit = send_change },
		.out = out,
	};
	int rc;

	if (layers->upper < 0 || layers->lower < 0)
		return err_set(err, ERR_STATE, "the root is no overlay");
	if (mounts_read(&mounts, mountinfo, err) < 0)
		return -1;
	mapped_read(&c.mapped, "/proc");
	rc = send_all(request, &c, &filter, err);
	mapped_free(&c.mapped);
	filter_free(&filter);
	mounts_free(&mounts);
	return rc;
}
