/* SPDX-License-Identifier: MIT */
/* runner/image-put.h - receive an image's files and check them */
#ifndef PODFLARE_RUNNER_IMAGE_PUT_H
#define PODFLARE_RUNNER_IMAGE_PUT_H

#include "common/frame.h"
#include "runner/image.h"

/* What is sent, in this order; names are those of the image's files. */
struct image_stream {
	int fd;		/* non-blocking */
	struct frame_reader in;	/* what was read of it already */
	const struct image_file *order[IMAGE_FILES_MAX];
	size_t nr_files;
};

/* Receive, check, make durable. Blocks: for a work thread. @text: the bytes of
 * image.json. Return: 0, or -1 with @err and nothing left behind. */
int image_receive(int images_fd, const struct image *img, const char *text,
		  size_t len, struct image_stream *s, struct err *err);
/* Remove what killed runners left half received or half removed, and what
 * others left half built a day ago. */
void image_clean(int images_fd);
#define IMAGE_GONE_MAX (IMAGE_DIGEST_LEN + 24)

/* Give it a name that marks it as going, which is written to @gone. Return: 0, or
 * -1 with @err. */
int image_retire(int images_fd, const char *digest, char *gone,
		 struct err *err);
/* Remove what is retired. Blocks. Return: 0, or -1 with @err. */
int image_destroy(int images_fd, const char *gone, struct err *err);
/* Make names durable. Blocks. Return: 0, or -1 with @err. */
int image_sync_names(int images_fd, struct err *err);

#endif
