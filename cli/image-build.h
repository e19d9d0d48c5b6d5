/* SPDX-License-Identifier: MIT */
/* cli/image-build.h - making images: from a recipe, from a tar archive */
#ifndef PODFLARE_CLI_IMAGE_BUILD_H
#define PODFLARE_CLI_IMAGE_BUILD_H

#include "cli/image-store.h"

struct image_made {
	char name[64];
	char dir[STORE_DIR_MAX];	/* "sha256-..." */
	char old[STORE_DIR_MAX];	/* what had the name before; "" */
	bool unchanged;			/* it was there already */
};

/*
 * Build the recipe @arg.
 * @param name instead of the recipe's own; may be NULL
 * @param force build even if nothing has changed
 * Return: 0 with @out filled in, or -1 with @err.
 */
int image_build(struct globals *g, const char *arg, const char *name,
		bool force, struct image_made *out, struct err *err);
/*
 * Make an image of a root file system in a tar archive ("-": stdin).
 * @param kernel_from the image whose kernel it gets
 */
int image_import(struct globals *g, const char *file, const char *name,
		 const char *kernel_from, struct image_made *out,
		 struct err *err);
/* "images/x.yaml", "/tmp/x.tar.gz": "x", if that is a valid name. Return: 0 */
int image_name_of(const char *path, char out[64]);
/* Add "created", now. */
void image_stamp(json_t *meta);

#endif
