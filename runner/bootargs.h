/* SPDX-License-Identifier: MIT */
/* runner/bootargs.h - what a VMM is given to boot a sandbox: files, command line */
#ifndef PODFLARE_RUNNER_BOOTARGS_H
#define PODFLARE_RUNNER_BOOTARGS_H

#include "runner/sandbox.h"

struct bootargs {
	struct vm_config cfg;
	char cmdline[VM_CMDLINE_MAX];
};

/* Open everything; the sandbox's `kernel` is set. Return: 0, or -1 with @err
 * and nothing left open. */
int bootargs_open(struct sandbox *sb, struct bootargs *args, struct err *err);
/* Close the files: the VMM has its own descriptors. */
void bootargs_close(struct bootargs *args);

#endif
