/* SPDX-License-Identifier: MIT */
/* cli/image-push.h - an image of this file system to a runner elsewhere */
#ifndef PODFLARE_CLI_IMAGE_PUSH_H
#define PODFLARE_CLI_IMAGE_PUSH_H

#include "cli/client.h"

/* Send the local image @name (or digest) to the runner, unless it has it.
 * Return: 0, or -1 with @err (ERR_NOT_FOUND: not here either). */
int image_push(struct client *c, const char *name, struct err *err);
/*
 * For a call that failed with ERR_NOT_FOUND since the runner lacks an image:
 * push it if it is here.
 * @param name NULL: "default"
 * Return: 0 when the call may be tried again; -1 with @err, whose hint says how
 * to build the image.
 */
int image_ensure(struct client *c, const char *name, struct err *err);

#endif
