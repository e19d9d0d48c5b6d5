/* SPDX-License-Identifier: MIT */
/*
 * cli/merge-files.c - podflare merge --files
 *
 * Runs in the CLI.
 */
#include "cli/merge-files.h"

#include <errno.h>
#include <stdio.h>

#include "cli/merge.h"
#include "cli/origin.h"
#include "cli/output.h"
#include "common/cleanup.h"
#include "common/log.h"

struct child {
	struct side side;
	struct view view;	/* of what it and the parent came from */
	struct side image;	/* or that */
};

struct run {
	const struct merge_files *f;
	struct side_env env;
	struct gpath_filter filter;
	struct side parent;
	struct child *children;
	int nr_children;
	struct merge merge;
	struct textdiff tool;
	struct diff plan;
	ssize_t conflicts;
};

static int open_child(struct run *r, int i, struct err *err)
{
	struct child *c = &r->children[i];

	if (side_open(&c->side, &r->env, r->f->names[i + 1], err) < 0)
		return -1;
	if (!strcmp(c->side.id, r->parent.id))
		return err_set(err, ERR_USAGE, "merge: %s into itself",
			       c->side.name);
	for (int k = 0; k < i; k++)
		if (!strcmp(c->side.id, r->children[k].side.id))
			return err_set(err, ERR_USAGE, "merge: %s is named "
				       "twice", c->side.name);
	if (!strcmp(c->side.image, r->parent.image))
		return 0;
	err_set(err, ERR_STATE, "merge: %s and %s are of different images",
		r->parent.name, c->side.name);
	return err_hint(err, "`podflare diff` compares them, `podflare cp` "
			"copies files");
}

/* What both came from, listed. Return: NULL with @err. */
static struct side *open_ancestor(struct run *r, struct child *c,
				  int64_t *fork_time, struct err *err)
{
	static const struct gpath_filter all;
	CLEANUP_ORIGIN struct origin origin = { 0 };
	struct side *s = &c->view.side;

	if (origin_of(&origin, &r->parent, &c->side, err) < 0)
		return NULL;
	*fork_time = origin.time;
	if (!origin.kind) {
		if (side_open_id(&c->image, &r->parent, r->parent.name,
				 r->parent.id, err) < 0)
			return NULL;
		c->image.as_image = true;
		return &c->image;
	}
	if (view_open(&c->view, &origin, &r->parent, err) < 0 ||
	    side_list(s, &all, false, err) < 0)
		return NULL;
	return s;
}

static int merge_in(struct run *r, struct child *c, struct err *err)
{
	static const struct gpath_filter all;
	struct kin parent, child;
	struct side *ancestor;
	int64_t time;

	ancestor = open_ancestor(r, c, &time, err);
	if (!ancestor || side_look(&c->side, err) < 0 ||
	    side_list(&c->side, &all, false, err) < 0)
		return -1;
	parent = kin_of(&ancestor->changes, &r->parent.changes, time);
	child = kin_of(&ancestor->changes, &c->side.changes, time);
	if (merge_begin(&r->merge, &c->side, ancestor, &parent, &child, err) < 0)
		return -1;
	r->conflicts = merge_child(&r->merge, &r->tool, err);
	if (r->conflicts < 0)
		return -1;
	/* the copy has done its work; its list is still looked at */
	client_close(&c->view.client);
	if (r->conflicts == 0)
		merge_accept(&r->merge);
	return 0;
}

static void report(struct run *r)
{
	json_t *json;

	if (!r->f->globals->json) {
		if (r->conflicts)
			merge_print_conflicts(&r->merge);
		else
			diff_print_names(&r->plan, true, false);
		return;
	}
	json = diff_json(&r->plan);
	json_object_set_new(json, "conflicts", merge_conflicts_json(&r->merge));
	output_json(json);
	json_decref(json);
}

static int refuse(struct run *r, struct err *err)
{
	report(r);
	err_set(err, ERR_FAILED, "merge: %zd conflict%s with %s; %s is as it "
		"was", r->conflicts, r->conflicts == 1 ? "" : "s",
		r->merge.child->name, r->parent.name);
	return err_hint(err, "--ours takes what %s has there, --theirs what %s "
			"has; `-- PATH...` merges only those paths",
			r->parent.name, r->merge.child->name);
}

/* The log tells whose files came. They are there, whatever becomes of that. */
static void tell(struct run *r)
{
	CLEANUP_JSON json_t *answer = NULL;
	json_t *children = json_array();
	struct err err = ERR_INIT;

	for (int i = 0; i < r->nr_children; i++)
		json_array_append_new(children,
				      json_string(r->children[i].side.id));
	answer = client_once(r->f->globals, "sandbox.merged",
			     json_pack("{s:s, s:o}", "sandbox", r->parent.id,
				       "children", children), &err);
	if (!answer)
		log_warn("the merge is not in the log: %s", err.msg);
}

static int merge_all(struct run *r, struct err *err)
{
	static const struct gpath_filter all;
	const struct merge_files *f = r->f;

	if (side_open(&r->parent, &r->env, f->names[0], err) < 0)
		return -1;
	for (int i = 0; i < r->nr_children; i++)
		if (open_child(r, i, err) < 0)
			return -1;
	if (side_list(&r->parent, &all, false, err) < 0)
		return -1;
	r->merge = (struct merge){ .parent = &r->parent,
				   .favor = f->favor,
				   .filter = &r->filter };
	if (merge_init(&r->merge, err) < 0)
		return -1;
	for (int i = 0; i < r->nr_children; i++) {
		if (merge_in(r, &r->children[i], err) < 0)
			return -1;
		if (r->conflicts)
			return refuse(r, err);
	}
	if (merge_plan(&r->merge, &r->plan, err) < 0)
		return -1;
	if (r->plan.n && !f->dry_run) {
		if (merge_apply(&r->merge, &r->plan, err) < 0)
			return -1;
		tell(r);
	}
	report(r);
	if (!r->plan.n)
		output_note(f->globals, "already up to date");
	return 0;
}

static void run_free(struct run *r)
{
	merge_free(&r->merge);
	diff_free(&r->plan);
	textdiff_close(&r->tool);
	for (int i = 0; r->children && i < r->nr_children; i++) {
		side_free(&r->children[i].side);
		side_free(&r->children[i].image);
		view_close(&r->children[i].view);
	}
	free(r->children);
	side_free(&r->parent);
	gpath_filter_free(&r->filter);
}

/* See merge-files.h. */
int merge_files(const struct merge_files *f, struct err *err)
{
	CLEANUP_SIGS struct sigs sigs = SIGS_INIT;
	struct run r = { .f = f,
			 .env = { .globals = f->globals, .sigs = &sigs },
			 .merge = { .spool = SPOOL_INIT },
			 .nr_children = f->nr_names - 1 };
	int rc = sigs_open_ending(&sigs, err);

	r.children = calloc((size_t)r.nr_children, sizeof(*r.children));
	if (!r.children)
		return err_sys(err, ENOMEM, "merge");
	for (int i = 0; i < r.nr_children; i++)
		r.children[i].view = (struct view)VIEW_INIT;
	for (int i = 0; rc == 0 && i < f->nr_paths; i++)
		rc = gpath_filter_add(&r.filter, f->paths[i], err);
	if (rc == 0)
		rc = merge_all(&r, err);
	if (rc < 0 && side_env_signal(&r.env))
		rc = CMD_EXIT_SIGNAL + r.env.signal;
	run_free(&r);
	return rc;
}
