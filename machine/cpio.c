/* SPDX-License-Identifier: MIT */
/*
 * machine/cpio.c - write a newc cpio archive, as the kernel's initramfs is
 *
 * Supervisor, at start-up.  The format: Documentation/driver-api/early-userspace/
 * buffer-format.rst of the kernel.
 */
#include "machine/cpio.h"

#include <errno.h>
#include <sys/stat.h>

#include "common/cleanup.h"

#define FILE_SIZE_MAX GIB

static int pad4(FILE *f, size_t written)
{
	static const char zeros[4];
	size_t n = (4 - written % 4) % 4;

	return fwrite(zeros, 1, n, f) == n ? 0 : -1;
}

static int header(struct cpio *c, const char *name, unsigned int mode,
		  size_t size)
{
	size_t len = strlen(name) + 1;
	int n;

	n = fprintf(c->f, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X"
		    "%08X%08X", ++c->ino, mode, 0, 0, 1, 0, (unsigned int)size,
		    0, 0, 0, 0, (unsigned int)len, 0);
	if (n < 0 || fwrite(name, 1, len, c->f) != len)
		return -1;
	return pad4(c->f, (size_t)n + len);
}

static int entry(struct cpio *c, const char *name, unsigned int mode,
		 const char *data, size_t size, struct err *err)
{
	if (header(c, name, mode, size) < 0 ||
	    fwrite(data, 1, size, c->f) != size || pad4(c->f, size) < 0)
		return err_sys(err, errno, "initramfs: %s", name);
	return 0;
}

int cpio_dir(struct cpio *c, const char *name, unsigned int mode,
	     struct err *err)
{
	return entry(c, name, S_IFDIR | mode, "", 0, err);
}

int cpio_text(struct cpio *c, const char *name, const char *text,
	      struct err *err)
{
	return entry(c, name, S_IFREG | 0644, text, strlen(text), err);
}

int cpio_symlink(struct cpio *c, const char *name, const char *target,
		 struct err *err)
{
	return entry(c, name, S_IFLNK | 0777, target, strlen(target), err);
}

/* Copy @in to its end. Return: bytes, -1 with errno. */
static long long copy(FILE *in, FILE *out)
{
	char data[65536];
	long long total = 0;
	size_t n;

	while ((n = fread(data, 1, sizeof(data), in)) > 0) {
		if (fwrite(data, 1, n, out) != n)
			return -1;
		total += (long long)n;
	}
	return ferror(in) ? -1 : total;
}

int cpio_file(struct cpio *c, const char *name, unsigned int mode,
	      const char *path, struct err *err)
{
	CLEANUP_FILE FILE *in = fopen(path, "re");
	struct stat st;
	long long n;

	if (!in || fstat(fileno(in), &st) < 0)
		return err_sys(err, errno, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_SIZE_MAX)
		return err_set(err, ERR_FAILED, "%s: not a program", path);
	if (header(c, name, S_IFREG | mode, (size_t)st.st_size) < 0)
		return err_sys(err, errno, "initramfs: %s", name);
	n = copy(in, c->f);
	if (n < 0)
		return err_sys(err, errno, "initramfs: %s", path);
	if (n != st.st_size)
		return err_set(err, ERR_BUSY, "%s: changed while it was read",
			       path);
	return pad4(c->f, (size_t)n) < 0
		? err_sys(err, errno, "initramfs: %s", name) : 0;
}

int cpio_end(struct cpio *c, struct err *err)
{
	return entry(c, "TRAILER!!!", 0, "", 0, err);
}

int cpio_concat(FILE *f, const char *path, struct err *err)
{
	CLEANUP_FILE FILE *in = fopen(path, "re");
	long long n;

	if (!in)
		return err_sys(err, errno, "%s", path);
	n = copy(in, f);
	if (n < 0 || pad4(f, (size_t)n) < 0)
		return err_sys(err, errno, "initramfs: %s", path);
	return 0;
}
