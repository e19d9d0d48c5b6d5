/* SPDX-License-Identifier: MIT */
/* runner/image.h - the store of docs/image-format.md */
#ifndef PODFLARE_RUNNER_IMAGE_H
#define PODFLARE_RUNNER_IMAGE_H

#include <jansson.h>

#include "runner/runner.h"

#define IMAGE_DIGEST_LEN 71	/* "sha256-" and 64 digits */
#define IMAGE_JSON_MAX (256 * 1024)
#define IMAGE_FILES_MAX 5
#define IMAGE_SIZE_MAX (64 * GIB)	/* all files of one image */

struct image_file {
	char name[16];
	uint64_t size;
	char sha256[65];
};

/* What image.json says, checked. */
struct image {
	char digest[IMAGE_DIGEST_LEN + 1];
	char base_type[16];
	char kernel[64];
	char user[64];		/* "" when it does not say */
	char workdir[256];
	json_t *env;		/* an object of texts */
	json_t *json;		/* all of it */
	struct image_file files[IMAGE_FILES_MAX];
	size_t nr_files;
};

void image_free(struct image *img);
#define CLEANUP_IMAGE __attribute__((cleanup(image_free)))

/* Check the text of an image.json and fill in @img, the digest too.
 * Return: 0, or -1 with @err (ERR_USAGE). */
int image_parse(const char *text, size_t len, struct image *img,
		struct err *err);
/* Find by name, digest or the digits' unique beginning (4 at least), and load.
 * Return: 0, or -1 with @err. */
int image_find(struct runner *r, const char *ref, struct image *img,
	       struct err *err);
/* Open one of its files read-only. Return: fd, -1 with @err. */
int image_open(struct runner *r, const struct image *img, const char *name,
	       struct err *err);
bool image_has(const struct image *img, const char *name);
/* The digest that a name stands for; @digest has IMAGE_DIGEST_LEN + 1 bytes.
 * Return: 0, or -1. */
int image_read_name(struct runner *r, const char *name, char *digest);
bool image_digest_valid(const char *s);
/* Point @name at @digest. Return: 0, or -1 with @err. */
int image_set_name(struct runner *r, const char *name, const char *digest,
		   struct err *err);
/* Remove the names that point at @digest, or just @only (not NULL). Return: how
 * many names are left. */
size_t image_drop_names(struct runner *r, const char *digest,
			const char *only);
/* A name of it. Return: 0, or -1: it has none. */
int image_first_name(struct runner *r, const char *digest, char *name,
		     size_t size);
size_t image_count_names(struct runner *r, const char *digest);
/* The image of the API, without used_by. */
json_t *image_to_json(struct runner *r, const struct image *img);
/* Call @cb for each complete image; damaged ones are logged and left out. */
void image_each(struct runner *r,
		void (*cb)(void *arg, const struct image *img), void *arg);

#endif
