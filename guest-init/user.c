/* SPDX-License-Identifier: MIT */
/*
 * guest-init/user.c - users and groups of the sandbox, from its own files
 *
 * A forked child of pid 1, on its way to a command or a file transfer.  The
 * files belong to the guest's root; malformed lines are passed over.
 */
#include "guest-init/user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"

#define FIELDS_MAX 8

static FILE *open_in(const char *etc, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", etc, name);
	return fopen(path, "re");
}

/* Cut a line at its colons. Return: how many fields there are. */
static size_t split(char *line, char *fields[FIELDS_MAX])
{
	size_t n = 0;

	line[strcspn(line, "\n")] = '\0';
	while (n < FIELDS_MAX) {
		fields[n++] = line;
		line = strchr(line, ':');
		if (!line)
			break;
		*line++ = '\0';
	}
	return n;
}

/* Decimal, within 32 bits, not -1. */
static bool parse_id(const char *text, uint32_t *id)
{
	char *end;
	unsigned long v;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || v >= UINT32_MAX)
		return false;
	*id = (uint32_t)v;
	return true;
}

static void copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* By name, or else by number. Return: whether it is listed. */
static bool find_user(struct user *u, const char *etc, const char *who)
{
	CLEANUP_FILE FILE *f = open_in(etc, "passwd");
	CLEANUP_FREE char *line = NULL;
	char *field[FIELDS_MAX];
	uint32_t want = 0, uid, gid;
	bool numeric = parse_id(who, &want);
	size_t cap = 0;

	while (f && getline(&line, &cap, f) >= 0) {
		if (split(line, field) < 7 || !parse_id(field[2], &uid) ||
		    !parse_id(field[3], &gid))
			continue;
		if (strcmp(field[0], who) != 0 && !(numeric && uid == want))
			continue;
		u->uid = uid;
		u->gid = gid;
		copy(u->name, sizeof(u->name), field[0]);
		copy(u->home, sizeof(u->home), field[5][0] ? field[5] : "/");
		copy(u->shell, sizeof(u->shell),
		     field[6][0] ? field[6] : "/bin/sh");
		return true;
	}
	return false;
}

static bool find_group(const char *etc, const char *who, gid_t *gid)
{
	CLEANUP_FILE FILE *f = open_in(etc, "group");
	CLEANUP_FREE char *line = NULL;
	char *field[FIELDS_MAX];
	uint32_t id;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) >= 0) {
		if (split(line, field) < 3 || strcmp(field[0], who) != 0 ||
		    !parse_id(field[2], &id))
			continue;
		*gid = id;
		return true;
	}
	return false;
}

static bool is_member(char *members, const char *name)
{
	char *rest = NULL;

	for (char *m = strtok_r(members, ",", &rest); m;
	     m = strtok_r(NULL, ",", &rest))
		if (strcmp(m, name) == 0)
			return true;
	return false;
}

static void find_memberships(struct user *u, const char *etc)
{
	CLEANUP_FILE FILE *f = open_in(etc, "group");
	CLEANUP_FREE char *line = NULL;
	char *field[FIELDS_MAX];
	uint32_t id;
	size_t cap = 0;

	while (f && getline(&line, &cap, f) >= 0) {
		if (split(line, field) < 4 || !parse_id(field[2], &id) ||
		    id == u->gid || !is_member(field[3], u->name))
			continue;
		if (u->nr_groups < USER_GROUPS_MAX)
			u->groups[u->nr_groups++] = id;
	}
}

int user_lookup(struct user *u, const char *etc, const char *spec,
		struct err *err)
{
	char who[256];
	const char *group = NULL;
	uint32_t id;
	char *colon;

	memset(u, 0, sizeof(*u));
	copy(u->home, sizeof(u->home), "/");
	copy(u->shell, sizeof(u->shell), "/bin/sh");
	if (!spec || !spec[0])
		spec = "0";
	if (strlen(spec) >= sizeof(who))
		return err_set(err, ERR_NOT_FOUND, "no such user");
	copy(who, sizeof(who), spec);
	colon = strchr(who, ':');
	if (colon) {
		*colon = '\0';
		group = colon + 1;
	}
	if (!find_user(u, etc, who)) {
		if (!parse_id(who, &id))
			return err_set(err, ERR_NOT_FOUND, "no user \"%s\"", who);
		u->uid = id;
		copy(u->name, sizeof(u->name), id ? who : "root");
		if (id == 0)
			copy(u->home, sizeof(u->home), "/root");
	}
	if (group) {
		if (!find_group(etc, group, &u->gid)) {
			if (!parse_id(group, &id))
				return err_set(err, ERR_NOT_FOUND,
					       "no group \"%s\"", group);
			u->gid = id;
		}
		return 0;	/* that group and no other, as docker has it */
	}
	find_memberships(u, etc);
	return 0;
}

int user_become(const struct user *u)
{
	gid_t groups[USER_GROUPS_MAX + 1];
	size_t n = 0;

	groups[n++] = u->gid;
	for (size_t i = 0; i < u->nr_groups; i++)
		groups[n++] = u->groups[i];
	/* an ordinary process (a test) is that user already */
	if (geteuid() != 0 && geteuid() == u->uid && getegid() == u->gid)
		return 0;
	if (setgroups(n, groups) < 0 || setresgid(u->gid, u->gid, u->gid) < 0)
		return -1;
	return setresuid(u->uid, u->uid, u->uid);
}
