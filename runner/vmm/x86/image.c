/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/image.c - files that go into guest memory: kernel, initrds
 *
 * Runs in podflare-vmm on the main thread, before the guest starts.  Distrusts
 * the files: they may be cut short, and may be changed while they are read.
 */
#include "runner/vmm/x86/image.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/vmm/x86/layout.h"

int image_open(struct image *img, int fd, const char *name, struct err *err)
{
	struct stat st;

	*img = (struct image){ .fd = fd, .name = name };
	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "%s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_USAGE, "%s: not a regular file", name);
	if (st.st_size <= 0)
		return err_set(err, ERR_USAGE, "%s: the file is empty", name);
	img->size = (uint64_t)st.st_size;
	return 0;
}

int image_read(const struct image *img, uint64_t off, void *buf, size_t len,
	       struct err *err)
{
	uint8_t *p = buf;

	if (off > img->size || len > img->size - off)
		return err_set(err, ERR_USAGE, "%s: the file is cut short at "
			       "%llu bytes", img->name,
			       (unsigned long long)img->size);
	while (len) {
		ssize_t n = TEMP_FAILURE_RETRY(pread(img->fd, p, len,
						     (off_t)off));

		if (n < 0)
			return err_sys(err, errno, "%s", img->name);
		if (n == 0)
			return err_set(err, ERR_IO, "%s: the file shrank while "
				       "it was read", img->name);
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int image_load(const struct image *img, uint64_t off,
	       const struct guest_memory *m, uint64_t gpa, uint64_t len,
	       struct err *err)
{
	void *to = memory_ptr(m, gpa, len);

	if (!to || gpa >= LAYOUT_HOLE_START)
		return err_set(err, ERR_USAGE, "%s: does not fit into the "
			       "guest's memory at 0x%llx", img->name,
			       (unsigned long long)gpa);
	return image_read(img, off, to, len, err);
}
