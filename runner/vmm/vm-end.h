/* SPDX-License-Identifier: MIT */
/* runner/vmm/vm-end.h - how a guest comes to an end */
#ifndef PODFLARE_VMM_VM_END_H
#define PODFLARE_VMM_VM_END_H

#define VM_END_DETAIL 200	/* bytes, with the NUL */

enum vm_end_reason {
	VM_END_NONE,		/* it runs */
	VM_END_POWEROFF,	/* it powered off */
	VM_END_RESET,		/* it asked for a reset */
	VM_END_SHUTDOWN,	/* triple fault */
	VM_END_KVM,		/* the host could not run it any more */
};

struct vm_end {
	enum vm_end_reason reason;
	char detail[VM_END_DETAIL];	/* one line, "" when there is none */
};

#endif
