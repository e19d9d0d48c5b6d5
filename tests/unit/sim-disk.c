/* SPDX-License-Identifier: MIT */
/* tests/unit/sim-disk.c - a host whose power can be cut */
#include "tests/unit/sim-disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

#define SECTOR 512
#define SECTORS_MAX 65536	/* ever written between two cuts */
#define BUCKETS 16384
#define FILES_MAX 4096
#define NAMES_MAX 512

struct sector {
	uint64_t ino, nr;
	uint32_t next;		/* of the bucket, 0: none */
	bool dirty;
	uint8_t old[SECTOR];	/* on stable storage */
};

/* A rename or unlink that its folder does not know for good. */
struct change {
	int dirfd;
	char name[32], from[32];	/* from "": unlinked */
	char kept[16];		/* what had the name, in home; "": nothing */
	uint64_t ino;		/* of that */
};

struct sim {
	int home;
	uint64_t seed;
	unsigned int fuse, kept;
	bool lie_files, lie_folders;
	uint32_t nr_sectors, nr_files, nr_changes;
	uint32_t bucket[BUCKETS];
	struct sector sectors[SECTORS_MAX];
	/* since the last cut; "f" and the number is their name in home */
	struct { uint64_t ino; bool synced; } files[FILES_MAX];
	struct change changes[NAMES_MAX];
};

static struct sim *sim;

ssize_t __real_pwrite(int fd, const void *buf, size_t n, off_t off);
ssize_t __real_pwritev(int fd, const struct iovec *iov, int nr, off_t off);
int __real_fallocate(int fd, int mode, off_t off, off_t len);
int __real_renameat(int fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int fd, const char *name, int flags);
int __real_openat(int fd, const char *name, int flags, mode_t mode);
int __real_fstat(int fd, struct stat *st);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t off);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int nr, off_t off);
ssize_t __wrap_copy_file_range(int in, off_t *from, int out, off_t *to,
			       size_t n, unsigned int flags);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_fallocate(int fd, int mode, off_t off, off_t len);
int __wrap_renameat(int fd, const char *from, int to_fd, const char *to);
int __wrap_unlinkat(int fd, const char *name, int flags);
int __wrap_openat(int fd, const char *name, int flags, ...);
int __wrap_fstat(int fd, struct stat *st);

void sim_begin(int home, uint64_t seed)
{
	sim = mmap(NULL, sizeof(*sim), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(sim != MAP_FAILED);
	sim->home = home;
	sim->seed = seed;
	sim->nr_sectors = 1;	/* 0 is none */
}

static const char *name_of(uint64_t ino)
{
	static char name[32];

	snprintf(name, sizeof(name), "f%llu", (unsigned long long)ino);
	return name;
}

void sim_end(void)
{
	munmap(sim, sizeof(*sim));
	sim = NULL;
}

void sim_fuse(unsigned int calls)
{
	sim->fuse = calls;
}

void sim_lie(bool files, bool folders)
{
	sim->lie_files = files;
	sim->lie_folders = folders;
}

static bool coin(uint32_t of)
{
	return rig_random(&sim->seed) % of == 0;
}

static void tick(void)
{
	if (sim && sim->fuse && --sim->fuse == 0)
		_exit(SIM_FUSED);
}

static uint64_t ino_of(int fd)
{
	struct stat st;

	if (!sim || __real_fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	return st.st_ino;
}

/* Give the file a name of ours, by which it is found, and which keeps its number
 * from being another's. */
static void know(int fd, uint64_t ino, bool synced)
{
	char path[32];

	for (uint32_t i = 0; i < sim->nr_files; i++)
		if (sim->files[i].ino == ino)
			return;
	assert_true(sim->nr_files < FILES_MAX);
	sim->files[sim->nr_files].ino = ino;
	sim->files[sim->nr_files++].synced = synced;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* one without a name is nobody's any more */
	if (linkat(AT_FDCWD, path, sim->home, name_of(ino),
		   AT_SYMLINK_FOLLOW) < 0)
		sim->nr_files--;
}

/* The sector's entry; its old contents are kept, if it is clean. */
static void touch(int fd, uint64_t ino, uint64_t nr)
{
	uint32_t *at = &sim->bucket[(ino * 31 + nr) % BUCKETS], i;
	struct sector *s;

	for (i = *at; i; i = sim->sectors[i].next)
		if (sim->sectors[i].ino == ino && sim->sectors[i].nr == nr)
			break;
	if (!i) {
		assert_true(sim->nr_sectors < SECTORS_MAX);
		i = sim->nr_sectors++;
		sim->sectors[i] = (struct sector){ .ino = ino, .nr = nr,
						   .next = *at };
		*at = i;
	}
	s = &sim->sectors[i];
	/* the host may have written back what stood there meanwhile */
	if (s->dirty && !coin(8))
		return;
	s->dirty = true;
	memset(s->old, 0, SECTOR);
	assert_true(pread(fd, s->old, SECTOR, (off_t)(nr * SECTOR)) >= 0);
}

static void note(int fd, off_t off, size_t len)
{
	uint64_t ino = len ? ino_of(fd) : 0;

	if (!ino)
		return;
	know(fd, ino, true);
	for (uint64_t nr = (uint64_t)off / SECTOR;
	     nr <= ((uint64_t)off + len - 1) / SECTOR; nr++)
		touch(fd, ino, nr);
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t off)
{
	tick();
	note(fd, off, n);
	return __real_pwrite(fd, buf, n, off);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int nr, off_t off)
{
	size_t len = 0;

	tick();
	for (int i = 0; i < nr; i++)
		len += iov[i].iov_len;
	note(fd, off, len);
	return __real_pwritev(fd, iov, nr, off);
}

/* The long way is the one that is seen. */
ssize_t __wrap_copy_file_range(int in, off_t *from, int out, off_t *to,
			       size_t n, unsigned int flags)
{
	errno = EOPNOTSUPP;
	return -1;
}

int __wrap_fallocate(int fd, int mode, off_t off, off_t len)
{
	tick();
	note(fd, off, (size_t)len);
	return __real_fallocate(fd, mode, off, len);
}

int __wrap_fdatasync(int fd)
{
	uint64_t ino = ino_of(fd);

	tick();
	if (!ino || sim->lie_files)
		return 0;
	for (uint32_t i = 1; i < sim->nr_sectors; i++)
		if (sim->sectors[i].ino == ino)
			sim->sectors[i].dirty = false;
	for (uint32_t i = 0; i < sim->nr_files; i++)
		if (sim->files[i].ino == ino)
			sim->files[i].synced = true;
	return 0;
}

/* In the first @n changes, of that folder. */
static void settle_names(int dirfd)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < sim->nr_changes; i++) {
		struct change *c = &sim->changes[i];

		if (c->dirfd != dirfd)
			sim->changes[n++] = *c;
		else if (*c->kept)
			__real_unlinkat(sim->home, c->kept, 0);
	}
	sim->nr_changes = n;
}

