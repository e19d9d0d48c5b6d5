/* SPDX-License-Identifier: MIT */
/* tests/unit/test-merge.c - three ways: a generated matrix, and random trees */
#include <stdio.h>

#include "tests/unit/merge-rig.h"
#include "tests/unit/unit.h"

static const struct state states[] = {
	{ 0 },
	{ 'f', 0, 0 }, { 'f', 1, 0 }, { 'f', 2, 0 }, { 'f', 0, 1 }, { 'f', 1, 1 },
	{ 'l', 0, 0 }, { 'l', 1, 0 }, { 'l', 2, 0 },
	{ 'd', 0, 0 }, { 'd', 0, 1 },
};

#define N ARRAY_SIZE(states)

/* One attribute. Return: false on a conflict. */
static bool three(char o, char p, char c, bool has_o, char *out)
{
	*out = p;
	if (p == c || (has_o && o == c))
		return true;
	*out = c;
	return has_o && o == p;
}

/* The whole of it, as simple as can be. */
static bool model(struct state o, struct state p, struct state c,
		  struct state *out)
{
	bool has_o = o.type == p.type, ok = true;

	*out = state_equal(o, p) ? c : p;
	if (state_equal(o, p) || state_equal(o, c) || state_equal(p, c))
		return true;
	if (p.type != c.type)
		return false;
	if (p.type != 'd')
		ok &= three(o.content, p.content, c.content, has_o,
			    &out->content);
	if (p.type != 'l')
		ok &= three(o.mode, p.mode, c.mode, has_o, &out->mode);
	return ok;
}

/* Every combination at one path, over every state of the image. */
static void every_case_of_one_path(void **state)
{
	for (size_t n = 0; n < N * N * N * N; n++) {
		struct tree image = { 0 }, o = { 0 }, p = { 0 }, c = { 0 };
		struct merge_rig r;
		struct state want, got;
		bool clean;
		const int at = 6;

		image.v[at] = states[n % N];
		o.v[at] = states[n / N % N];
		p.v[at] = states[n / N / N % N];
		c.v[at] = states[n / N / N / N];
		clean = model(o.v[at], p.v[at], c.v[at], &want);
		rig_merge(&r, &image, &o, &p, &c, TEXTDIFF_CONFLICTS);
		assert_int_equal(rig_result(&r, &image, at, &got), clean);
		if (clean && !state_equal(got, want))
			fail_msg("case %zu", n);
		rig_free(&r);
	}
}

static uint32_t seed;

static uint32_t dice(uint32_t sides)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % sides;
}

static void random_tree(struct tree *t)
{
	do {
		for (int i = 0; i < RIG_PATHS; i++)
			t->v[i] = states[dice(N)];
		/* folders are rare otherwise */
		if (dice(4))
			t->v[0] = states[9 + dice(2)];
		if (dice(3))
			t->v[2] = states[9 + dice(2)];
	} while (!tree_valid(t));
}

/* Some paths changed, still a tree. */
static void vary(struct tree *to, const struct tree *from)
{
	do {
		*to = *from;
		for (int i = 0; i < RIG_PATHS; i++)
			if (!dice(3))
				to->v[i] = states[dice(N)];
	} while (!tree_valid(to));
}

struct outcome {
	bool clean;
	struct tree tree;
};

static struct outcome merge_trees(const struct tree *image,
				  const struct tree *o, const struct tree *p,
				  const struct tree *c,
				  enum textdiff_favor favor)
{
	struct outcome out = { .clean = true };
	struct merge_rig r;

	rig_merge(&r, image, o, p, c, favor);
	for (int i = 0; i < RIG_PATHS; i++)
		out.clean &= rig_result(&r, image, i, &out.tree.v[i]);
	rig_free(&r);
	return out;
}

static bool trees_equal(const struct tree *a, const struct tree *b)
{
	for (int i = 0; i < RIG_PATHS; i++)
		if (!state_equal(a->v[i], b->v[i]))
			return false;
	return true;
}

static bool is_above(int up, int path)
{
	return up != path && gpath_below(rig_paths[path], rig_paths[up]);
}

/* A folder stays when something is in it that somebody made or kept. */
static bool has_inside(const struct tree *t, int dir)
{
	for (int i = 0; i < RIG_PATHS; i++)
		if (is_above(dir, i) && t->v[i].type)
			return true;
	return false;
}

/* What the model says of each path, folders put right; false: a conflict. */
static bool model_trees(const struct tree *o, const struct tree *p,
			const struct tree *c, struct tree *out)
{
	bool bad[RIG_PATHS], clean = true;

	for (int i = 0; i < RIG_PATHS; i++)
		bad[i] = !model(o->v[i], p->v[i], c->v[i], &out->v[i]);
	for (int i = 0; i < RIG_PATHS; i++) {
		bool deleted = !p->v[i].type || !c->v[i].type;

		/* the mode of a folder that one side removed */
		if (bad[i] && deleted && (p->v[i].type == 'd' ||
					  c->v[i].type == 'd'))
			out->v[i].type = 0;
		if (!out->v[i].type && has_inside(out, i)) {
			out->v[i] = p->v[i].type == 'd' ? p->v[i] :
				    c->v[i].type == 'd' ? c->v[i] : o->v[i];
			bad[i] &= !deleted;
		}
	}
	for (int i = 0; i < RIG_PATHS; i++)
		clean &= !bad[i];
	return clean && tree_valid(out);
}

