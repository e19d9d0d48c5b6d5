/* SPDX-License-Identifier: MIT */
/*
 * cli/image-base-rules.c - what of a tar stream belongs into an image
 *
 * Runs in the CLI.  Distrusts the names: they may be absolute, have "." and
 * ".." in them, or stand twice.
 */
#include <stdio.h>

#include "cli/image-base.h"

/* The folder stays, what is in it goes: it is made anew at each boot. */
static const char *const volatile_dirs[] = { "dev", "proc", "sys", "run",
					     "tmp" };

/* Ours take their place (image-base.c): nothing of the building host. */
static const char *const replaced[] = { "etc/hostname", "etc/resolv.conf",
					"etc/machine-id" };

static const char *const built_dirs[] = { "podflare-build", "var/tmp",
	"var/lib/apt/lists", "var/cache/apt" };

static const char *const built_files[] = {
	"etc/apt/apt.conf.d/98podflare", "etc/apt/apt.conf.d/99mmdebstrap",
	"etc/dpkg/dpkg.cfg.d/98podflare", "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
	"etc/apt/sources.list.d/0000main.sources", "podflare-build",
	"var/lib/dbus/machine-id", "var/log/dpkg.log",
	"var/log/alternatives.log", "var/log/bootstrap.log",
};

/* "./usr//bin/." becomes "usr/bin". Return: -1 for what must not be. */
static int clean(const char *name, char *out, size_t size)
{
	size_t used = 0;

	while (*name) {
		size_t n;

		name += strspn(name, "/");
		n = strcspn(name, "/");
		if (n == 2 && !memcmp(name, "..", 2))
			return -1;
		if (n && !(n == 1 && *name == '.')) {
			if (used + n + 2 > size)
				return -1;
			if (used)
				out[used++] = '/';
			memcpy(out + used, name, n);
			used += n;
		}
		name += n;
	}
	out[used] = '\0';
	return 0;
}

static bool is_one_of(const char *path, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(path, list[i]))
			return true;
	return false;
}

static bool is_below(const char *path, const char *const *dirs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(dirs[i]);

		if (!strncmp(path, dirs[i], len) && path[len] == '/')
			return true;
	}
	return false;
}

/* See image-base.h. */
enum base_fate base_fate(const char *name, enum base_source source, char *out,
			 size_t size)
{
	if (!name || clean(name, out, size) < 0)
		return BASE_BAD;
	if (is_one_of(out, replaced, ARRAY_SIZE(replaced)))
		return BASE_REPLACE;
	if (is_below(out, volatile_dirs, ARRAY_SIZE(volatile_dirs)))
		return BASE_DROP;
	if (source == BASE_BUILT &&
	    (is_below(out, built_dirs, ARRAY_SIZE(built_dirs)) ||
	     is_one_of(out, built_files, ARRAY_SIZE(built_files))))
		return BASE_DROP;
	return BASE_KEEP;
}
