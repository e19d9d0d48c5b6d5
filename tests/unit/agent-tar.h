/* SPDX-License-Identifier: MIT */
/* tests/unit/agent-tar.h - PUT and GET of tar streams, for tests */
#ifndef PODFLARE_TESTS_AGENT_TAR_H
#define PODFLARE_TESTS_AGENT_TAR_H

#include "tests/unit/agent-rig.h"

/* PUT what a command of the host writes. @param user may be NULL: the agent's */
void put_output(struct rig *r, const char *path, const char *user,
		const char *command, struct reply *reply);
/* PUT these bytes. */
void put_bytes(struct rig *r, const char *path, const void *data, size_t len,
	       struct reply *reply);
/* GET into reply->data. @param name, follow may be NULL, false */
void get_path(struct rig *r, const char *path, const char *name, bool follow,
	      struct reply *reply);
/* Write the archive to rig->dir/got.tar and let tar extract it to @folder, which
 * is made; NULL: leave it at that. Return: tar's exit status. */
int untar(struct rig *r, const struct reply *reply, const char *folder);

/* One header block, then @data padded to blocks. @param type a tar type flag */
void tar_add(struct buf *tar, const char *name, char type, const char *link,
	     const void *data, size_t len);
/* The same, with the size field saying something else. */
void tar_add_sized(struct buf *tar, const char *name, char type,
		   const char *link, uint64_t size, const void *data,
		   size_t len);
void tar_end(struct buf *tar);

#endif
