/* SPDX-License-Identifier: MIT */
/*
 * guest-init/mount.c - from the initramfs to the sandbox's root
 *
 * Pid 1, at boot and at the end.  The base comes from the host and is only
 * read; the writable disk was last written by this guest.
 *
 * Theory of operation: the overlay's two halves stay mounted in the initramfs,
 * which the overlay then covers: they are out of everyone's sight, and a
 * descriptor is all that is left of them.
 */
#include "guest-init/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "guest-init/kmsg.h"

#define BASE_DISK "/dev/vda"
#define WRITABLE_DISK "/dev/vdb"
#define DISK_WAIT_MS 5000

#define TMPFS_FLAGS (MS_NOSUID | MS_NODEV)
#define PSEUDO_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* What a running system has besides its root. */
static const struct place {
	const char *path, *type, *options;
	unsigned long flags;
	mode_t mode;
} places[] = {
	{ "/dev/pts", "devpts", "gid=5,mode=620,ptmxmode=666",
	  MS_NOSUID | MS_NOEXEC, 0755 },
	{ "/dev/shm", "tmpfs", "mode=1777", TMPFS_FLAGS, 01777 },
	{ "/run", "tmpfs", "mode=755", TMPFS_FLAGS, 0755 },
	{ "/sys/fs/cgroup", "cgroup2", NULL, PSEUDO_FLAGS, 0755 },
};

static const char *const dev_links[][2] = {
	{ "/proc/self/fd", "/dev/fd" },
	{ "/proc/self/fd/0", "/dev/stdin" },
	{ "/proc/self/fd/1", "/dev/stdout" },
	{ "/proc/self/fd/2", "/dev/stderr" },
};

static int mount_one(const char *source, const char *target, const char *type,
		     unsigned long flags, const char *options, struct err *err)
{
	if (mount(source, target, type, flags, options) < 0)
		return err_sys(err, errno, "cannot mount %s (%s) at %s", source,
			       type, target);
	return 0;
}

int mount_early(struct err *err)
{
	mkdir("/dev", 0755);
	mkdir("/proc", 0555);
	mkdir("/sys", 0555);
	if (mount_one("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=755", err) < 0)
		return -1;
	if (mount_one("proc", "/proc", "proc", PSEUDO_FLAGS, NULL, err) < 0)
		return -1;
	return mount_one("sysfs", "/sys", "sysfs", PSEUDO_FLAGS, NULL, err);
}

/* Drivers find their disks while they are loaded, as a rule. */
static int wait_for(const char *disk, struct err *err)
{
	const struct timespec tick = { .tv_nsec = 5 * 1000 * 1000 };
	struct stat st;

	for (int ms = 0; ms < DISK_WAIT_MS; ms += 5) {
		if (stat(disk, &st) == 0 && S_ISBLK(st.st_mode))
			return 0;
		nanosleep(&tick, NULL);
	}
	return err_set(err, ERR_NOT_FOUND, "no disk %s after %d s", disk,
		       DISK_WAIT_MS / 1000);
}

/* The overlay's root has the attributes of its upper folder. */
static int make_layers(struct err *err)
{
	struct stat st;

	if (mkdir("/rw/work", 0700) < 0 && errno != EEXIST)
		return err_sys(err, errno, "writable disk: work");
	if (mkdir("/rw/upper", 0755) < 0)
		return errno == EEXIST ? 0 :
			err_sys(err, errno, "writable disk: upper");
	if (stat("/base", &st) < 0)
		return err_sys(err, errno, "base");
	if (chmod("/rw/upper", st.st_mode & 07777) < 0 ||
	    chown("/rw/upper", st.st_uid, st.st_gid) < 0)
		return err_sys(err, errno, "writable disk: upper");
	return 0;
}

static int open_halves(struct mount_halves *h, struct err *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	h->disk = open("/rw", flags);
	h->upper = open("/rw/upper", flags);
	h->lower = open("/base", flags);
	if (h->disk < 0 || h->upper < 0 || h->lower < 0)
		return err_sys(err, errno, "the root's halves");
	return 0;
}

/* Renames of folders are noted (redirect_dir), copied-up files are whole
 * (metacopy): layers.c knows no other kind of half. */
static int mount_layers(const char *base_type, struct mount_halves *h,
			struct err *err)
{
	mkdir("/base", 0755);
	mkdir("/rw", 0755);
	mkdir("/new", 0755);
	if (wait_for(BASE_DISK, err) < 0 || wait_for(WRITABLE_DISK, err) < 0)
		return -1;
	if (mount_one(BASE_DISK, "/base", base_type, MS_RDONLY, NULL, err) < 0) {
		err_hint(err, "the image's base is no %s, or its "
			 "kernel has no driver for it", base_type);
		return -1;
	}
	if (mount_one(WRITABLE_DISK, "/rw", "ext4", MS_NOATIME,
		      "discard,noinit_itable,errors=remount-ro", err) < 0) {
		err_hint(err, "the sandbox's disk is damaged");
		return -1;
	}
	if (make_layers(err) < 0)
		return -1;
	if (mount_one("overlay", "/new", "overlay", MS_NOATIME,
		      "lowerdir=/base,upperdir=/rw/upper,workdir=/rw/work,"
		      "redirect_dir=on,metacopy=off,index=off,xino=auto",
		      err) < 0)
		return -1;
	return open_halves(h, err);
}

static int move_mount_to(const char *from, const char *to, struct err *err)
{
	if (mkdir(to, 0755) < 0 && errno != EEXIST)
		return err_sys(err, errno, "mkdir %s", to);
	if (mount(from, to, NULL, MS_MOVE, NULL) < 0)
		return err_sys(err, errno, "cannot move %s to %s", from, to);
	return 0;
}

/* An initramfs cannot be pivoted away from: it is covered. */
static int switch_root(struct err *err)
{
	if (move_mount_to("/dev", "/new/dev", err) < 0 ||
	    move_mount_to("/proc", "/new/proc", err) < 0 ||
	    move_mount_to("/sys", "/new/sys", err) < 0)
		return -1;
	unlink("/init");	/* the running program keeps its pages */
	if (chdir("/new") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 ||
	    chroot(".") < 0 || chdir("/") < 0)
		return err_sys(err, errno, "cannot switch to the new root");
	return 0;
}

static void mount_places(void)
{
	struct err err = ERR_INIT;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const struct place *p = &places[i];

		mkdir(p->path, p->mode);
		if (mount_one(p->type, p->path, p->type, p->flags, p->options,
			      &err) < 0)
			kmsg_line(KMSG_WARN, "%s", err.msg);
	}
	for (size_t i = 0; i < ARRAY_SIZE(dev_links); i++)
		if (symlink(dev_links[i][0], dev_links[i][1]) < 0)
			continue;	/* has it already */
	if (mkdir("/run/lock", 01777) == 0)
		chmod("/run/lock", 01777);
	if (stat("/tmp", &st) < 0 && mkdir("/tmp", 01777) == 0)
		chmod("/tmp", 01777);
}

int mount_root(const char *base_type, struct mount_halves *h, struct err *err)
{
	if (mount_layers(base_type, h, err) < 0 || switch_root(err) < 0)
		return -1;
	mount_places();
	return 0;
}

void mount_quiesce(int disk)
{
	char path[32];

	sync();
	/* the overlay first: it may still have to finish copying up */
	mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	if (disk < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", disk);
	if (mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0 &&
	    ioctl(disk, FIFREEZE, 0) < 0)	/* as good: the journal is empty */
		kmsg_line(KMSG_WARN, "writable disk: %s", strerror(errno));
	sync();
}
