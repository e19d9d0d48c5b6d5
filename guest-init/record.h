/* SPDX-License-Identifier: MIT */
/*
 * guest-init/record.h - what is said of one path: see CHANGES in agent.h
 *
 * Nothing is allocated for a record; the bytes go out with the stream's.
 */
#ifndef PODFLARE_GUEST_RECORD_H
#define PODFLARE_GUEST_RECORD_H

#include "guest-init/layers.h"
#include "guest-init/stream.h"

#define RECORD_LINK_MAX 4096

struct record {
	uint8_t fixed[512];	/* all but the texts */
	size_t len;
	const char *path;	/* absolute, not owned */
	size_t path_len;
	const char *links[2];	/* LINK and OLD_LINK, NULL: none */
	size_t link_lens[2];
};

void record_begin(struct record *r, const char *path, size_t len);
void record_u32(struct record *r, uint16_t tag, uint32_t v);
void record_u64(struct record *r, uint16_t tag, uint64_t v);
/* @param len 32 at most */
void record_bytes(struct record *r, uint16_t tag, const void *data, size_t len);
/* MODE to RDEV. @param upper whether @st is of the upper half: only that has an
 * inode number that means something. */
void record_stat(struct record *r, const struct stat *st, bool upper);
/* OLD_MODE to OLD_SIZE. */
void record_old_stat(struct record *r, const struct stat *st);
/* Return: 0, or -1 with @err. */
int record_send(const struct record *r, struct stream_out *out,
		struct err *err);

#endif
