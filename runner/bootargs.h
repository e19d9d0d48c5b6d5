/* SPDX-License-Identifier: MIT */
/* runner/bootargs.h - what a VMM is given to start a sandbox: files, command line */
#ifndef PODFLARE_RUNNER_BOOTARGS_H
#define PODFLARE_RUNNER_BOOTARGS_H

#include "runner/chain.h"
#include "runner/sandbox.h"
#include "runner/vmctl-save.h"

struct bootargs {
	struct vm_config cfg;
	struct chain chain;
	char cmdline[VM_CMDLINE_MAX];
};

/* Open everything; the sandbox's `kernel` is set. @chain: its disk's layers.
 * Return: 0, or -1 with @err and nothing left open. */
int bootargs_open(struct sandbox *sb, const struct chain *chain,
		  struct bootargs *args, struct err *err);
/* Close the files: the VMM has its own descriptors. */
void bootargs_close(struct bootargs *args);
/* The same for a machine in files. */
int bootargs_open_saved(struct sandbox *sb, const struct chain *chain,
			struct vm_restore *r, struct err *err);
void bootargs_close_saved(struct vm_restore *r);

#endif
