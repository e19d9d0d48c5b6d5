/* SPDX-License-Identifier: MIT */
/*
 * guest-init/modules.c - the kernel modules of the initramfs
 *
 * Pid 1, at boot.  The initramfs comes from the host.  Its files are memory, so
 * each is removed once it was loaded.
 */
#include "guest-init/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "guest-init/kmsg.h"

static void load(int dir, const char *name)
{
	CLEANUP_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		kmsg_line(KMSG_WARN, "module %s: %s", name, strerror(errno));
		return;
	}
	/* EEXIST: this kernel has it built in */
	if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
		kmsg_line(KMSG_WARN, "module %s: %s", name, strerror(errno));
}

void modules_load(const char *unwanted)
{
	CLEANUP_FD int dir = open("/modules", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_FILE FILE *order = NULL;
	char name[256];

	if (dir < 0)
		return;	/* a kernel that has everything built in */
	order = fopen("/modules/order", "re");
	while (order && fgets(name, sizeof(name), order)) {
		name[strcspn(name, "\r\n")] = '\0';
		if (!name[0] || strchr(name, '/'))
			continue;
		if (!unwanted || strcmp(name, unwanted) != 0)
			load(dir, name);
		unlinkat(dir, name, 0);
	}
	unlinkat(dir, "order", 0);
	rmdir("/modules");
}
