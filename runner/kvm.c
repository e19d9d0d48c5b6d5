/* SPDX-License-Identifier: MIT */
/*
 * runner/kvm.c - whether this host can run sandboxes, and what cures it
 *
 * podflared, loop thread.  Only opens the device and looks at the CPU's flags;
 * KVM itself is the VMM's affair.  PODFLARE_TEST_HOST names a folder that takes
 * the place of / for these two files, so that the messages can be tested.
 */
#include "runner/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"

#define CPUINFO_MAX (1024 * 1024)

static int open_at_root(const char *path, int flags)
{
	const char *root = getenv("PODFLARE_TEST_HOST");
	char full[PATH_MAX];

	if (snprintf(full, sizeof(full), "%s%s", root ? root : "", path) >=
	    (int)sizeof(full)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(full, flags | O_CLOEXEC);
}

/* Whether the first CPU's flags hold vmx (Intel) or svm (AMD). */
static bool has_virtualization(void)
{
	CLEANUP_FD int fd = open_at_root("/proc/cpuinfo", O_RDONLY);
	CLEANUP_BUF struct buf b = BUF_INIT;
	const char *flags;
	char *line, *end;

	while (fd >= 0 && b.len < CPUINFO_MAX && buf_read(&b, fd, 16384) > 0)
		;
	flags = strstr(buf_str(&b), "\nflags");
	if (!flags)
		return false;
	end = strchr(flags + 1, '\n');
	line = strndup(flags + 1, end ? (size_t)(end - flags - 1) : 16384);
	if (!line)
		return true;	/* let KVM say it */
	/* whole words: "svm_lock" is another flag */
	for (char *save, *w = strtok_r(line, " \t", &save); w;
	     w = strtok_r(NULL, " \t", &save)) {
		if (strcmp(w, "vmx") == 0 || strcmp(w, "svm") == 0) {
			free(line);
			return true;
		}
	}
	free(line);
	return false;
}

static int explain(int sys, struct err *err)
{
	bool cpu = has_virtualization();

	err_set(err, ERR_KVM, "/dev/kvm: %s", strerror(sys));
	switch (sys) {
	case EACCES:
	case EPERM:
		return err_hint(err, "sudo usermod -aG kvm $USER and log in "
				"again; or for now: sudo setfacl -m "
				"u:$USER:rw /dev/kvm");
	case ENOENT:
	case ENXIO:
	case ENODEV:
		if (cpu)
			return err_hint(err, "load the module: sudo modprobe "
					"kvm_intel (or kvm_amd); in a "
					"container, pass the device in "
					"(--device /dev/kvm)");
		return err_hint(err, "this host has no hardware "
				"virtualization: switch it on in the firmware "
				"setup (VT-x, AMD-V) or in the cloud machine's "
				"settings (nested virtualization), or use the "
				"emulated machine: podflare machine start");
	default:
		return -1;
	}
}

int kvm_open(struct err *err)
{
	CLEANUP_FD int fd = open_at_root("/dev/kvm", O_RDWR);

	if (fd < 0)
		return explain(errno, err);
	if (has_virtualization())
		return steal_fd(&fd);
	err_set(err, ERR_KVM, "no hardware virtualization: the CPU has "
		"neither vmx nor svm, though /dev/kvm is there");
	return err_hint(err, "switch it on in the firmware setup (VT-x, AMD-V) "
			"or in the cloud machine's settings (nested "
			"virtualization), or use the emulated machine: "
			"podflare machine start");
}
