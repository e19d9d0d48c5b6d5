/* SPDX-License-Identifier: MIT */
/*
 * runner/limits-cgroup.c - how much memory our control group leaves
 *
 * podflared, loop thread.  In a container the host's free memory says little.
 * Version 2: the least of what the groups from ours up leave; version 1: ours,
 * by the limit that the kernel says is the effective one.
 */
#include "runner/limits-cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/path.h"

#define FILE_MAX 65536
#define V2 "/sys/fs/cgroup"
#define V1 "/sys/fs/cgroup/memory"

int limits_read(const char *path, struct buf *out)
{
	const char *root = getenv("PODFLARE_TEST_HOST");
	char full[PATH_MAX];

	if (root && snprintf(full, sizeof(full), "%s%s", root, path) <
			(int)sizeof(full) &&
	    path_read_file(AT_FDCWD, full, FILE_MAX, out, NULL) == 0)
		return 0;
	return path_read_file(AT_FDCWD, path, FILE_MAX, out, NULL);
}

/* The number in a file, or, with @key, on its line. Return: false: none. */
static bool read_number(const char *dir, const char *group, const char *name,
			const char *key, uint64_t *n)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	char path[PATH_MAX], line[64];
	const char *s;

	if (snprintf(path, sizeof(path), "%s%s/%s", dir, group, name) >=
			(int)sizeof(path) || limits_read(path, &b) < 0)
		return false;
	s = buf_str(&b);
	if (key && strncmp(s, key, strlen(key)) != 0) {
		snprintf(line, sizeof(line), "\n%s ", key);
		s = strstr(s, line);
	}
	if (s && key)
		s = strchr(s, ' ');
	while (s && *s == ' ')
		s++;
	if (!s || *s < '0' || *s > '9')
		return false;	/* "max" */
	*n = strtoull(s, NULL, 10);
	return true;
}

static uint64_t left(uint64_t limit, uint64_t used, uint64_t cache)
{
	used -= MIN(used, cache);
	return limit > used ? limit - used : 0;
}

static uint64_t free_v2(char *group)
{
	uint64_t least = UINT64_MAX, limit, used, cache = 0;
	char *slash;

	if (strcmp(group, "/") == 0)
		*group = '\0';
	for (;;) {
		if (read_number(V2, group, "memory.max", NULL, &limit) &&
		    read_number(V2, group, "memory.current", NULL, &used)) {
			read_number(V2, group, "memory.stat", "inactive_file",
				    &cache);
			least = MIN(least, left(limit, used, cache));
		}
		slash = strrchr(group, '/');
		if (!slash)
			return least;
		*slash = '\0';
	}
}

static uint64_t free_v1(const char *group)
{
	uint64_t limit, used, cache = 0;

	/* in a container the group's own path is not mounted: its root is */
	if (!read_number(V1, group, "memory.stat", "hierarchical_memory_limit",
			 &limit))
		group = "";
	if (!read_number(V1, group, "memory.stat", "hierarchical_memory_limit",
			 &limit) ||
	    !read_number(V1, group, "memory.usage_in_bytes", NULL, &used) ||
	    limit >= 1ULL << 60)
		return UINT64_MAX;
	read_number(V1, group, "memory.stat", "total_inactive_file", &cache);
	return left(limit, used, cache);
}

uint64_t limits_cgroup_free(void)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint64_t least = UINT64_MAX, n;
	char *line, *save = NULL, *group;

	if (limits_read("/proc/self/cgroup", &b) < 0)
		return UINT64_MAX;
	buf_str(&b);
	for (line = strtok_r((char *)b.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		group = strstr(line, ":/");
		if (!group)
			continue;
		group++;
		if (strncmp(line, "0::", 3) == 0)
			n = free_v2(group);
		else if (strstr(line, ":memory:"))
			n = free_v1(group);
		else
			continue;
		least = MIN(least, n);
	}
	return least;
}
