/* SPDX-License-Identifier: MIT */
/* tests/unit/merge-rig.c - small trees of files, and a merge of them */
#include "tests/unit/merge-rig.h"

#include <sys/stat.h>

#include "common/agent.h"
#include "tests/unit/change-maker.h"
#include "tests/unit/unit.h"

/* As bytes: what is below "/a" does not follow it at once. */
const char *const rig_paths[RIG_PATHS] = {
	"/a", "/a-", "/a/b", "/a/b/c", "/a/b/d", "/a/e", "/f",
};

bool state_equal(struct state a, struct state b)
{
	if (a.type != b.type || !a.type)
		return a.type == b.type;
	return (a.type == 'd' || a.content == b.content) &&
	       (a.type == 'l' || a.mode == b.mode);
}

static int find(const char *path, size_t len)
{
	for (int i = 0; i < RIG_PATHS; i++)
		if (strlen(rig_paths[i]) == len &&
		    !strncmp(rig_paths[i], path, len))
			return i;
	return -1;
}

bool tree_valid(const struct tree *t)
{
	for (int i = 0; i < RIG_PATHS; i++) {
		int up = find(rig_paths[i], gpath_parent_len(rig_paths[i]));

		if (t->v[i].type && up >= 0 && t->v[up].type != 'd')
			return false;
	}
	return true;
}

static struct node node_of(struct state s)
{
	static char *const targets[] = { "0", "1", "2", "3" };

	switch (s.type) {
	case 'f':
		return (struct node){ .mode = S_IFREG | (s.mode ? 0755 : 0644),
				      .size = 4 };
	case 'd':
		return (struct node){ .mode = S_IFDIR | (s.mode ? 0700 : 0755) };
	case 'l':
		return (struct node){ .mode = S_IFLNK | 0777,
				      .link = targets[(int)s.content] };
	default:
		return (struct node){ 0 };
	}
}

static uint32_t bits_of(struct state now, struct state was)
{
	uint32_t bits = 0;

	if (!now.type)
		return AGENT_CHANGE_DELETED;
	if (!was.type)
		return AGENT_CHANGE_ADDED;
	if (now.type != was.type)
		bits |= AGENT_CHANGE_TYPE;
	else if (now.type != 'd' && now.content != was.content)
		bits |= AGENT_CHANGE_CONTENT;
	if (now.type != 'l' && now.mode != was.mode)
		bits |= AGENT_CHANGE_META;
	return bits;
}

static void fill(struct side *s, const char *name, const struct tree *image,
		 const struct tree *t)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	*s = (struct side){ .name = name };
	for (int i = 0; i < RIG_PATHS; i++) {
		struct change c = { .path = (char *)rig_paths[i],
				    .bits = bits_of(t->v[i], image->v[i]),
				    .now = node_of(t->v[i]),
				    .was = node_of(image->v[i]) };

		if (state_equal(t->v[i], image->v[i]))
			continue;
		c.hashed = t->v[i].type == 'f';
		c.digest[0] = (uint8_t)t->v[i].content;
		change_put(&b, &c);
	}
	assert_int_equal(change_parse_all(&s->changes, &b, false, 4096, NULL),
			 0);
}

void rig_merge(struct merge_rig *r, const struct tree *image,
	       const struct tree *o, const struct tree *p,
	       const struct tree *c, enum textdiff_favor favor)
{
	const struct kin none = { 0 };
	struct merge *m = &r->merge;

	*r = (struct merge_rig){ 0 };
	fill(&r->parent, "P", image, p);
	fill(&r->ancestor, "O", image, o);
	fill(&r->child, "C", image, c);
	*m = (struct merge){ .parent = &r->parent,
			     .favor = favor,
			     .filter = &r->filter };
	assert_int_equal(merge_init(m, NULL), 0);
	assert_int_equal(merge_begin(m, &r->child, &r->ancestor, &none, &none,
				     NULL), 0);
	for (size_t i = 0; i < m->n; i++)
		assert_true(merge_decide(m, &m->items[i]));
	merge_tree(m);
}

void rig_free(struct merge_rig *r)
{
	merge_free(&r->merge);
	side_free(&r->parent);
	side_free(&r->child);
	side_free(&r->ancestor);
}

static struct state state_of(const struct merge_item *it,
			     const struct version *v, struct state image)
{
	struct state s = { 0 };

	if (!v->node.mode)
		return s;
	s.type = S_ISDIR(v->node.mode) ? 'd' : S_ISREG(v->node.mode) ? 'f' : 'l';
	s.mode = S_ISDIR(v->node.mode) ? (v->node.mode & 07777) == 0700
				       : (v->node.mode & 07777) == 0755;
	if (s.type == 'l')
		s.content = v->node.link[0] - '0';
	else if (s.type == 'f')
		s.content = v->rec && v->rec->hashed &&
			    !change_has_image_content(v->rec)
				    ? (char)v->rec->digest[0]
				    : image.content;
	return s;
}

bool rig_result(const struct merge_rig *r, const struct tree *image, int path,
		struct state *s)
{
	const struct merge_item *it =
		merge_find(&r->merge, rig_paths[path], strlen(rig_paths[path]));

	if (!it) {
		*s = image->v[path];
		return true;
	}
	*s = state_of(it, &it->next, image->v[path]);
	return !it->conflict && !it->lines;
}
