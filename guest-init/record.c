/* SPDX-License-Identifier: MIT */
/*
 * guest-init/record.c - what is said of one path: see CHANGES in agent.h
 *
 * A child of pid 1.
 */
#include "guest-init/record.h"

#include "common/agent.h"

#define TLV_HEADER 8

static void put_head(uint8_t *to, uint16_t tag, size_t len)
{
	const uint32_t head[2] = { tag, (uint32_t)len };

	memcpy(to, head, sizeof(head));
}

void record_begin(struct record *r, const char *path, size_t len)
{
	r->len = 0;
	r->path = path;
	r->path_len = len;
	r->links[0] = r->links[1] = NULL;
}

void record_bytes(struct record *r, uint16_t tag, const void *data, size_t len)
{
	BUG_ON(len > sizeof(r->fixed) - r->len - TLV_HEADER);
	put_head(r->fixed + r->len, tag, len);
	memcpy(r->fixed + r->len + TLV_HEADER, data, len);
	r->len += TLV_HEADER + len;
}

void record_u32(struct record *r, uint16_t tag, uint32_t v)
{
	record_bytes(r, tag, &v, sizeof(v));
}

void record_u64(struct record *r, uint16_t tag, uint64_t v)
{
	record_bytes(r, tag, &v, sizeof(v));
}

static uint64_t nanoseconds(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

void record_stat(struct record *r, const struct stat *st, bool upper)
{
	record_u32(r, AGENT_T_MODE, st->st_mode);
	record_u32(r, AGENT_T_UID, st->st_uid);
	record_u32(r, AGENT_T_GID, st->st_gid);
	record_u64(r, AGENT_T_MTIME, nanoseconds(st->st_mtim));
	record_u64(r, AGENT_T_CTIME, nanoseconds(st->st_ctim));
	record_u64(r, AGENT_T_INO, upper ? st->st_ino : 0);
	record_u32(r, AGENT_T_NLINK, (uint32_t)st->st_nlink);
	if (S_ISREG(st->st_mode))
		record_u64(r, AGENT_T_SIZE, (uint64_t)st->st_size);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		record_u64(r, AGENT_T_RDEV, st->st_rdev);
}

void record_old_stat(struct record *r, const struct stat *st)
{
	record_u32(r, AGENT_T_OLD_MODE, st->st_mode);
	record_u32(r, AGENT_T_OLD_UID, st->st_uid);
	record_u32(r, AGENT_T_OLD_GID, st->st_gid);
	if (S_ISREG(st->st_mode))
		record_u64(r, AGENT_T_OLD_SIZE, (uint64_t)st->st_size);
}

static int send_text(struct stream_out *out, uint16_t tag, const char *text,
		     size_t len, struct err *err)
{
	uint8_t head[TLV_HEADER];

	put_head(head, tag, len);
	if (stream_write(out, head, sizeof(head), err) < 0)
		return -1;
	return stream_write(out, text, len, err);
}

int record_send(const struct record *r, struct stream_out *out,
		struct err *err)
{
	static const uint16_t tags[2] = { AGENT_T_LINK, AGENT_T_OLD_LINK };
	size_t len = TLV_HEADER + r->path_len + r->len;
	uint32_t len32;

	for (int i = 0; i < 2; i++)
		len += r->links[i] ? TLV_HEADER + r->link_lens[i] : 0;
	len32 = (uint32_t)len;
	if (stream_write(out, &len32, sizeof(len32), err) < 0 ||
	    send_text(out, AGENT_T_PATH, r->path, r->path_len, err) < 0 ||
	    stream_write(out, r->fixed, r->len, err) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		if (r->links[i] && send_text(out, tags[i], r->links[i],
					     r->link_lens[i], err) < 0)
			return -1;
	return 0;
}
