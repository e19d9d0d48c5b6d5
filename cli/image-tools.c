/* SPDX-License-Identifier: MIT */
/*
 * cli/image-tools.c - what image build and import need on this host
 *
 * Runs in the CLI.  Looks before anything is begun, so that every cure is one
 * command and nothing must be undone.
 */
#include "cli/image-tools.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/path.h"

#define SUBIDS_MIN 65536

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");
	char file[PATH_MAX];

	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	for (size_t n; *path; path += n + (path[n] == ':')) {
		n = strcspn(path, ":");
		snprintf(file, sizeof(file), "%.*s/%s", (int)n, path, program);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

/* See image-tools.h. */
int tools_check(bool build, struct err *err)
{
	const struct {
		const char *program, *package;
		bool needed;
	} tools[] = {
		{ "mmdebstrap", "mmdebstrap", build },
		{ "mksquashfs", "squashfs-tools", true },
		{ "newuidmap", "uidmap", build && geteuid() != 0 },
	};
	char programs[128] = "", packages[128] = "";
	size_t n = 0, m = 0;

	if (build && !in_path("apt-get")) {
		err_set(err, ERR_UNAVAILABLE,
			"apt-get: images are built with Debian's tools, which "
			"are not here");
		return err_hint(err, "build on Debian or Ubuntu, or take a "
				"root file system that another tool made: "
				"podflare image import FILE.tar");
	}
	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		if (!tools[i].needed || in_path(tools[i].program))
			continue;
		n += (size_t)snprintf(programs + n, sizeof(programs) - n,
				      "%s%s", n ? ", " : "", tools[i].program);
		m += (size_t)snprintf(packages + m, sizeof(packages) - m,
				      " %s", tools[i].package);
	}
	if (!n)
		return 0;
	err_set(err, ERR_UNAVAILABLE, "%s: not installed", programs);
	return err_hint(err, "sudo apt install%s", packages);
}

/* See image-tools.h. */
bool tools_has_subids(const char *text, const char *user, unsigned int uid)
{
	char id[16];

	snprintf(id, sizeof(id), "%u", uid);
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t n = strcspn(p, ":\n");
		unsigned long first, count;

		if (p[n] != ':' ||
		    !((n == strlen(user) && !memcmp(p, user, n)) ||
		      (n == strlen(id) && !memcmp(p, id, n))))
			continue;
		if (sscanf(p + n, ":%lu:%lu", &first, &count) == 2 &&
		    count >= SUBIDS_MIN)
			return true;
	}
	return false;
}

static int check_file(const char *file, const char *option, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	const struct passwd *pw = getpwuid(geteuid());
	const char *user = pw ? pw->pw_name : "";

	if (path_read_file(AT_FDCWD, file, MIB, &text, NULL) == 0 && text.len &&
	    tools_has_subids(buf_str(&text), user, geteuid()))
		return 0;
	err_set(err, ERR_PERMISSION, "%s: gives %s no %d ids of its own", file,
		*user ? user : "this user", SUBIDS_MIN);
	return err_hint(err, "sudo usermod %s 100000-165535 %s (take a range "
			"that nobody else has there)", option,
			*user ? user : "USER");
}

/* 1 or 0 in a file below /proc/sys; @missing when it is not there. */
static int sysctl_value(const char *path, int missing)
{
	CLEANUP_FILE FILE *f = fopen(path, "re");
	int value = missing;

	if (f && fscanf(f, "%d", &value) != 1)
		value = missing;
	return value;
}

static void userns_hint(struct err *err)
{
	if (!sysctl_value("/proc/sys/kernel/unprivileged_userns_clone", 1))
		err_hint(err, "sudo sysctl kernel.unprivileged_userns_clone=1");
	else if (!sysctl_value("/proc/sys/user/max_user_namespaces", 1))
		err_hint(err, "sudo sysctl user.max_user_namespaces=10000");
	else if (sysctl_value("/proc/sys/kernel/"
			      "apparmor_restrict_unprivileged_userns", 0))
		err_hint(err, "sudo sysctl "
			 "kernel.apparmor_restrict_unprivileged_userns=0");
	else
		err_hint(err, "user namespaces are forbidden here (a "
			 "container's rules?): build as root, or where they "
			 "are allowed");
}

/* See image-tools.h. */
int tools_check_userns(struct err *err)
{
	int status = 0;
	pid_t pid;

	if (geteuid() == 0)
		return 0;
	if (check_file("/etc/subuid", "--add-subuids", err) < 0 ||
	    check_file("/etc/subgid", "--add-subgids", err) < 0)
		return -1;
	/* AppArmor may allow mmdebstrap alone what it forbids us */
	if (sysctl_value("/proc/sys/kernel/"
			 "apparmor_restrict_unprivileged_userns", 0) &&
	    access("/etc/apparmor.d/mmdebstrap", F_OK) == 0)
		return 0;
	pid = fork();
	if (pid < 0)
		return err_sys(err, errno, "fork");
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) < 0 ? errno : 0);
	TEMP_FAILURE_RETRY(waitpid(pid, &status, 0));
	if (status == 0)
		return 0;
	err_sys(err, WIFEXITED(status) ? WEXITSTATUS(status) : EPERM,
		"a user namespace for the build");
	userns_hint(err);
	return -1;
}
