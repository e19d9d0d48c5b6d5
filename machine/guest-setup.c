/* SPDX-License-Identifier: MIT */
/*
 * machine/guest-setup.c - mounts, modules and settings of the machine
 *
 * Process 1 of the emulated machine, once, as root.  Trusts the initramfs; the
 * disk may be anything, the kernel's ext4 judges it.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "machine/guest.h"

#define DISK "/dev/vda"
#define DISK_WAIT_MS 10000
#define MODULES "/modules"
#define NOFILE 65536
#define CLOCK_OFF_S 2
#define TSC_WAIT_MS 3000
#define CLOCK_SOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"
#define COMPRESSED_FILE 4	/* MODULE_INIT_COMPRESSED_FILE */

static const struct {
	const char *type, *at, *options;
	unsigned long flags;
	bool optional;
} mounts[] = {
	{ "proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC },
	{ "devtmpfs", "/dev", "mode=0755", MS_NOSUID },
	{ "devpts", "/dev/pts", "mode=0620,ptmxmode=0666", MS_NOSUID },
	{ "tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV },
	{ "tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV },
	{ "tmpfs", "/tmp", "mode=1777", MS_NOSUID | MS_NODEV },
	{ "cgroup2", "/sys/fs/cgroup", NULL, MS_NOSUID | MS_NODEV, true },
};

static int own_dir(const char *path, mode_t mode, struct err *err)
{
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return err_sys(err, errno, "%s", path);
	if (chown(path, GUEST_UID, GUEST_UID) < 0 || chmod(path, mode) < 0)
		return err_sys(err, errno, "%s", path);
	return 0;
}

int guest_mount_system(struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		mkdir(mounts[i].at, 0755);
		if (mount(mounts[i].type, mounts[i].at, mounts[i].type,
			  mounts[i].flags, mounts[i].options) < 0 &&
		    !mounts[i].optional)
			return err_sys(err, errno, "mount %s", mounts[i].at);
	}
	if (symlink("/proc/self/fd", "/dev/fd") < 0 && errno != EEXIST)
		return err_sys(err, errno, "/dev/fd");
	mkdir("/run/user", 0755);
	return own_dir(GUEST_RUNTIME, 0700, err);
}

int guest_mount_data(struct err *err)
{
	static const char *const dirs[] = {
		"home", "config", "share", "cache", "state",
	};
	const struct timespec tick = { 0, 20 * 1000000 };
	char path[64];

	for (int ms = 0; access(DISK, F_OK) < 0; ms += 20) {
		if (ms >= DISK_WAIT_MS)
			return err_set(err, ERR_IO, "no disk (%s)", DISK);
		nanosleep(&tick, NULL);
	}
	mkdir(GUEST_DATA, 0755);
	/* the image is sparse: its unwritten inode tables read as zeros */
	if (mount(DISK, GUEST_DATA, "ext4", MS_NOATIME | MS_NOSUID | MS_NODEV,
		  "discard,noinit_itable") < 0)
		return err_sys(err, errno, "mount %s on " GUEST_DATA, DISK);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), GUEST_DATA "/%s", dirs[i]);
		if (own_dir(path, 0700, err) < 0)
			return -1;
	}
	return 0;
}