int __wrap_fsync(int fd)
{
	if (!sim || ino_of(fd))
		return __wrap_fdatasync(fd);
	tick();
	if (!sim->lie_folders)
		settle_names(fd);
	return 0;
}

static void keep(int dirfd, const char *name, const char *from)
{
	struct change *c = &sim->changes[sim->nr_changes];
	struct stat st;

	assert_true(sim->nr_changes < NAMES_MAX);
	*c = (struct change){ .dirfd = dirfd };
	snprintf(c->name, sizeof(c->name), "%s", name);
	snprintf(c->from, sizeof(c->from), "%s", from);
	snprintf(c->kept, sizeof(c->kept), "k%u", sim->kept++);
	if (linkat(dirfd, name, sim->home, c->kept, 0) < 0) {
		if (!*from)
			return;
		*c->kept = '\0';
	} else if (fstatat(dirfd, name, &st, 0) == 0) {
		c->ino = st.st_ino;
	}
	sim->nr_changes++;
}

int __wrap_renameat(int fd, const char *from, int to_fd, const char *to)
{
	tick();
	if (sim && faccessat(fd, from, F_OK, 0) == 0)
		keep(fd, to, from);
	return __real_renameat(fd, from, to_fd, to);
}

int __wrap_unlinkat(int fd, const char *name, int flags)
{
	tick();
	if (sim && !(flags & AT_REMOVEDIR))
		keep(fd, name, "");
	return __real_unlinkat(fd, name, flags);
}

/* A file is not there for good before it was synced. */
int __wrap_openat(int dirfd, const char *name, int flags, ...)
{
	uint64_t ino;
	va_list ap;
	mode_t mode;
	int fd;

	va_start(ap, flags);
	mode = (mode_t)va_arg(ap, int);
	va_end(ap);
	if (flags & O_CREAT)
		tick();
	fd = __real_openat(dirfd, name, flags, mode);
	ino = flags & O_EXCL && fd >= 0 ? ino_of(fd) : 0;
	if (ino)
		know(fd, ino, false);
	return fd;
}

/* Our own names of a file do not count. */
int __wrap_fstat(int fd, struct stat *st)
{
	int rc = __real_fstat(fd, st);

	if (!sim || rc < 0)
		return rc;
	for (uint32_t i = 0; i < sim->nr_files; i++)
		st->st_nlink -= sim->files[i].ino == st->st_ino;
	for (uint32_t i = 0; i < sim->nr_changes; i++)
		st->st_nlink -= *sim->changes[i].kept &&
				sim->changes[i].ino == st->st_ino;
	return 0;
}

static void undo(const struct change *c)
{
	if (*c->from)
		__real_renameat(c->dirfd, c->name, c->dirfd, c->from);
	/* the name may be another's by now */
	if (*c->kept)
		linkat(sim->home, c->kept, c->dirfd, c->name, 0);
}

static void forget(const struct sector *s)
{
	int fd = __real_openat(sim->home, name_of(s->ino), O_RDWR | O_CLOEXEC,
			       0);

	if (fd < 0)
		return;
	__real_pwrite(fd, s->old, SECTOR, (off_t)(s->nr * SECTOR));
	close(fd);
}

void sim_power_cut(void)
{
	bool in_order = coin(2);

	for (uint32_t i = sim->nr_changes; i-- > 0;) {
		struct change *c = &sim->changes[i];

		/* in order: the newest are lost */
		if (coin(2))
			undo(c);
		else if (in_order)
			break;
	}
	for (uint32_t i = 0; i < sim->nr_changes; i++)
		if (*sim->changes[i].kept)
			__real_unlinkat(sim->home, sim->changes[i].kept, 0);
	for (uint32_t i = 1; i < sim->nr_sectors; i++)
		if (sim->sectors[i].dirty && coin(2))
			forget(&sim->sectors[i]);
	for (uint32_t i = 0; i < sim->nr_files; i++) {
		const char *name = name_of(sim->files[i].ino);
		int fd = sim->files[i].synced || !coin(3) ? -1 :
			 __real_openat(sim->home, name, O_RDWR | O_CLOEXEC, 0);

		if (fd >= 0 && (ftruncate(fd, 0) < 0 || close(fd) < 0))
			fail();
		__real_unlinkat(sim->home, name, 0);
	}
	memset(sim->bucket, 0, sizeof(sim->bucket));
	sim->nr_sectors = 1;
	sim->nr_changes = sim->nr_files = 0;
}
