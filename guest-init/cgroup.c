/* SPDX-License-Identifier: MIT */
/*
 * guest-init/cgroup.c - control groups: bounds for all commands, an end for each
 *
 * Pid 1.  The guest's root may change or remove any of this: every step may
 * fail, and then only the bound is lost.
 */
#include "guest-init/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/util.h"

#define PIDS_MIN 512
#define KEEP_KIB (10 * 1024)

static int write_at(int dir, const char *file, const char *text)
{
	CLEANUP_FD int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	return write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

/* The first number of a file; 0 when there is none. */
static uint64_t number_at(int dir, const char *file)
{
	CLEANUP_FD int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 0;
	return strtoull(text, NULL, 10);
}

/* Two processes for each MiB of RAM: even the smallest ones (some 160 KiB each
 * with their page tables and stacks) then leave most of it to those that are to
 * clear up after them. Never more than three quarters of the kernel's bound. */
static void bound_pids(int user)
{
	uint64_t threads = number_at(AT_FDCWD, "/proc/sys/kernel/threads-max");
	uint64_t pids = number_at(AT_FDCWD, "/proc/sys/kernel/pid_max");
	uint64_t most = MIN(threads, pids) / 4 * 3;
	struct sysinfo si;
	char text[32];
	uint64_t max;

	if (sysinfo(&si) < 0)
		return;
	max = 2 * (uint64_t)si.totalram * si.mem_unit / MIB;
	max = MIN(MAX(max, (uint64_t)PIDS_MIN), most);
	snprintf(text, sizeof(text), "%" PRIu64, max);
	write_at(user, "pids.max", text);
}

/* A little of what is free now is kept back for the kernel and pid 1, so that
 * the group runs out of memory before the machine does. */
static void bound_memory(int user)
{
	CLEANUP_FILE FILE *f = fopen("/proc/meminfo", "re");
	uint64_t kib = 0, keep;
	char line[128], text[32];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	keep = MIN(KEEP_KIB + kib / 64, kib / 4);
	if (!kib)
		return;
	snprintf(text, sizeof(text), "%" PRIu64, (uint64_t)(kib - keep) * 1024);
	write_at(user, "memory.max", text);
}

static int open_group(int parent, const char *name)
{
	mkdirat(parent, name, 0755);
	return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void cgroup_init(struct cgroup *cg, const char *root)
{
	CLEANUP_FD int dir = -1;

	cg->user = cg->own = cg->commands = cg->events = -1;
	cg->memory_events = cg->pids_events = -1;
	cg->nr_stale = 0;
	if (root)
		dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	/* One at a time: any may be missing. With cpu, pid 1 and each command
	 * have a fair share of the processor, however many processes one of
	 * them has: a fork bomb slows nobody else much. */
	write_at(dir, "cgroup.subtree_control", "+cpu");
	write_at(dir, "cgroup.subtree_control", "+memory");
	write_at(dir, "cgroup.subtree_control", "+pids");
	cg->user = open_group(dir, "user");
	if (cg->user < 0)
		return;
	write_at(cg->user, "cgroup.subtree_control", "+cpu");
	bound_pids(cg->user);
	bound_memory(cg->user);
	cg->own = open_group(cg->user, "agent");
	cg->commands = open_group(cg->user, "commands");
	if (cg->commands >= 0) {
		write_at(cg->commands, "cgroup.subtree_control", "+cpu");
		cg->events = openat(cg->commands, "cgroup.events",
				    O_RDONLY | O_CLOEXEC);
	}
	cg->memory_events = openat(cg->user, "memory.events", O_RDONLY | O_CLOEXEC);
	cg->pids_events = openat(cg->user, "pids.events", O_RDONLY | O_CLOEXEC);
}

void cgroup_free(struct cgroup *cg)
{
	int *const all[] = { &cg->user, &cg->own, &cg->commands, &cg->events,
			     &cg->memory_events, &cg->pids_events };

	cgroup_sweep(cg);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (*all[i] >= 0)
			close(*all[i]);
		*all[i] = -1;
	}
}

int cgroup_make(struct cgroup *cg, uint32_t id)
{
	char name[16];

	if (cg->commands < 0)
		return -1;
	snprintf(name, sizeof(name), "%" PRIu32, id);
	if (mkdirat(cg->commands, name, 0755) < 0 && errno != EEXIST)
		return -1;
	return openat(cg->commands, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Before Linux 5.14: by hand, again and again until nobody is born. */
static int kill_listed(int dir)
{
	char line[32];

	for (int tries = 0; tries < 100; tries++) {
		int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
		CLEANUP_FILE FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
		bool any = false;

		if (!f)
			return -1;
		while (fgets(line, sizeof(line), f)) {
			pid_t pid = (pid_t)strtol(line, NULL, 10);

			any |= pid > 1 && kill(pid, SIGKILL) == 0;
		}
		if (!any)
			return 0;
	}
	return 0;
}

int cgroup_kill(struct cgroup *cg, uint32_t id)
{
	CLEANUP_FD int dir = -1;
	char name[16];

	if (cg->commands < 0) {
		errno = ENOENT;
		return -1;
	}
	snprintf(name, sizeof(name), "%" PRIu32, id);
	dir = openat(cg->commands, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	if (write_at(dir, "cgroup.kill", "1") == 0)
		return 0;
	return kill_listed(dir);
}

static int remove_group(struct cgroup *cg, uint32_t id)
{
	char name[16];

	snprintf(name, sizeof(name), "%" PRIu32, id);
	if (unlinkat(cg->commands, name, AT_REMOVEDIR) < 0 && errno == EBUSY)
		return -1;
	return 0;
}

void cgroup_drop(struct cgroup *cg, uint32_t id)
{
	if (cg->commands < 0 || remove_group(cg, id) == 0)
		return;
	/* with this many daemons, an empty folder more or less is nothing */
	if (cg->nr_stale < CGROUP_STALE_MAX)
		cg->stale[cg->nr_stale++] = id;
}

void cgroup_sweep(struct cgroup *cg)
{
	unsigned int kept = 0;

	if (cg->commands < 0)
		return;
	for (unsigned int i = 0; i < cg->nr_stale; i++)
		if (remove_group(cg, cg->stale[i]) < 0)
			cg->stale[kept++] = cg->stale[i];
	cg->nr_stale = kept;
}

/* The number after "@key " at the start of a line. */
static uint64_t keyed(int fd, const char *key)
{
	char text[512];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);
	size_t len = strlen(key);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, key, len) == 0 && p[len] == ' ')
			return strtoull(p + len + 1, NULL, 10);
	}
	return 0;
}

void cgroup_events(const struct cgroup *cg, struct cgroup_events *ev)
{
	ev->oom_kills = keyed(cg->memory_events, "oom_kill");
	ev->fork_fails = keyed(cg->pids_events, "max");
}

int cgroup_freeze(struct cgroup *cg, bool on)
{
	if (cg->commands < 0) {
		errno = ENOENT;
		return -1;
	}
	return write_at(cg->commands, "cgroup.freeze", on ? "1" : "0");
}

bool cgroup_is_frozen(const struct cgroup *cg)
{
	return keyed(cg->events, "frozen") == 1;
}

uint64_t cgroup_value(const struct cgroup *cg, const char *file)
{
	return cg->user < 0 ? 0 : number_at(cg->user, file);
}
