/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/disk.c - a raw disk, and what all disks do with a file
 *
 * Runs in the VMM, on the thread of the loop. The ranges it is given were
 * checked by the block device; it distrusts nobody but the host's file system,
 * which may fail at any time.
 */
#include "runner/vmm/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Drop the first @n bytes of *iov. */
static void iov_advance(struct iovec **iov, int *nr, size_t n)
{
	while (*nr > 0 && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		++*iov;
		--*nr;
	}
	if (n > 0) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
}

int disk_iov_take(struct iovec **iov, int *nr, uint64_t n, struct iovec *out)
{
	int taken = 0;

	while (n > 0 && *nr > 0) {
		size_t part = MIN(n, (*iov)->iov_len);

		out[taken++] = (struct iovec){ (*iov)->iov_base, part };
		iov_advance(iov, nr, part);
		n -= part;
	}
	return taken;
}

int disk_read_all(int fd, struct iovec *iov, int nr, uint64_t off, bool whole)
{
	iov_advance(&iov, &nr, 0);
	while (nr > 0) {
		ssize_t n = preadv(fd, iov, nr, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 && whole)
			return -EIO;
		if (n == 0) {
			memset(iov->iov_base, 0, iov->iov_len);
			n = (ssize_t)iov->iov_len;
		}
		off += (uint64_t)n;
		iov_advance(&iov, &nr, (size_t)n);
	}
	return 0;
}

int disk_write_all(int fd, struct iovec *iov, int nr, uint64_t off)
{
	iov_advance(&iov, &nr, 0);
	while (nr > 0) {
		ssize_t n = pwritev(fd, iov, nr, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		off += (uint64_t)n;
		iov_advance(&iov, &nr, (size_t)n);
	}
	return 0;
}

int disk_punch(int fd, uint64_t off, uint64_t len)
{
	if (TEMP_FAILURE_RETRY(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
					 FALLOC_FL_KEEP_SIZE,
					 (off_t)off, (off_t)len)) < 0)
		return errno == ENOSYS ? -EOPNOTSUPP : -errno;
	return 0;
}

int disk_write_zeros(int fd, uint64_t off, uint64_t len)
{
	static const uint8_t zeros[64 * 1024];

	while (len > 0) {
		struct iovec iov = { (void *)zeros, MIN(len, sizeof(zeros)) };
		size_t n = iov.iov_len;
		int rc = disk_write_all(fd, &iov, 1, off);

		if (rc < 0)
			return rc;
		off += n;
		len -= n;
	}
	return 0;
}

static int raw_read(struct disk *d, struct iovec *iov, int nr, uint64_t off,
		    uint64_t len)
{
	struct disk_raw *r = container_of(d, struct disk_raw, disk);

	return disk_read_all(r->fd, iov, nr, off, false);
}

static int raw_write(struct disk *d, struct iovec *iov, int nr, uint64_t off,
		     uint64_t len)
{
	struct disk_raw *r = container_of(d, struct disk_raw, disk);

	if (r->broken)
		return -r->broken;
	return disk_write_all(r->fd, iov, nr, off);
}

/* A failed fsync is final: what the kernel could not write it has dropped, and
 * the next fsync would say that all is well. */
static int raw_flush(struct disk *d)
{
	struct disk_raw *r = container_of(d, struct disk_raw, disk);

	if (!r->broken && fdatasync(r->fd) < 0)
		r->broken = errno;
	return -r->broken;
}

/* Return: as disk_punch(), which is not tried again where it cannot work. */
static int raw_punch(struct disk_raw *r, uint64_t off, uint64_t len)
{
	int rc;

	if (r->broken)
		return -r->broken;
	if (r->no_punch)
		return -EOPNOTSUPP;
	rc = disk_punch(r->fd, off, len);
	if (rc == -EOPNOTSUPP)
		r->no_punch = true;
	return rc;
}

static int raw_discard(struct disk *d, uint64_t off, uint64_t len)
{
	struct disk_raw *r = container_of(d, struct disk_raw, disk);
	int rc = raw_punch(r, off, len);

	return rc == -EOPNOTSUPP ? 0 : rc;
}

static int raw_zero(struct disk *d, uint64_t off, uint64_t len)
{
	struct disk_raw *r = container_of(d, struct disk_raw, disk);
	int rc = raw_punch(r, off, len);

	return rc == -EOPNOTSUPP ? disk_write_zeros(r->fd, off, len) : rc;
}

static void raw_close(struct disk *d)
{
	struct disk_raw *r = container_of(d, struct disk_raw, disk);

	close(r->fd);
	r->fd = -1;
}

static const struct disk_ops raw_ops = {
	.read = raw_read,
	.write = raw_write,
	.flush = raw_flush,
	.discard = raw_discard,
	.zero = raw_zero,
	.close = raw_close,
};

int disk_file_size(int fd, uint64_t *size, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, errno, "disk: stat");
	*size = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, size) < 0)
			return err_sys(err, errno, "disk: size of the device");
	} else if (!S_ISREG(st.st_mode)) {
		return err_set(err, ERR_USAGE,
			       "disk: neither a file nor a block device");
	}
	return 0;
}

int disk_raw_open(struct disk_raw *r, int fd, bool read_only, struct err *err)
{
	uint64_t size;

	*r = (struct disk_raw){ .fd = -1 };
	if (disk_file_size(fd, &size, err) < 0) {
		close(fd);
		return -1;
	}
	r->fd = fd;
	r->disk.ops = &raw_ops;
	r->disk.size = ALIGN_UP(size, (uint64_t)DISK_SECTOR);
	r->disk.read_only = read_only;
	return 0;
}

void disk_close(struct disk *d)
{
	if (d->ops)
		d->ops->close(d);
	d->ops = NULL;
}
