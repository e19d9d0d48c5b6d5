/* SPDX-License-Identifier: MIT */
/* cli/image-push.h - an image of this file system to a runner elsewhere */
#ifndef PODFLARE_CLI_IMAGE_PUSH_H
#define PODFLARE_CLI_IMAGE_PUSH_H

#include "cli/client.h"

/* Send the local image @name (or digest) to the runner, unless it has it.
 * Return: 0, or -1 with @err (ERR_NOT_FOUND: not here either). */
int image_push(struct client *c, const char *name, struct err *err);
/*
 * After a call that failed with @err: if it is ERR_NOT_FOUND, and the runner is
 * elsewhere, and the image is here, send it.
 * @param name the image that was asked for; NULL: "default"
 * Return: 0 with @err cleared when the call may be tried again; else -1 with
 * @err: as it was, or why sending failed, with a hint how to build the image.
 */
int image_ensure(struct client *c, const char *name, struct err *err);

#endif
