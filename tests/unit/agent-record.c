/* SPDX-License-Identifier: MIT */
/* tests/unit/agent-record.c - see agent-record.h */
#include "common/agent.h"
#include "tests/unit/agent-record.h"
#include "tests/unit/unit.h"

static void take_text(const struct tlv *t, char *to, size_t size)
{
	size_t n = MIN((size_t)t->len, size - 1);

	memcpy(to, t->data, n);
	to[n] = '\0';
}

static void take(struct rec *r, const struct tlv *t)
{
	if (t->tag < 64)
		r->seen |= 1ULL << t->tag;
	switch (t->tag) {
	case AGENT_T_PATH:
		take_text(t, r->path, sizeof(r->path));
		r->path_len = t->len;
		break;
	case AGENT_T_CHANGE:
		r->change = tlv_u32(t);
		break;
	case AGENT_T_MODE:
		r->mode = tlv_u32(t);
		break;
	case AGENT_T_UID:
		r->uid = tlv_u32(t);
		break;
	case AGENT_T_GID:
		r->gid = tlv_u32(t);
		break;
	case AGENT_T_NLINK:
		r->nlink = tlv_u32(t);
		break;
	case AGENT_T_SIZE:
		r->size = tlv_u64(t);
		break;
	case AGENT_T_MTIME:
		r->mtime = tlv_u64(t);
		break;
	case AGENT_T_CTIME:
		r->ctime = tlv_u64(t);
		break;
	case AGENT_T_MAPPED:
		r->mapped = tlv_u32(t);
		break;
	case AGENT_T_INO:
		r->ino = tlv_u64(t);
		break;
	case AGENT_T_RDEV:
		r->rdev = tlv_u64(t);
		break;
	case AGENT_T_LINK:
		take_text(t, r->link, sizeof(r->link));
		break;
	case AGENT_T_OLD_MODE:
		r->old_mode = tlv_u32(t);
		break;
	case AGENT_T_OLD_UID:
		r->old_uid = tlv_u32(t);
		break;
	case AGENT_T_OLD_GID:
		r->old_gid = tlv_u32(t);
		break;
	case AGENT_T_OLD_SIZE:
		r->old_size = tlv_u64(t);
		break;
	case AGENT_T_OLD_LINK:
		take_text(t, r->old_link, sizeof(r->old_link));
		break;
	case AGENT_T_DIGEST:
		assert_int_equal(t->len, sizeof(r->digest));
		memcpy(r->digest, t->data, sizeof(r->digest));
		r->has_digest = true;
		break;
	case AGENT_T_ERRNO:
		r->sys = tlv_u32(t);
		break;
	}
}

bool rec_next(const struct buf *data, size_t *pos, struct rec *r)
{
	uint32_t len;
	size_t at = 0;
	struct tlv t;
	int rc;

	if (*pos == data->len)
		return false;
	memset(r, 0, sizeof(*r));
	assert_true(data->len - *pos > sizeof(len));
	memcpy(&len, data->data + *pos, sizeof(len));
	*pos += sizeof(len);
	assert_true(data->len - *pos >= len);
	while ((rc = tlv_next(data->data + *pos, len, &at, &t)) > 0)
		take(r, &t);
	assert_int_equal(rc, 0);
	*pos += len;
	return true;
}

void rec_put_path(struct buf *data, const char *path, bool image)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint32_t len;

	tlv_put_str(&b, AGENT_T_PATH, path);
	if (image)
		tlv_put_u32(&b, AGENT_T_IMAGE, 1);
	len = (uint32_t)b.len;
	buf_append(data, &len, sizeof(len));
	buf_append(data, b.data, b.len);
}
