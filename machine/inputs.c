/* SPDX-License-Identifier: MIT */
/*
 * machine/inputs.c - what of the host goes into the machine's initramfs
 *
 * Supervisor: at start-up, and when asked whether a restart is needed.  Trusts
 * the user's own files and programs.
 */
#include "machine/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sha2.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "common/proc.h"

#define FORMAT 3	/* of the initramfs: changes with initramfs.c */

static const struct {
	const char *name;
	bool program, optional;
} own[] = {
	{ "podflare-machine", true, false },
	{ "podflare", true, false },
	{ "podflared", true, false },
	{ "podflare-vmm", true, false },
	{ "podflare-net", true, true },
	{ "init.cpio", false, false },
};

void inputs_free(struct inputs *in)
{
	if (!in)
		return;
	for (size_t i = 0; i < in->n; i++) {
		free(in->files[i].host);
		free(in->files[i].guest);
	}
	free(in->image);
	free(in->kernel);
	free(in->modules);
	free(in->applets);
	free(in);
}

/* For CLEANUP_INPUTS. */
void inputs_freep(struct inputs **in)
{
	inputs_free(*in);
}

int inputs_add(struct inputs *in, const char *host, const char *guest,
	       bool program, struct err *err)
{
	struct input *f = &in->files[in->n];

	for (size_t i = 0; i < in->n; i++)
		if (strcmp(in->files[i].guest, guest) == 0)
			return 0;
	if (in->n == INPUTS_MAX)
		return err_set(err, ERR_LIMIT, "initramfs: over %d files",
			       INPUTS_MAX);
	f->host = strdup(host);
	f->guest = strdup(guest);
	f->program = program;
	in->n++;
	return f->host && f->guest ? 0 : err_sys(err, ENOMEM, "initramfs");
}

char *inputs_search(const char *name)
{
	const char *env = getenv("PATH");
	CLEANUP_FREE char *dirs = NULL;
	char *dir, *save = NULL, *path;

	if (asprintf(&dirs, "%s:/usr/sbin:/sbin",
		     env ? env : "") < 0)
		return NULL;
	for (dir = strtok_r(dirs, ":", &save); dir;
	     dir = strtok_r(NULL, ":", &save)) {
		if (asprintf(&path, "%s/%s", dir, name) < 0)
			return NULL;
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

int inputs_run(const char *const *argv, struct buf *out, struct err *err)
{
	struct proc_spawn s = { .argv = argv, .nfds = 3,
				.fds = { -1, -1, -1 } };
	CLEANUP_FD int rd = -1;
	int fds[2], status = 0;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	rd = fds[0];
	s.fds[1] = fds[1];
	pid = proc_spawn(&s, NULL, err);
	close(fds[1]);
	if (pid < 0)
		return -1;
	while ((n = buf_read(out, rd, 16384)) > 0 && out->len < MIB)
		;
	close(steal_fd(&rd));
	TEMP_FAILURE_RETRY(waitpid(pid, &status, 0));
	buf_str(out);
	if (n != 0 || status != 0)
		return err_set(err, ERR_FAILED, "%s failed (status %#x)",
			       argv[0], (unsigned int)status);
	return 0;
}

static int add_own(struct inputs *in, struct err *err)
{
	char guest[128];

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		struct err why = ERR_INIT;
		CLEANUP_FREE char *path = path_program(own[i].name, &why);

		if (!path && own[i].optional) {
			log_debug("%s", why.msg);
			continue;
		}
		if (!path) {
			if (err)
				*err = why;
			return -1;
		}
		snprintf(guest, sizeof(guest), "usr/bin/%s", own[i].name);
		if (inputs_add(in, path, guest, own[i].program, err) < 0)
			return -1;
	}
	return 0;
}

static int add_mke2fs(struct inputs *in, struct err *err)
{
	CLEANUP_FREE char *path = inputs_search("mke2fs");

	if (!path) {
		err_set(err, ERR_NOT_FOUND, "mke2fs is not installed");
		return err_hint(err, "sudo apt install e2fsprogs");
	}
	if (access("/etc/mke2fs.conf", R_OK) == 0 &&
	    inputs_add(in, "/etc/mke2fs.conf", "etc/mke2fs.conf", false,
		       err) < 0)
		return -1;
	return inputs_add(in, path, "usr/sbin/mke2fs", true, err);
}

/* The shell, for looking around: the machine does without. */
static int add_busybox(struct inputs *in, struct err *err)
{
	CLEANUP_FREE char *path = inputs_search("busybox");
	const char *argv[] = { path, "--list", NULL };
	struct buf list = BUF_INIT;

	if (path && inputs_run(argv, &list, NULL) == 0) {
		in->applets = (char *)list.data;
		return inputs_add(in, path, "usr/bin/busybox", true, err);
	}
	buf_free(&list);
	in->applets = strdup("");
	return in->applets ? 0 : err_sys(err, ENOMEM, "initramfs");
}

static int hash_file(SHA2_CTX *sha, const char *path, const char *guest,
		     struct err *err)
{
	char line[PATH_MAX + 256];
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, errno, "%s", path);
	snprintf(line, sizeof(line), "%s %s %llu %lld.%09ld %llu\n", guest,
		 path, (unsigned long long)st.st_size,
		 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		 (unsigned long long)st.st_ino);
	SHA256Update(sha, (const uint8_t *)line, strlen(line));
	return 0;
}

/* Names, sizes and times tell a new build from the old one; contents would
 * take longer than the machine's start. */
static int make_key(struct inputs *in, struct err *err)
{
	static const char format[] = { 'p', '0' + FORMAT };
	SHA2_CTX sha;

	SHA256Init(&sha);
	SHA256Update(&sha, (const uint8_t *)format, sizeof(format));
	if (hash_file(&sha, in->kernel, "kernel", err) < 0 ||
	    hash_file(&sha, in->modules, "modules", err) < 0)
		return -1;
	for (size_t i = 0; i < in->n; i++)
		if (hash_file(&sha, in->files[i].host, in->files[i].guest,
			      err) < 0)
			return -1;
	SHA256End(&sha, in->key);
	return 0;
}

struct inputs *inputs_find(struct err *err)
{
	CLEANUP_INPUTS struct inputs *in = calloc(1, sizeof(*in));

	if (!in) {
		err_sys(err, ENOMEM, "initramfs");
		return NULL;
	}
	if (inputs_find_image(in, err) < 0 || add_own(in, err) < 0 ||
	    add_mke2fs(in, err) < 0 || add_busybox(in, err) < 0 ||
	    inputs_add_libraries(in, err) < 0 || make_key(in, err) < 0)
		return NULL;
	return steal_ptr(&in);
}
