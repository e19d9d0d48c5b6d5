/* SPDX-License-Identifier: MIT */
/* tests/unit/change-maker.c - records of CHANGES, as an agent would send them */
#include "tests/unit/change-maker.h"

#include "common/agent.h"
#include "common/tlv.h"

static void u32(struct buf *b, uint16_t tag, uint32_t v)
{
	if (v)
		tlv_put_u32(b, tag, v);
}

static void u64(struct buf *b, uint16_t tag, uint64_t v)
{
	if (v)
		tlv_put_u64(b, tag, v);
}

void change_put_raw(struct buf *b, const struct buf *tlvs)
{
	uint32_t size = (uint32_t)tlvs->len;

	buf_append(b, &size, sizeof(size));
	buf_append(b, tlvs->data, tlvs->len);
}

void change_put(struct buf *b, const struct change *c)
{
	CLEANUP_BUF struct buf r = BUF_INIT;

	if (c->path)
		tlv_put_str(&r, AGENT_T_PATH, c->path);
	u32(&r, AGENT_T_CHANGE, c->bits);
	u32(&r, AGENT_T_MODE, c->now.mode);
	u32(&r, AGENT_T_UID, c->now.uid);
	u32(&r, AGENT_T_GID, c->now.gid);
	u64(&r, AGENT_T_SIZE, c->now.size);
	u64(&r, AGENT_T_RDEV, c->now.rdev);
	if (c->now.link)
		tlv_put_str(&r, AGENT_T_LINK, c->now.link);
	u32(&r, AGENT_T_OLD_MODE, c->was.mode);
	u32(&r, AGENT_T_OLD_UID, c->was.uid);
	u32(&r, AGENT_T_OLD_GID, c->was.gid);
	u64(&r, AGENT_T_OLD_SIZE, c->was.size);
	if (c->was.link)
		tlv_put_str(&r, AGENT_T_OLD_LINK, c->was.link);
	u64(&r, AGENT_T_MTIME, (uint64_t)c->mtime);
	u64(&r, AGENT_T_CTIME, (uint64_t)c->ctime);
	u64(&r, AGENT_T_INO, c->ino);
	u32(&r, AGENT_T_NLINK, c->nlink);
	u32(&r, AGENT_T_ERRNO, c->sys);
	u32(&r, AGENT_T_MAPPED, c->mapped);
	if (c->hashed)
		tlv_put(&r, AGENT_T_DIGEST, c->digest, DIGEST_SIZE);
	change_put_raw(b, &r);
}

int change_parse_all(struct change_list *list, const struct buf *b, bool all,
		     size_t piece, struct err *err)
{
	struct change_parser p;
	int rc = 0;

	change_parser_init(&p, list, all);
	for (size_t at = 0; at < b->len && rc == 0; at += piece)
		rc = change_parse(&p, b->data + at, MIN(piece, b->len - at),
				  err);
	if (rc == 0)
		rc = change_parse_end(&p, err);
	change_parser_free(&p);
	return rc;
}