void guest_unmount_data(void)
{
	if (umount2(GUEST_DATA, 0) == 0)
		return;
	log_warn("umount " GUEST_DATA ": %s", strerror(errno));
	if (mount(NULL, GUEST_DATA, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		log_error("remount " GUEST_DATA ": %s", strerror(errno));
}

/* KVM inside an emulator: nothing gains from polling on the only CPU, and the
 * sandboxes get no virtualization of their own. */
static const char *parameters(const char *name)
{
	if (strncmp(name, "kvm.ko", 6) == 0)
		return "halt_poll_ns=0";
	if (strncmp(name, "kvm-amd.ko", 10) == 0)
		return "npt=1 nested=0";
	return "";
}

static int load(const char *name, struct err *err)
{
	CLEANUP_FD int fd = -1;
	char path[256];
	size_t n = strlen(name);
	int flags = n > 3 && strcmp(name + n - 3, ".ko") != 0
		? COMPRESSED_FILE : 0;

	if (strchr(name, '/') ||
	    snprintf(path, sizeof(path), MODULES "/%s", name) >=
	    (int)sizeof(path))
		return err_set(err, ERR_FAILED, "module %s: bad name", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "module %s", name);
	if (syscall(SYS_finit_module, fd, parameters(name), flags) < 0 &&
	    errno != EEXIST)
		return err_sys(err, errno, "module %s", name);
	return 0;
}

/* The kernel measures the TSC twice, and takes it as its clock once it knows the
 * rate exactly.  KVM keeps the rate of the moment in which it is loaded: the
 * sandboxes' clocks would go wrong by the difference. */
static void wait_for_tsc(void)
{
	const struct timespec tick = { 0, 20 * 1000000 };

	for (int ms = 0; ms < TSC_WAIT_MS; ms += 20) {
		CLEANUP_BUF struct buf b = BUF_INIT;

		if (path_read_file(AT_FDCWD, CLOCK_SOURCE, 64, &b, NULL) < 0 ||
		    strcmp(buf_str(&b), "tsc\n") == 0)
			return;
		nanosleep(&tick, NULL);
	}
	log_warn("the TSC is not the clock after %d ms", TSC_WAIT_MS);
}

int guest_load_modules(struct err *err)
{
	CLEANUP_BUF struct buf order = BUF_INIT;
	char *line, *save = NULL;

	if (path_read_file(AT_FDCWD, MODULES "/order", 64 * KIB, &order,
			   err) < 0)
		return -1;
	for (line = strtok_r((char *)order.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, "kvm.ko", 6) == 0)
			wait_for_tsc();
		if (load(line, err) < 0)
			return -1;
	}
	return 0;
}

static void write_setting(const char *path, const char *value)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t n = strlen(value);

	if (fd < 0 || write(fd, value, n) != (ssize_t)n)
		log_warn("%s: %s", path, strerror(errno));
}

static void loopback_up(void)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo",
			     .ifr_flags = IFF_UP | IFF_RUNNING };

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		log_warn("lo: %s", strerror(errno));
}

/* The host's time is le64 nanoseconds since the epoch. While the host slept,
 * the machine's clock stood still. */
int guest_clock(int fd)
{
	struct timespec now, host;
	uint64_t ns;
	int64_t off;

	if (recv(fd, &ns, sizeof(ns), MSG_WAITALL) != sizeof(ns))
		return 1;
	ns = le64toh(ns);
	host.tv_sec = (time_t)(ns / 1000000000);
	host.tv_nsec = (long)(ns % 1000000000);
	clock_gettime(CLOCK_REALTIME, &now);
	off = (int64_t)(host.tv_sec - now.tv_sec);
	if (off > -CLOCK_OFF_S && off < CLOCK_OFF_S)
		return 0;
	log_info("setting the clock by %lld s", (long long)off);
	return clock_settime(CLOCK_REALTIME, &host) < 0;
}

int guest_settings(struct err *err)
{
	struct rlimit files = { NOFILE, NOFILE };

	if (access("/dev/kvm", F_OK) < 0) {
		err_set(err, ERR_KVM, "no /dev/kvm in the machine");
		return err_hint(err, "the kernel has no kvm-amd module or QEMU "
				"emulates no AMD-V");
	}
	if (chmod("/dev/kvm", 0666) < 0)
		return err_sys(err, errno, "/dev/kvm");
	if (sethostname("podflare-machine", strlen("podflare-machine")) < 0)
		log_warn("hostname: %s", strerror(errno));
	loopback_up();
	setrlimit(RLIMIT_NOFILE, &files);
	write_setting("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	write_setting("/proc/self/oom_score_adj", "-1000");
	return 0;
}
