/* SPDX-License-Identifier: MIT */
/* runner/saving.h - a guest that stands still, written to files of its folder */
#ifndef PODFLARE_RUNNER_SAVING_H
#define PODFLARE_RUNNER_SAVING_H

#include "runner/sandbox.h"

/* Have the VMM of @sb, paused or held, write it to the folder's state and memory
 * (saved.h). The files are there, half written, when it fails.
 * Return: the call, NULL with @err. */
struct vmctl_call *saving_start(struct sandbox *sb, vmctl_cb cb, void *arg,
				struct err *err);

#endif
