/* SPDX-License-Identifier: MIT */
/*
 * guest-init/modules.c - the kernel modules of the initramfs
 *
 * Pid 1, at boot.  The initramfs comes from the host.  Its files are memory, so
 * each is removed once it was loaded.
 */
#include "guest-init/modules.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/util.h"
#include "guest-init/kmsg.h"

#define MARKER "~Module signature appended~\n"
#define INFO_LEN 12		/* struct module_signature; its end is the size */

/* Drivers of virtio devices that a sandbox may do without: loading one takes
 * longer than looking. Device numbers: virtio 1.2, section 5. */
static const struct {
	const char *module;
	unsigned long device;
} optional[] = {
	{ "failover.ko", 1 },
	{ "net_failover.ko", 1 },
	{ "virtio_net.ko", 1 },
	{ "virtio-rng.ko", 4 },
};

static bool has_virtio_device(unsigned long number)
{
	CLEANUP_DIR DIR *d = opendir("/sys/bus/virtio/devices");
	struct dirent *de;
	char path[512], text[32];

	while (d && (de = readdir(d))) {
		CLEANUP_FILE FILE *f = NULL;

		snprintf(path, sizeof(path), "/sys/bus/virtio/devices/%s/device",
			 de->d_name);
		f = fopen(path, "re");
		if (f && fgets(text, sizeof(text), f) &&
		    strtoul(text, NULL, 16) == number)
			return true;
	}
	return false;
}

static bool is_wanted(const char *name, const char *base_type)
{
	bool erofs = strcmp(base_type, "erofs") == 0;

	if (strcmp(name, "squashfs.ko") == 0)
		return !erofs;
	if (strcmp(name, "erofs.ko") == 0 || strcmp(name, "libcrc32c.ko") == 0)
		return erofs;
	for (size_t i = 0; i < ARRAY_SIZE(optional); i++)
		if (strcmp(name, optional[i].module) == 0)
			return has_virtio_device(optional[i].device);
	return true;
}

/* Length without the signature that may be appended. Documentation/admin-guide/
 * module-signing.rst of Linux: data, struct module_signature, a marker. */
static size_t unsigned_len(const uint8_t *module, size_t len)
{
	const size_t marker = sizeof(MARKER) - 1;
	uint32_t size;

	if (len < marker + INFO_LEN ||
	    memcmp(module + len - marker, MARKER, marker) != 0)
		return len;
	memcpy(&size, module + len - marker - sizeof(size), sizeof(size));
	size = be32toh(size);
	len -= marker + INFO_LEN;
	return size < len ? len - size : len;
}

/* Checking the signatures takes the kernel more than half of our boot, and what
 * the host gave us needs none. A kernel that insists gets them. */
static int load_file(int fd)
{
	struct stat st;
	uint8_t *module;
	long rc;

	if (fstat(fd, &st) < 0)
		return -1;
	module = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (module == MAP_FAILED)
		return -1;
	rc = syscall(SYS_init_module, module,
		     unsigned_len(module, (size_t)st.st_size), "");
	if (rc < 0 && errno != EEXIST)
		rc = syscall(SYS_finit_module, fd, "", 0);
	munmap(module, (size_t)st.st_size);
	/* EEXIST: this kernel has it built in */
	return rc < 0 && errno != EEXIST ? -1 : 0;
}

static void load(int dir, const char *name)
{
	CLEANUP_FD int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || load_file(fd) < 0)
		kmsg_line(KMSG_WARN, "module %s: %s", name, strerror(errno));
}

void modules_load(const char *base_type)
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
		if (is_wanted(name, base_type))
			load(dir, name);
		unlinkat(dir, name, 0);
	}
	unlinkat(dir, "order", 0);
	rmdir("/modules");
}
