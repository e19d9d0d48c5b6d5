/* SPDX-License-Identifier: MIT */
/*
 * cli/change.h - what a sandbox tells of its files
 *
 * The records of CHANGES, HASH and FETCH (common/agent.h), and lists of them.
 */
#ifndef PODFLARE_CLI_CHANGE_H
#define PODFLARE_CLI_CHANGE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

#define CHANGE_RECORD_MAX (64 * KIB)	/* bytes of one record */
#define CHANGES_MAX 2000000		/* records of one list */
#define CHANGES_BYTES_MAX (1 * GIB)	/* of one list, as it comes */
#define DIGEST_SIZE 32

/* What stands at a path. */
struct node {
	uint32_t mode;		/* st_mode; 0: nothing */
	uint32_t uid, gid;
	uint64_t size;		/* of a regular file */
	uint64_t rdev;		/* of a device */
	char *link;		/* of a symbolic link; else NULL */
};

struct change {
	char *path;		/* gpath_valid() */
	uint32_t bits;		/* enum agent_change; 0: not compared */
	struct node now;
	struct node was;	/* in the image; no rdev */
	int64_t mtime, ctime;	/* ns */
	uint64_t ino;
	uint32_t nlink;
	uint32_t sys;		/* errno: no answer about this path */
	bool mapped;		/* may change without its ctime */
	bool hashed;
	uint8_t digest[DIGEST_SIZE];
};

struct change_list {
	struct change *v;	/* by path, as strcmp(3) */
	size_t n, cap;
};

#define CLEANUP_CHANGES __attribute__((cleanup(change_list_free)))

/* The TLVs of one record. Only what a CHANGES record must have is not looked
 * for. Return: 0 with @c to be freed, or -1 with @err (ERR_PROTOCOL). */
int change_decode(const void *data, size_t len, struct change *c,
		  struct err *err);
void change_free(struct change *c);
/* Compared with the image, and neither content nor type was changed. */
bool change_has_image_content(const struct change *c);
/* What the image has at its path. Texts are still the record's. */
struct node change_image_node(const struct change *c);
/* Return: NULL when there is none. */
struct change *change_find(const struct change_list *list, const char *path);
void change_list_free(struct change_list *list);

/* A list on its way, from pieces of the stream of any size. */
struct change_parser {
	struct change_list *list;
	bool all;		/* it was asked for with ALL */
	struct buf rest;	/* a record that is not whole */
	uint64_t bytes;
};

void change_parser_init(struct change_parser *p, struct change_list *list,
			bool all);
void change_parser_free(struct change_parser *p);
/* Return: 0, or -1 with @err (ERR_PROTOCOL, ERR_LIMIT). */
int change_parse(struct change_parser *p, const void *data, size_t len,
		 struct err *err);
/* The stream has ended. Return: 0, or -1 with @err. */
int change_parse_end(struct change_parser *p, struct err *err);

/* "file", "dir", "link", "block", "char", "fifo", "socket". */
const char *node_type_name(uint32_t mode);

#endif
