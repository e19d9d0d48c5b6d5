/* SPDX-License-Identifier: MIT */
/*
 * guest-init/system.c - what the agent does to the machine itself
 *
 * Pid 1.  Entropy, clock and name come from the host; not linked into tests.
 */
#include "guest-init/system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "guest-init/identity.h"
#include "guest-init/kmsg.h"

#define ENTROPY_MAX 512
#define TERM_MS 1500	/* between SIGTERM and SIGKILL to everybody */

static int writable_disk = -1;

/* Mixed in and credited, then the generator is told to use it at once rather
 * than in a minute: what runs next must not share its numbers with a sibling. */
static int add_entropy(const void *data, size_t len, struct err *err)
{
	/* struct rand_pool_info: bits to credit, bytes, the bytes */
	int pool[2 + ENTROPY_MAX / sizeof(int)] = { (int)len * 8, (int)len };
	CLEANUP_FD int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, errno, "/dev/urandom");
	if (len > ENTROPY_MAX)
		return err_set(err, ERR_LIMIT, "too much entropy");
	memcpy(&pool[2], data, len);
	if (ioctl(fd, RNDADDENTROPY, pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		return err_sys(err, errno, "cannot reseed the random numbers");
	return 0;
}

static int set_clock(uint64_t realtime_ns, struct err *err)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(realtime_ns / 1000000000ULL),
		.tv_nsec = (long)(realtime_ns % 1000000000ULL),
	};

	if (clock_settime(CLOCK_REALTIME, &ts) < 0)
		return err_sys(err, errno, "cannot set the clock");
	return 0;
}

static int set_hostname(const char *name, struct err *err)
{
	if (sethostname(name, strlen(name)) < 0)
		return err_sys(err, errno, "hostname %s", name);
	return 0;
}

/* Not worth a machine: a full disk, as a rule. */
static void renew_identity(void)
{
	struct err err = ERR_INIT;

	if (identity_renew("/", &err) < 0)
		kmsg_line(KMSG_WARN, "%s", err.msg);
}

/* Until no child is left or the time is over. */
static void wait_for_all(int ms)
{
	const struct timespec tick = { .tv_nsec = 10 * 1000 * 1000 };

	for (; ms > 0; ms -= 10) {
		pid_t pid;

		do {
			pid = waitpid(-1, NULL, WNOHANG);
		} while (pid > 0);
		if (pid < 0 && errno == ECHILD)
			return;
		nanosleep(&tick, NULL);
	}
}

static void poweroff(void)
{
	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
	wait_for_all(TERM_MS);
	kill(-1, SIGKILL);
	wait_for_all(TERM_MS);
	mount_quiesce(writable_disk);
	reboot(RB_POWER_OFF);
	reboot(RB_AUTOBOOT);	/* no way to power off: the VMM ends as well */
}

const struct agent_system *system_of_guest(const struct mount_halves *h)
{
	static struct agent_system guest = {
		.etc = "/etc",
		.cgroup = "/sys/fs/cgroup",
		.root = "/",
		.mountinfo = "/proc/self/mountinfo",
		.add_entropy = add_entropy,
		.set_clock = set_clock,
		.set_hostname = set_hostname,
		.renew_identity = renew_identity,
		.poweroff = poweroff,
	};

	guest.layers = (struct layers){ h->upper, h->lower };
	writable_disk = h->disk;
	return &guest;
}

int system_loopback_up(void)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo" };

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return -1;
	ifr.ifr_flags |= IFF_UP | IFF_RUNNING;
	return ioctl(fd, SIOCSIFFLAGS, &ifr);
}
