/* SPDX-License-Identifier: MIT */
/* guest-init/user.h - users and groups of the sandbox, from its own files */
#ifndef PODFLARE_GUEST_USER_H
#define PODFLARE_GUEST_USER_H

#include <sys/types.h>

#include "common/err.h"

#define USER_GROUPS_MAX 256

struct user {
	uid_t uid;
	gid_t gid;
	gid_t groups[USER_GROUPS_MAX];
	size_t nr_groups;
	char name[256];		/* the number, when it has no name */
	char home[1024];
	char shell[256];
};

/*
 * @param etc the folder of passwd and group
 * @param spec "name", "uid", "name:group", "uid:gid"; NULL or "": root. A number
 * need not be listed; its home is / then and its group 0, unless given.
 * Return: 0, or -1 with @err (ERR_NOT_FOUND).
 */
int user_lookup(struct user *u, const char *etc, const char *spec,
		struct err *err);
/* Become that user, for good: groups, gid, uid. Return: 0, or -1 with errno. */
int user_become(const struct user *u);

#endif
