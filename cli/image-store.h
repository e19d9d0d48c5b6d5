/* SPDX-License-Identifier: MIT */
/*
 * cli/image-store.h - the images of this user on this file system
 *
 * docs/image-format.md.  An image is found by name, by digest ("sha256:...",
 * "sha256-..."), or by the digest's first 4 hexadecimal digits or more.
 */
#ifndef PODFLARE_CLI_IMAGE_STORE_H
#define PODFLARE_CLI_IMAGE_STORE_H

#include <jansson.h>

#include "cli/image-job.h"

#define STORE_DIR_MAX 72	/* "sha256-" and 64 hexadecimal digits */
#define STORE_JSON_MAX (256 * KIB)

struct store {
	char *path;		/* PATH_DATA/images */
	int fd;
	int lock;		/* held for writing; -1: not */
};

#define STORE_INIT { .fd = -1, .lock = -1 }
#define CLEANUP_STORE __attribute__((cleanup(store_close)))

/* @param make the folder. Return: 0, or -1 with @err (ERR_NOT_FOUND). */
int store_open(struct store *s, bool make, struct err *err);
void store_close(struct store *s);
/* Take the lock that builds and imports hold; waits, and says so.
 * Leftovers of builds that were killed are removed. Return: 0, or -1. */
int store_lock(struct store *s, struct job *j, struct err *err);
/* Find an image's folder. Return: 0, or -1 with @err (ERR_NOT_FOUND). */
int store_resolve(const struct store *s, const char *image,
		  char dir[STORE_DIR_MAX], struct err *err);
/* Read DIR/image.json; its digest, format and files' sizes are checked.
 * Return: a new reference, NULL with @err. */
json_t *store_load(const struct store *s, const char *dir, struct err *err);
/* All images, as the API's image.list has them, sorted by name.
 * Return: a new reference to a list, NULL with @err. */
json_t *store_list(const struct store *s, struct err *err);
/* One image as the API has it. Return: a new reference, NULL with @err. */
json_t *store_show(const struct store *s, const char *dir, struct err *err);

/* Make a folder for a new image. @name: 32 bytes. Return: its fd, or -1. */
int store_begin(const struct store *s, char *name, struct err *err);
/*
 * Complete it: "files" is added to @meta, image.json written, all of it synced,
 * renamed to its digest (@dir), and @name (may be NULL) made to point at it.
 * Return: 0, or -1 with @err and the new folder removed.
 */
int store_commit(const struct store *s, int fd, const char *tmp, json_t *meta,
		 const char *name, char dir[STORE_DIR_MAX], struct job *j,
		 struct err *err);
void store_abort(const struct store *s, const char *tmp);
/* Remove an image and its names. Return: 0, or -1 with @err. */
int store_remove(const struct store *s, const char *dir, struct err *err);
/* Remove one name only. Return: 0, or -1 with @err. */
int store_unlink(const struct store *s, const char *name, struct err *err);
/* "sha256-..." as people see it: "sha256:0123456789ab". */
void store_short(const char *dir, char out[24]);

#endif
