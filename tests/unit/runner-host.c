/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/runner-host.c - a podflared of its own for a test, with fake VMMs
 *
 * The environment of the test program is changed so that podflared finds all
 * its folders below one temporary folder.
 */
#include "tests/unit/runner-host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/proc.h"
#include "tests/unit/unit.h"

char host_dir[64];
pid_t host_runner;

const char *host_path(const char *fmt, ...)
{
	static char path[4][512];
	static int turn;
	char *p = path[turn++ % 4];
	va_list ap;
	int n = snprintf(p, sizeof(path[0]), "%s/", host_dir);

	va_start(ap, fmt);
	vsnprintf(p + n, sizeof(path[0]) - (size_t)n, fmt, ap);
	va_end(ap);
	return p;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Copied, not linked: podflared looks beside itself for the others. */
static void copy_program(const char *name, const char *as)
{
	char self[512] = "", *slash;
	CLEANUP_FD int from = -1;
	CLEANUP_FD int to = -1;
	ssize_t n;

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 64) > 0);
	slash = strrchr(self, '/');
	strcpy(slash + 1, name);
	from = open(self, O_RDONLY | O_CLOEXEC);
	to = open(host_path("libexec/%s", as), O_WRONLY | O_CREAT | O_CLOEXEC,
		  0700);
	assert_true(from >= 0 && to >= 0);
	while ((n = sendfile(to, from, NULL, 1 << 20)) > 0)
		;
	assert_int_equal(n, 0);
}

static void set_up_folders(void)
{
	static const char *const subs[] = { "runtime", "data", "state",
					    "libexec", "root", "root/dev",
					    "root/proc", "config",
					    "config/podflare" };

	strcpy(host_dir, "/tmp/podflare-test-XXXXXX");
	assert_non_null(mkdtemp(host_dir));
	for (size_t i = 0; i < ARRAY_SIZE(subs); i++)
		assert_int_equal(mkdir(host_path("%s", subs[i]), 0700), 0);
	setenv("XDG_RUNTIME_DIR", host_path("runtime"), 1);
	setenv("XDG_DATA_HOME", host_path("data"), 1);
	setenv("XDG_STATE_HOME", host_path("state"), 1);
	setenv("XDG_CONFIG_HOME", host_path("config"), 1);
	setenv("PODFLARE_LIBEXEC", host_path("libexec"), 1);
	setenv("PODFLARE_TEST_HOST", host_path("root"), 1);
	setenv("PODFLARE_BOOT_TIMEOUT", "4", 1);
	/* each machine is booted, so that its size says how it behaves */
	setenv("PODFLARE_TEMPLATES", "off", 1);
	write_file(host_path("root/dev/kvm"), "");
	write_file(host_path("root/proc/cpuinfo"),
		   "processor\t: 0\nflags\t\t: fpu vmx sse\n");
	write_file(host_path("libexec/init.cpio"), "init");
	copy_program("podflared", "podflared");
	copy_program("fake-vmm", "podflare-vmm");
	copy_program("podflare-net", "podflare-net");
}

char *host_start(void)
{
	const char *argv[] = { host_path("libexec/podflared"), NULL };
	struct proc_spawn s = { .argv = argv, .cwd = "/", .nfds = 3,
				.new_session = true };
	struct err err = ERR_INIT;
	CLEANUP_BUF struct buf b = BUF_INIT;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	s.fds[0] = -1;
	s.fds[1] = fds[1];
	s.fds[2] = STDERR_FILENO;
	host_runner = proc_spawn(&s, NULL, &err);
	assert_true(host_runner > 0);
	close(fds[1]);
	while (!memchr(b.data ? (void *)b.data : "", '\n', b.len))
		if (buf_read(&b, fds[0], 4096) <= 0)
			break;
	close(fds[0]);
	if (strcmp(buf_str(&b), "ready\n") == 0)
		return NULL;
	print_message("not started: %s\n", buf_str(&b));
	waitpid(host_runner, NULL, 0);
	host_runner = 0;
	return strdup(buf_str(&b));
}

void host_end(int sig)
{
	int status;

	if (!host_runner)
		return;
	kill(host_runner, sig);
	assert_int_equal(waitpid(host_runner, &status, 0), host_runner);
	host_runner = 0;
	/* also what a sanitizer finds at the end */
	if (sig != SIGKILL && status) {
		execlp("cat", "cat", host_path("state/podflare/podflared.log"),
		       NULL);
		fail();
	}
}

int host_count(const char *sub)
{
	CLEANUP_DIR DIR *d = opendir(host_path("%s", sub));
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	return n;
}

void host_wait(bool (*cond)(void *arg), void *arg)
{
	for (int i = 0; i < 1000; i++) {
		if (cond(arg))
			return;
		poll(NULL, 0, 10);
	}
	fail_msg("waited 10 s in vain");
}

/* Whether @pid's environment names our folder. */
static bool is_ours(const char *pid)
{
	char path[64], text[16384];
	CLEANUP_FD int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text)) < 12 ||
	    strncmp(text, "podflare-vmm", 12) != 0)
		return false;
	close(steal_fd(&fd));
	snprintf(path, sizeof(path), "/proc/%.20s/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	return n > 0 && memmem(text, (size_t)n, host_dir, strlen(host_dir));
}

static int each_vmm(int sig)
{
	CLEANUP_DIR DIR *d = opendir("/proc");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' ||
		    !is_ours(e->d_name))
			continue;
		n++;
		if (sig)
			kill(atoi(e->d_name), sig);
	}
	return n;
}

int host_vmms(void)
{
	return each_vmm(0);
}

void host_kill_vmms(void)
{
	each_vmm(SIGKILL);
}

void host_put_image(void)
{
	CLEANUP_BUF struct buf meta = BUF_INIT;
	struct conn c;
	json_t *r;

	image_meta(&meta, "");
	conn_open(&c, false);
	r = conn_ok(&c, "image.put", image_params("default", buf_str(&meta)));
	assert_true(json_is_true(json_object_get(r, "need")));
	json_decref(r);
	image_send(&c);
	r = conn_reply(&c, c.id);
	assert_non_null(json_object_get(r, "result"));
	json_decref(r);
	conn_close(&c);
}

int host_setup(void **state)
{
	set_up_folders();
	assert_null(host_start());
	host_put_image();
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	return remove(path);
}

int host_teardown(void **state)
{
	int left;

	host_end(SIGTERM);
	left = each_vmm(SIGKILL);
	nftw(host_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (left)
		print_error("%d VMMs were left\n", left);
	return left ? -1 : 0;
}
