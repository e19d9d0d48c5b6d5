/* SPDX-License-Identifier: MIT */
/* tests/unit/cow-break.c - rules that are broken on purpose; what is found */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/cow-parts.h"
#include "tests/unit/unit.h"

enum cow_break cow_breaking;
bool cow_loud;

const char *cow_break_name(enum cow_break b)
{
	static const char *const names[] = {
		[COW_SOUND] = "nothing broken",
		[COW_NO_SYNC] = "files are not synced",
		[COW_NO_FOLDER_SYNC] = "folders are not synced",
		[COW_NO_FREEZE] = "a fork's parent writes on",
		[COW_NO_COPY] = "an open layer is sealed under others",
		[COW_WRONG_ORDER] = "layers are merged upside down",
		[COW_LOST_CLUSTER] = "a cluster is not copied",
		[COW_NOT_FROZEN_FIRST] = "the top is flushed first",
	};

	return names[b];
}

void cow_wrong(const struct cow_world *w, const char *what, unsigned int at)
{
	if (cow_loud)
		fprintf(stderr, "PODFLARE_SEED=%#llx: round %u: %s %u\n",
			(unsigned long long)w->first_seed, w->round, what, at);
	_exit(1);
}

void cow_trace(struct machine *m, const char *what)
{
	char name[CHAIN_NAME];

	if (!cow_loud || !getenv("PODFLARE_TRACE"))
		return;
	fprintf(stderr, "%u: machine %d: %s; layers", m->world->round,
		(int)(m - m->world->machines), what);
	for (unsigned int i = 0; i < 200; i++) {
		chain_name(name, i);
		if (faccessat(m->dir, name, F_OK, 0) == 0)
			fprintf(stderr, " %u", i);
	}
	fprintf(stderr, "\n");
}

int __real_chain_own(int dirfd, unsigned int nr, struct err *err);
int __wrap_chain_own(int dirfd, unsigned int nr, struct err *err);
int __real_chain_merge(const int *in, unsigned int n, int out,
		       const atomic_bool *stop, struct err *err);
int __wrap_chain_merge(const int *in, unsigned int n, int out,
		       const atomic_bool *stop, struct err *err);

int __wrap_chain_own(int dirfd, unsigned int nr, struct err *err)
{
	char name[CHAIN_NAME];
	struct cow_header h;
	int fd;

	if (cow_breaking != COW_NO_COPY)
		return __real_chain_own(dirfd, nr, err);
	chain_name(name, nr);
	fd = openat(dirfd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0 || cow_format_load(fd, &h, err) < 0)
		return -1;
	h.flags |= COW_SEALED;
	cow_format_store(fd, &h);
	fsync(fd);
	close(fd);
	return 0;
}

int __wrap_chain_merge(const int *in, unsigned int n, int out,
		       const atomic_bool *stop, struct err *err)
{
	int turned[CHAIN_MERGE_MAX], rc;
	uint8_t zero[COW_SECTOR] = "";

	for (unsigned int i = 0; i < n; i++)
		turned[i] = in[cow_breaking == COW_WRONG_ORDER ? n - 1 - i : i];
	rc = __real_chain_merge(turned, n, out, stop, err);
	/* a sector that is worth nothing when it is a hole */
	if (rc == 0 && cow_breaking == COW_LOST_CLUSTER) {
		off_t at = lseek(out, COW_HEADER_LEN + 8192, SEEK_DATA);

		if (at >= 0 && pwrite(out, zero, sizeof(zero), at) < 0)
			rc = -1;
	}
	return rc;
}
