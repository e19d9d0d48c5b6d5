/* SPDX-License-Identifier: MIT */
/*
 * common/yaml.h - a YAML file as a small tree with line numbers
 *
 * Scalars, lists and mappings; nothing else of YAML: no aliases, no anchors, no
 * tags, one document.  At most 1 MiB, 16 deep; a key stands once.
 */
#ifndef PODFLARE_COMMON_YAML_H
#define PODFLARE_COMMON_YAML_H

#include <stdbool.h>

#include "common/err.h"

#define NODE_BYTES_MAX (1024 * 1024)
#define NODE_DEPTH_MAX 16

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

struct node {
	enum node_kind kind;
	int line;		/* from 1 */
	char *key;		/* in a mapping */
	char *text;		/* scalars; no NUL inside */
	bool plain;		/* scalars: not quoted */
	struct node *items;	/* lists, mappings */
	size_t n;
};

#define NODE_INIT { .kind = NODE_SCALAR }
#define CLEANUP_NODE __attribute__((cleanup(node_free)))

/* @param file the name for messages. Return: 0 with @root filled in, or -1
 * with @err (ERR_USAGE, "FILE:LINE: WHY"). */
int node_parse(const char *file, const char *text, size_t len,
	       struct node *root, struct err *err);
void node_free(struct node *root);
/* Return: the value of @key in a mapping, NULL when there is none. */
const struct node *node_get(const struct node *map, const char *key);
/* "a list", "a mapping", "a text". */
const char *node_kind_name(enum node_kind kind);
/* Set ERR_USAGE "FILE:LINE: ..." Return: -1. */
int node_error(const char *file, int line, struct err *err, const char *fmt,
	       ...) PRINTF(4, 5);

#endif
