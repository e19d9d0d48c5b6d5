/* SPDX-License-Identifier: MIT */
/*
 * common/config.h - the user's config.yaml
 *
 * CLI and runner.  podflare-config(5) says what may stand in it; config.c has
 * the table of all keys.
 */
#ifndef PODFLARE_COMMON_CONFIG_H
#define PODFLARE_COMMON_CONFIG_H

#include "common/err.h"

#define CONFIG_FILE "config.yaml"
#define CONFIG_BYTES_MAX (64 * 1024)
#define CONFIG_POOLS_MAX 32	/* images with a pool */
#define CONFIG_POOL_MAX 64	/* sandboxes in one */

struct config_pool {
	char image[128];	/* a name, or a digest */
	unsigned int size;
};

struct config {
	struct config_pool pools[CONFIG_POOLS_MAX];
	size_t nr_pools;
};

/* What holds without a file. */
void config_default(struct config *c);
/* @param file the name for messages. Return: 0, or -1 with @err (ERR_USAGE,
 * "FILE:LINE: WHY") and @c as it was. */
int config_parse(const char *file, const char *text, size_t len,
		 struct config *c, struct err *err);
/* Read the file at @path. Return: 0, also when there is none (the defaults), or
 * -1 with @err and @c as it was. */
int config_load(const char *path, struct config *c, struct err *err);

#endif