static void random_trees_as_the_model(void **state)
{
	unsigned int clean = 0;

	for (seed = 1; seed < 40000 * 7919u; seed += 7919) {
		uint32_t start = seed;
		struct tree image, o, p, c, want;
		struct outcome got;
		bool good;

		random_tree(&image);
		vary(&o, &image);
		vary(&p, &o);
		vary(&c, &o);
		good = model_trees(&o, &p, &c, &want);
		got = merge_trees(&image, &o, &p, &c, TEXTDIFF_CONFLICTS);
		if (got.clean != good || (good && !trees_equal(&got.tree, &want)))
			fail_msg("seed %u: clean %d, model %d", start,
				 got.clean, good);
		clean += good;
		seed = start;
	}
	/* both kinds are there */
	assert_true(clean > 4000 && clean < 36000);
}

static void merging_obeys_its_laws(void **state)
{
	for (seed = 3; seed < 10000 * 7919u; seed += 7919) {
		uint32_t start = seed;
		struct tree image, o, p, c;
		struct outcome a, b;

		random_tree(&image);
		vary(&o, &image);
		vary(&p, &o);
		vary(&c, &o);
		/* nothing new on one side */
		a = merge_trees(&image, &o, &o, &c, TEXTDIFF_CONFLICTS);
		assert_true(a.clean && trees_equal(&a.tree, &c));
		a = merge_trees(&image, &o, &p, &o, TEXTDIFF_CONFLICTS);
		assert_true(a.clean && trees_equal(&a.tree, &p));
		/* the same on both */
		a = merge_trees(&image, &o, &p, &p, TEXTDIFF_CONFLICTS);
		assert_true(a.clean && trees_equal(&a.tree, &p));
		/* sides may be swapped, the image is of no matter */
		a = merge_trees(&image, &o, &p, &c, TEXTDIFF_CONFLICTS);
		b = merge_trees(&o, &o, &c, &p, TEXTDIFF_CONFLICTS);
		assert_int_equal(a.clean, b.clean);
		assert_true(!a.clean || trees_equal(&a.tree, &b.tree));
		seed = start;
	}
}

/* A favoured side leaves no conflict but lines, and a tree in any case. */
static void a_favoured_side_settles_all(void **state)
{
	for (seed = 5; seed < 10000 * 7919u; seed += 7919) {
		uint32_t start = seed;
		struct tree image, o, p, c;
		struct outcome ours, theirs, plain;

		random_tree(&image);
		vary(&o, &image);
		vary(&p, &o);
		vary(&c, &o);
		plain = merge_trees(&image, &o, &p, &c, TEXTDIFF_CONFLICTS);
		ours = merge_trees(&image, &o, &p, &c, TEXTDIFF_OURS);
		theirs = merge_trees(&image, &o, &c, &p, TEXTDIFF_THEIRS);
		if (!tree_valid(&ours.tree) || !tree_valid(&theirs.tree))
			fail_msg("seed %u: not a tree", start);
		/* theirs is ours from the other side; lines are open in both */
		if (ours.clean && !trees_equal(&ours.tree, &theirs.tree))
			fail_msg("seed %u: ours is not theirs", start);
		assert_true(!plain.clean ||
			    trees_equal(&plain.tree, &ours.tree));
		seed = start;
	}
}

static void paths_that_are_not_wanted_stay(void **state)
{
	struct tree image = { 0 }, p = { 0 }, c = { 0 };
	struct merge_rig r;
	struct state s;

	/* /a/b/c is new in the child, and so are its folders */
	c.v[0] = c.v[2] = states[9];
	c.v[1] = c.v[3] = c.v[4] = states[1];
	r.filter = (struct gpath_filter){ 0 };
	rig_merge(&r, &image, &image, &p, &c, TEXTDIFF_CONFLICTS);
	assert_int_equal(gpath_filter_add(&r.filter, "/a/b/c", NULL), 0);
	for (size_t i = 0; i < r.merge.n; i++) {
		r.merge.items[i].wanted =
			gpath_filter_match(&r.filter, r.merge.items[i].path);
		assert_true(merge_decide(&r.merge, &r.merge.items[i]));
	}
	merge_tree(&r.merge);
	for (int i = 0; i < RIG_PATHS; i++) {
		assert_true(rig_result(&r, &image, i, &s));
		assert_int_equal(s.type, i == 0 || i == 2 ? 'd' :
				 i == 3 ? 'f' : 0);
	}
	gpath_filter_free(&r.filter);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_of_one_path),
		cmocka_unit_test(random_trees_as_the_model),
		cmocka_unit_test(merging_obeys_its_laws),
		cmocka_unit_test(a_favoured_side_settles_all),
		cmocka_unit_test(paths_that_are_not_wanted_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
