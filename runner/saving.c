/* SPDX-License-Identifier: MIT */
/*
 * runner/saving.c - a guest that stands still, written to files of its folder
 *
 * podflared, loop thread.  The VMM cannot open anything by itself: it is given
 * the files, and the kernel's list of its own pages.
 */
#include "runner/saving.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/cleanup.h"
#include "runner/saved.h"
#include "runner/template-find.h"
#include "runner/vmctl-save.h"

#define WRITE_RATE (16 * MIB)	/* of memory in a second, to a slow disk */

struct vmctl_call *saving_start(struct sandbox *sb, vmctl_cb cb, void *arg,
				struct err *err)
{
	uint64_t writing_ms = sb->memory / (WRITE_RATE / 1000);
	struct vmctl *ctl = sb->vm ? vmproc_ctl(sb->vm) : NULL;
	const struct sandbox *like = template_in_files(sb);
	struct saved_files made;
	struct vmctl_call *call;
	struct vm_save files;
	CLEANUP_FD int pagemap = -1;
	char path[64];

	if (!ctl) {
		err_set(err, ERR_UNAVAILABLE, "its VMM has ended");
		return NULL;
	}
	snprintf(path, sizeof(path), "/proc/%d/pagemap",
		 (int)vmproc_pid(sb->vm));
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0) {
		err_sys(err, errno, "%s", path);
		return NULL;
	}
	if (saved_make(sb->dirfd, like ? like->dirfd : -1, &made, err) < 0)
		return NULL;
	files = (struct vm_save){
		.state = made.state, .memory = made.memory,
		.pagemap = pagemap, .template = made.template,
	};
	call = vmctl_save(ctl, &files,
			  (unsigned int)(sb->runner->boot_timeout_ms +
					 writing_ms), cb, arg, err);
	saved_close(&made);
	return call;
}
