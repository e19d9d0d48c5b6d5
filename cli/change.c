/* SPDX-License-Identifier: MIT */
/*
 * cli/change.c - what a sandbox tells of its files: one record
 *
 * Runs in the CLI.  Distrusts the record: a guest wrote it.  What passes has a
 * valid path, types that exist, and no more values than fit its type.
 */
#include "cli/change.h"

#include <errno.h>
#include <sys/stat.h>

#include "cli/gpath.h"
#include "common/agent.h"
#include "common/tlv.h"

/* See change.h. */
const char *node_type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "link";
	case S_IFBLK:
		return "block";
	case S_IFCHR:
		return "char";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	default:
		return NULL;
	}
}

static int malformed(const char *why, struct err *err)
{
	return err_set(err, ERR_PROTOCOL,
		       "the sandbox's agent: a record of a file: %s", why);
}

static int set_text(char **text, const struct tlv *t, struct err *err)
{
	free(*text);
	*text = tlv_strdup(t);
	return *text ? 0 : malformed("a text with a NUL", err);
}

static int set_path(struct change *c, const struct tlv *t, struct err *err)
{
	if (!gpath_valid(t->data, t->len))
		return malformed("not a path", err);
	return set_text(&c->path, t, err);
}

static int set_digest(struct change *c, const struct tlv *t, struct err *err)
{
	if (t->len != DIGEST_SIZE)
		return malformed("not a digest", err);
	memcpy(c->digest, t->data, DIGEST_SIZE);
	c->hashed = true;
	return 0;
}

static void set_number(struct change *c, const struct tlv *t)
{
	switch (t->tag) {
	case AGENT_T_CHANGE:
		c->bits = tlv_u32(t);
		break;
	case AGENT_T_ERRNO:
		c->sys = tlv_u32(t);
		break;
	case AGENT_T_MAPPED:
		c->mapped = tlv_u32(t) != 0;
		break;
	case AGENT_T_MODE:
		c->now.mode = tlv_u32(t);
		break;
	case AGENT_T_UID:
		c->now.uid = tlv_u32(t);
		break;
	case AGENT_T_GID:
		c->now.gid = tlv_u32(t);
		break;
	case AGENT_T_SIZE:
		c->now.size = tlv_u64(t);
		break;
	case AGENT_T_RDEV:
		c->now.rdev = tlv_u64(t);
		break;
	case AGENT_T_MTIME:
		c->mtime = (int64_t)tlv_u64(t);
		break;
	case AGENT_T_CTIME:
		c->ctime = (int64_t)tlv_u64(t);
		break;
	case AGENT_T_INO:
		c->ino = tlv_u64(t);
		break;
	case AGENT_T_NLINK:
		c->nlink = tlv_u32(t);
		break;
	case AGENT_T_OLD_MODE:
		c->was.mode = tlv_u32(t);
		break;
	case AGENT_T_OLD_UID:
		c->was.uid = tlv_u32(t);
		break;
	case AGENT_T_OLD_GID:
		c->was.gid = tlv_u32(t);
		break;
	case AGENT_T_OLD_SIZE:
		c->was.size = tlv_u64(t);
		break;
	default:	/* of a newer agent */
		break;
	}
}

static int check_node(struct node *n, struct err *err)
{
	if (!n->mode) {
		if (n->link)
			return malformed("a link without a mode", err);
		n->uid = n->gid = 0;
		n->size = n->rdev = 0;
		return 0;
	}
	if (!node_type_name(n->mode))
		return malformed("no such type", err);
	if (S_ISLNK(n->mode) && !n->link)
		return malformed("a link without a target", err);
	if (!S_ISLNK(n->mode) && n->link)
		return malformed("a target of what is no link", err);
	if (!S_ISREG(n->mode))
		n->size = 0;
	if (n->size > INT64_MAX)
		return malformed("no such size", err);
	if (!S_ISBLK(n->mode) && !S_ISCHR(n->mode))
		n->rdev = 0;
	return 0;
}

static int decode(const void *data, size_t len, struct change *c,
		  struct err *err)
{
	struct tlv t;
	size_t pos = 0;
	int rc;

	while ((rc = tlv_next(data, len, &pos, &t)) > 0) {
		rc = 0;
		if (t.tag == AGENT_T_PATH)
			rc = set_path(c, &t, err);
		else if (t.tag == AGENT_T_LINK)
			rc = set_text(&c->now.link, &t, err);
		else if (t.tag == AGENT_T_OLD_LINK)
			rc = set_text(&c->was.link, &t, err);
		else if (t.tag == AGENT_T_DIGEST)
			rc = set_digest(c, &t, err);
		else
			set_number(c, &t);
		if (rc < 0)
			return -1;
	}
	if (rc < 0)
		return malformed("not one", err);
	if (!c->path)
		return malformed("no path", err);
	if (check_node(&c->now, err) < 0 || check_node(&c->was, err) < 0)
		return -1;
	return 0;
}

/* See change.h. */
int change_decode(const void *data, size_t len, struct change *c,
		  struct err *err)
{
	*c = (struct change){ 0 };
	if (decode(data, len, c, err) == 0)
		return 0;
	change_free(c);
	return -1;
}

void change_free(struct change *c)
{
	free(c->path);
	free(c->now.link);
	free(c->was.link);
	*c = (struct change){ 0 };
}

/* See change.h. */
bool change_has_image_content(const struct change *c)
{
	return c->bits && c->now.mode && c->was.mode &&
	       !(c->bits & (AGENT_CHANGE_CONTENT | AGENT_CHANGE_TYPE |
			    AGENT_CHANGE_ADDED));
}

/* See change.h. */
struct node change_image_node(const struct change *c)
{
	struct node n = c->was;

	if (change_has_image_content(c))
		n.rdev = c->now.rdev;
	return n;
}
