/* SPDX-License-Identifier: MIT */
/*
 * runner/limits.c - whether the host can carry more copies of a sandbox
 *
 * podflared, loop thread.  Reads /proc, which is trusted.
 *
 * Theory of operation: a copy shares the memory of its parent until one of them
 * writes to it.  What a copy will write to nobody knows; it is taken to be
 *
 *	FIXED		what the VMM and KVM take for a copy that does nothing
 *	page tables	as many as the parent has: fork(2) copies them
 *	1/SHARE		of the memory that the parent has touched
 *
 * and for one that is held, which writes to nothing, the first two; the parent
 * itself copies what it writes to, once, however many copies there are.
 */
#include "runner/limits.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "runner/limits-cgroup.h"
#include "runner/places.h"

#define FIXED (4 * MIB)
#define SHARE 16
#define THREADS 2	/* of a VMM, beside the virtual CPUs' */
#define FDS 8		/* of ours for a copy */
#define FDS_SPARE 64

/* The number behind @key in a file of "KEY: NUMBER kB" lines, in bytes. */
static uint64_t get_kib(const char *text, const char *key)
{
	const char *s = strstr(text, key);

	return s ? strtoull(s + strlen(key), NULL, 10) * KIB : 0;
}

int limits_memory(struct limits_memory *m)
{
	CLEANUP_BUF struct buf info = BUF_INIT;
	uint64_t group = limits_cgroup_free();

	if (limits_read("/proc/meminfo", &info) < 0)
		return -1;
	m->total = group == UINT64_MAX ? get_kib(buf_str(&info), "MemTotal:")
				       : 0;
	m->available = MIN(get_kib(buf_str(&info), "\nMemAvailable:"), group);
	return 0;
}

static unsigned long long mib(uint64_t bytes)
{
	return (bytes + MIB - 1) / MIB;
}

/* Where the host promises no more memory than it has, a copy counts in full. */
static int check_promises(const struct limits_fork *f, const char *meminfo,
			  const char *status, struct err *err)
{
	CLEANUP_BUF struct buf mode = BUF_INIT;
	uint64_t limit = get_kib(meminfo, "\nCommitLimit:");
	uint64_t used = get_kib(meminfo, "\nCommitted_AS:");
	uint64_t each = get_kib(status, "\nVmData:");
	uint64_t all = each * (f->n + f->held);

	if (path_read_file(AT_FDCWD, "/proc/sys/vm/overcommit_memory", 16,
			   &mode, NULL) < 0 || buf_str(&mode)[0] != '2' ||
	    used + all <= limit)
		return 0;
	err_set(err, ERR_NO_MEMORY, "sandbox %s: %u copies would count as %llu "
		"MiB of memory, %u x %llu MiB, and %llu MiB are left of what "
		"the host may promise", f->name, f->n, mib(all),
		f->n + f->held, mib(each),
		limit > used ? (limit - used) / MIB : 0ULL);
	return err_hint(err, "sysctl vm.overcommit_memory=0 counts copies by "
			"what they use");
}

static int check_memory(const struct limits_fork *f, struct err *err)
{
	CLEANUP_BUF struct buf info = BUF_INIT;
	CLEANUP_BUF struct buf status = BUF_INIT;
	uint64_t free_bytes, group, touched, tables, each, held, all;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)f->vmm);
	if (limits_read("/proc/meminfo", &info) < 0 ||
	    path_read_file(AT_FDCWD, path, 65536, &status, NULL) < 0)
		return 0;	/* fork(2) itself will tell */
	free_bytes = get_kib(buf_str(&info), "\nMemAvailable:");
	group = limits_cgroup_free();
	free_bytes = MIN(free_bytes, group);
	/* of a restored one some are pages of its file still */
	touched = get_kib(buf_str(&status), "\nRssAnon:") +
		  get_kib(buf_str(&status), "\nRssFile:");
	tables = get_kib(buf_str(&status), "\nVmPTE:");
	held = FIXED + tables;
	each = held + touched / SHARE;
	all = f->n * each + f->held * held + touched / SHARE;
	if (all > free_bytes) {
		err_set(err, ERR_NO_MEMORY, "sandbox %s: no memory for %u "
			"%s: it takes %llu MiB (each %llu MiB: %llu + %llu of "
			"page tables + 1/%d of the %llu in use), and %llu MiB "
			"are available", f->name, f->n,
			f->n == 1 ? "copy" : "copies", mib(all), mib(each),
			FIXED / MIB, mib(tables), SHARE, mib(touched),
			free_bytes / MIB);
		return err_hint(err, "make fewer copies, or remove sandboxes "
				"(podflare rm)");
	}
	return check_promises(f, buf_str(&info), buf_str(&status), err);
}

static unsigned int count_fds(void)
{
	CLEANUP_DIR DIR *d = places_opendir(AT_FDCWD, "/proc/self/fd");
	unsigned int n = 0;

	while (d && readdir(d))
		n++;
	return n;
}

static int check_fds(const struct limits_fork *f, struct err *err)
{
	unsigned int need = (f->n + f->held) * FDS + FDS_SPARE, used;
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0 || rl.rlim_cur == RLIM_INFINITY)
		return 0;
	used = count_fds();
	if (used + need <= rl.rlim_cur)
		return 0;
	err_set(err, ERR_LIMIT, "sandbox %s: %u copies take %u open files of "
		"the runner, which has %u and may have %llu", f->name, f->n,
		need, used, (unsigned long long)rl.rlim_cur);
	return err_hint(err, "raise the limit (ulimit -Hn) and restart the "
			"runner");
}

/* Threads of our user, as the kernel counts them for the limit. */
static unsigned long count_threads(void)
{
	CLEANUP_DIR DIR *d = places_opendir(AT_FDCWD, "/proc");
	unsigned long n = 0;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		CLEANUP_BUF struct buf b = BUF_INIT;
		char name[64];
		const char *s;

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		snprintf(name, sizeof(name), "%.20s/status", e->d_name);
		if (path_read_file(dirfd(d), name, 65536, &b, NULL) < 0)
			continue;
		s = strstr(buf_str(&b), "\nUid:\t");
		if (!s || strtoul(s + 6, NULL, 10) != getuid())
			continue;
		s = strstr(buf_str(&b), "\nThreads:");
		n += s ? strtoul(s + 9, NULL, 10) : 1;
	}
	return n;
}

static int check_processes(const struct limits_fork *f, struct err *err)
{
	unsigned long need = (unsigned long)(f->n + f->held) *
			     (THREADS + f->cpus);
	unsigned long used;
	struct rlimit rl;

	/* counting takes long: not for a few of very many */
	if (getuid() == 0 || getrlimit(RLIMIT_NPROC, &rl) < 0 ||
	    rl.rlim_cur == RLIM_INFINITY || need < rl.rlim_cur / 16)
		return 0;
	used = count_threads();
	if (used + need <= rl.rlim_cur)
		return 0;
	err_set(err, ERR_LIMIT, "sandbox %s: %u copies are %lu threads, and "
		"the user's limit of %llu leaves %lld", f->name, f->n, need,
		(unsigned long long)rl.rlim_cur,
		(long long)rl.rlim_cur - (long long)used);
	return err_hint(err, "raise the limit (ulimit -u) and restart the "
			"runner");
}

int limits_check_fork(const struct limits_fork *f, struct err *err)
{
	if (check_fds(f, err) < 0 || check_processes(f, err) < 0)
		return -1;
	return check_memory(f, err);
}
