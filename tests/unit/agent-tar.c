/* SPDX-License-Identifier: MIT */
/* tests/unit/agent-tar.c - see agent-tar.h */
#include "tests/unit/agent-tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define CHUNK 50000	/* not a multiple of anything */

static int start_put(struct rig *r, const char *path, const char *user,
		     struct frame_reader *in, struct reply *reply)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int fd = rig_open(r);

	tlv_put_str(&b, AGENT_T_PATH, path);
	if (user)
		tlv_put_str(&b, AGENT_T_USER, user);
	rig_send(fd, AGENT_PUT, b.data, b.len);
	rig_collect(fd, in, reply);
	return fd;
}

void put_output(struct rig *r, const char *path, const char *user,
		const char *command, struct reply *reply)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = start_put(r, path, user, &in, reply);
	static uint8_t bytes[CHUNK];
	bool refused = reply->type != AGENT_OK;
	FILE *f;
	size_t n;

	if (!refused) {
		reply_free(reply);
		f = popen(command, "r");
		assert_non_null(f);
		while (!refused && (n = fread(bytes, 1, sizeof(bytes), f)) > 0)
			refused = frame_write(fd, AGENT_DATA, bytes, n) < 0;
		if (!refused)
			frame_write(fd, AGENT_END, NULL, 0);
		pclose(f);
		rig_collect(fd, &in, reply);
	}
	frame_reader_free(&in);
	close(fd);
}

void put_bytes(struct rig *r, const char *path, const void *data, size_t len,
	       struct reply *reply)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = start_put(r, path, NULL, &in, reply);
	const uint8_t *p = data;

	assert_int_equal(reply->type, AGENT_OK);
	reply_free(reply);
	while (len) {
		size_t n = MIN(len, (size_t)CHUNK);

		if (frame_write(fd, AGENT_DATA, p, n) < 0)
			break;
		p += n;
		len -= n;
	}
	frame_write(fd, AGENT_END, NULL, 0);
	rig_collect(fd, &in, reply);
	frame_reader_free(&in);
	close(fd);
}

void get_path(struct rig *r, const char *path, const char *name, bool follow,
	      struct reply *reply)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	tlv_put_str(&b, AGENT_T_PATH, path);
	if (name)
		tlv_put_str(&b, AGENT_T_NAME, name);
	if (follow)
		tlv_put_u32(&b, AGENT_T_FOLLOW, 1);
	rig_ask(r, AGENT_GET, &b, reply);
}

int untar(struct rig *r, const struct reply *reply, const char *folder)
{
	FILE *f = fopen(rig_path(r, "got.tar"), "we");

	assert_non_null(f);
	assert_int_equal(fwrite(reply->data.data, 1, reply->data.len, f),
			 reply->data.len);
	fclose(f);
	if (!folder)
		return 0;
	return rig_host("mkdir -p %s && tar -C %s --numeric-owner -xpf %s",
			folder, folder, rig_path(r, "got.tar"));
}

void tar_add_sized(struct buf *tar, const char *name, char type,
		   const char *link, uint64_t size, const void *data, size_t len)
{
	char h[512] = "";
	unsigned int sum = 0;
	size_t pad = ALIGN_UP(len, (size_t)512) - len;

	memcpy(h, name, MIN(strlen(name), (size_t)100));
	snprintf(h + 100, 8, "%07o", 0644);
	snprintf(h + 108, 8, "%07o", (unsigned int)geteuid());
	snprintf(h + 116, 8, "%07o", (unsigned int)getegid());
	snprintf(h + 124, 12, "%011" PRIo64, size);
	snprintf(h + 136, 12, "%011o", 1000000000);
	memset(h + 148, ' ', 8);
	h[156] = type;
	if (link)
		memcpy(h + 157, link, MIN(strlen(link), (size_t)100));
	memcpy(h + 257, "ustar\00000", 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	buf_append(tar, h, sizeof(h));
	buf_append(tar, data, len);
	memset(h, 0, sizeof(h));
	buf_append(tar, h, pad);
}

void tar_add(struct buf *tar, const char *name, char type, const char *link,
	     const void *data, size_t len)
{
	tar_add_sized(tar, name, type, link, len, data, len);
}

void tar_end(struct buf *tar)
{
	static const uint8_t zeros[1024];

	buf_append(tar, zeros, sizeof(zeros));
}
