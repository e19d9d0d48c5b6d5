/* SPDX-License-Identifier: MIT */
/*
 * cli/doctor-host.c - podflare doctor: memory, disk, what the kernel allows
 *
 * Runs in the CLI.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/config-check.h"
#include "cli/doctor.h"
#include "cli/size.h"
#include "common/cleanup.h"
#include "common/path.h"

#define MEMORY_LOW (1 * GIB)
#define DISK_LOW (4 * GIB)
#define DISK_NONE (256 * MIB)

/* Of the runner that it is for: one elsewhere has its own. */
static void check_config(struct doctor *d)
{
	CLEANUP_FREE char *path = NULL;
	struct err err = ERR_INIT;
	struct doctor_finding *f;

	if (config_look(&path, &err) == 0) {
		if (access(path, F_OK) == 0)
			doctor_add(d, DOCTOR_OK, "config", "%s", path);
		return;
	}
	f = doctor_add(d, DOCTOR_WARNING, "config", "%s", err.msg);
	doctor_hint(f, "%s%snothing in it counts as long as it is broken",
		    err.hint, err.hint[0] ? "; " : "");
}

static void check_memory(struct doctor *d)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_BUF struct buf policy = BUF_INIT;
	uint64_t need = MEMORY_LOW, left;
	struct doctor_finding *f;
	char a[SIZE_TEXT], b[SIZE_TEXT];
	const char *p;

	if (d->kind == HOST_MACHINE)
		need = 2 * GIB + 512 * MIB;
	if (path_read_file(AT_FDCWD, "/proc/meminfo", 64 * KIB, &text,
			   NULL) < 0)
		return;
	p = strstr(buf_str(&text), "MemAvailable:");
	left = p ? strtoull(p + 13, NULL, 10) * KIB : 0;
	f = doctor_add(d, left >= need ? DOCTOR_OK : DOCTOR_WARNING, "memory",
		       "%s available", size_format(left, a));
	if (left < need)
		doctor_hint(f, d->kind == HOST_MACHINE ?
			    "the emulated machine wants %s; or set "
			    "PODFLARE_MACHINE_MEMORY=1G" :
			    "%s is little for more than one sandbox",
			    size_format(need, b));
	if (path_read_file(AT_FDCWD, "/proc/sys/vm/overcommit_memory", 16,
			   &policy, NULL) < 0 || buf_str(&policy)[0] != '2')
		return;
	f = doctor_add(d, DOCTOR_WARNING, "overcommit", "vm.overcommit_memory "
		       "is 2: sandboxes may be refused memory they never use");
	doctor_hint(f, "sudo sysctl vm.overcommit_memory=0");
}

static void check_disk(struct doctor *d)
{
	struct err err = ERR_INIT;
	CLEANUP_FREE char *dir = path_place(PATH_DATA, NULL, true, &err);
	struct doctor_finding *f;
	struct statvfs st;
	char text[SIZE_TEXT];
	uint64_t left;

	if (!dir || statvfs(dir, &st) < 0) {
		f = doctor_add(d, DOCTOR_ERROR, "disk", "%s",
			       dir ? strerror(errno) : err.msg);
		doctor_hint(f, "%s", err.hint);
		return;
	}
	left = (uint64_t)st.f_bavail * st.f_frsize;
	f = doctor_add(d, left < DISK_NONE ? DOCTOR_ERROR :
		       left < DISK_LOW ? DOCTOR_WARNING : DOCTOR_OK, "disk",
		       "%s free in %s", size_format(left, text), dir);
	if (left < DISK_LOW)
		doctor_hint(f, "remove what is not needed (podflare image ls, "
			    "podflare ls), or point XDG_DATA_HOME elsewhere");
}

static void check_runtime(struct doctor *d)
{
	struct err err = ERR_INIT;
	CLEANUP_FREE char *dir = path_place(PATH_RUNTIME, NULL, true, &err);
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	struct doctor_finding *f;

	if (!dir) {
		f = doctor_add(d, DOCTOR_ERROR, "runtime folder", "%s",
			       err.msg);
		doctor_hint(f, "%s", err.hint);
	} else if (!xdg || !*xdg) {
		f = doctor_add(d, geteuid() ? DOCTOR_WARNING : DOCTOR_OK,
			       "runtime folder", "XDG_RUNTIME_DIR is not set: "
			       "%s is used", dir);
		if (geteuid())
			doctor_hint(f, "log in through a session that sets it "
				    "(systemd-logind does)");
	} else {
		doctor_add(d, DOCTOR_OK, "runtime folder", "%s", dir);
	}
}

/* A child tries: it cannot be undone in the process itself. */
static bool can_unshare(void)
{
	int status = 1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 ? 0 : 1);
	if (pid > 0)
		TEMP_FAILURE_RETRY(waitpid(pid, &status, 0));
	return status == 0;
}

static void check_userns(struct doctor *d)
{
	struct doctor_finding *f;

	if (geteuid() == 0)
		return;
	if (can_unshare()) {
		doctor_add(d, DOCTOR_OK, "namespaces",
			   "unprivileged user namespaces work");
		return;
	}
	f = doctor_add(d, DOCTOR_WARNING, "namespaces", "unprivileged user "
		       "namespaces are off: images cannot be built without "
		       "root");
	if (access("/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
		   F_OK) == 0)
		doctor_hint(f, "sudo sysctl kernel.apparmor_restrict_"
			    "unprivileged_userns=0");
	else
		doctor_hint(f, "sudo sysctl user.max_user_namespaces=10000 "
			    "kernel.unprivileged_userns_clone=1");
}

static void check_huge_pages(struct doctor *d)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct doctor_finding *f;

	if (d->kind == HOST_MACHINE)
		return;
	if (path_read_file(AT_FDCWD, "/sys/kernel/mm/transparent_hugepage/"
			   "enabled", 256, &text, NULL) == 0 &&
	    !strstr(buf_str(&text), "[never]")) {
		doctor_add(d, DOCTOR_OK, "huge pages",
			   "transparent huge pages can be had");
		return;
	}
	f = doctor_add(d, DOCTOR_WARNING, "huge pages", "transparent huge "
		       "pages are off: sandboxes are slower to make");
	doctor_hint(f, "echo madvise | sudo tee /sys/kernel/mm/"
		    "transparent_hugepage/enabled");
}

static void check_limits(struct doctor *d)
{
	struct doctor_finding *f;
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_max < 4096) {
		f = doctor_add(d, DOCTOR_WARNING, "limits", "only %llu open "
			       "files: few sandboxes at a time",
			       (unsigned long long)rl.rlim_max);
		doctor_hint(f, "raise nofile in /etc/security/limits.conf");
	}
	if (getrlimit(RLIMIT_AS, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY) {
		f = doctor_add(d, DOCTOR_WARNING, "limits", "address space is "
			       "limited to %llu MiB",
			       (unsigned long long)(rl.rlim_cur / MIB));
		doctor_hint(f, "ulimit -v unlimited");
	}
}

/* See doctor.h. */
void doctor_check_host(struct doctor *d)
{
	check_config(d);
	check_memory(d);
	check_disk(d);
	check_runtime(d);
	check_huge_pages(d);
	check_limits(d);
	check_userns(d);
}
