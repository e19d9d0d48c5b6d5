/* SPDX-License-Identifier: MIT */
/*
 * machine/guest-runner.c - channels to the runner inside the machine
 *
 * A child of the server per channel: becomes the ordinary user, starts a runner
 * where there is none, and copies bytes.  The way to a power-off is the one
 * that speaks to the runner itself.
 */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/dial.h"
#include "common/jsonrpc.h"
#include "machine/guest.h"

#define ANSWER_MS 2000
#define SHUTDOWN_S 240		/* the runner gives itself 180 (BOOT_TIMEOUT) */
#define BOOT_TIMEOUT "300"	/* s; a sandbox boots 30 times slower here */

void guest_environment(uid_t uid)
{
	const char *libs = getenv("LD_LIBRARY_PATH");
	CLEANUP_FREE char *keep = libs ? strdup(libs) : NULL;

	clearenv();
	/* mke2fs must be the real one, not busybox's */
	setenv("PATH", "/usr/sbin:/sbin:" GUEST_BIN ":/bin", 1);
	setenv("LANG", "C.UTF-8", 1);
	setenv("SHELL", "/bin/sh", 1);
	setenv("HOME", uid ? GUEST_DATA "/home" : "/root", 1);
	setenv("USER", uid ? GUEST_USER : "root", 1);
	setenv("LOGNAME", uid ? GUEST_USER : "root", 1);
	if (keep)
		setenv("LD_LIBRARY_PATH", keep, 1);
	if (!uid)
		return;
	setenv("XDG_RUNTIME_DIR", GUEST_RUNTIME, 1);
	setenv("XDG_CONFIG_HOME", GUEST_DATA "/config", 1);
	setenv("XDG_DATA_HOME", GUEST_DATA "/share", 1);
	setenv("XDG_CACHE_HOME", GUEST_DATA "/cache", 1);
	setenv("XDG_STATE_HOME", GUEST_DATA "/state", 1);
	setenv("PODFLARE_LIBEXEC", GUEST_BIN, 1);
	setenv("PODFLARE_MACHINE", "never", 1);
	setenv("PODFLARE_BOOT_TIMEOUT", BOOT_TIMEOUT, 1);
}

int guest_become_user(struct err *err)
{
	if (setgroups(0, NULL) < 0 ||
	    setresgid(GUEST_UID, GUEST_UID, GUEST_UID) < 0 ||
	    setresuid(GUEST_UID, GUEST_UID, GUEST_UID) < 0)
		return err_sys(err, errno, "becoming user " GUEST_USER);
	guest_environment(GUEST_UID);
	if (chdir(GUEST_DATA "/home") < 0)
		return err_sys(err, errno, GUEST_DATA "/home");
	return 0;
}

void guest_answer(int fd, const struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	if (!err)
		buf_append(&b, "ok\n", 3);
	else
		buf_printf(&b, "error %s %s\x1f%s\n", err_code_name(err->code),
			   err->msg, err->hint);
	if (send(fd, b.data, b.len, MSG_NOSIGNAL) < 0)
		return;		/* whoever asked is gone */
}

int guest_runner(int fd)
{
	struct err err = ERR_INIT;
	int sock;

	sock = guest_become_user(&err) < 0 ? -1 : dial_runner(NULL, true, &err);
	if (sock < 0) {
		guest_answer(fd, &err);
		return 1;
	}
	guest_answer(fd, NULL);
	return dial_relay(sock, fd, fd, &err) < 0;
}

/* Read replies until the one to request @id. Return: 0, or -1 with @err. */
static int await_reply(FILE *f, json_int_t id, struct err *err)
{
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, f)) > 0) {
		json_t *reply = jsonrpc_parse(line, (size_t)n, err);
		json_t *got = reply ? json_object_get(reply, "id") : NULL;
		int rc = 0;

		if (!reply)
			return -1;
		if (json_integer_value(got) == id) {
			rc = jsonrpc_reply_error(reply, err);
			json_decref(reply);
			return rc;
		}
		json_decref(reply);
	}
	if (ferror(f) && errno == EAGAIN) {
		err_set(err, ERR_TIMEOUT, "the runner does not answer");
		return err_hint(err, "podflare machine stop --force");
	}
	return err_set(err, ERR_UNAVAILABLE, "the runner hung up");
}

static int put_request(struct buf *b, int64_t id, const char *method,
		       json_t *params)
{
	json_t *req = jsonrpc_request(id, method, params);
	int rc = req ? jsonrpc_put(b, req) : -1;

	json_decref(req);
	return rc;
}

/* runner.shutdown: answered when every sandbox is synced and stopped. */
static int shut_runner_down(struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP_FILE FILE *f = NULL;
	int sock = dial_runner(NULL, true, err);
	const struct timeval tv = { .tv_sec = SHUTDOWN_S };

	if (sock < 0)
		return -1;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	f = fdopen(sock, "r");
	if (!f)
		return err_sys(err, errno, "runner");
	if (put_request(&b, 1, "runner.hello",
			json_pack("{s:i, s:s}", "protocol", JSONRPC_PROTOCOL,
				  "version", PACKAGE_VERSION)) < 0 ||
	    put_request(&b, 2, "runner.shutdown", json_object()) < 0)
		return err_sys(err, ENOMEM, "runner");
	if (send(sock, b.data, b.len, MSG_NOSIGNAL) < 0)
		return err_sys(err, errno, "runner");
	if (await_reply(f, 1, err) < 0)
		return -1;
	return await_reply(f, 2, err);
}

int guest_poweroff(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct err err = ERR_INIT;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (guest_become_user(&err) == 0 && shut_runner_down(&err) == 0)
			_exit(0);
		err_context(&err, "stopping the sandboxes");
		guest_answer(fd, &err);
		_exit(1);
	}
	if (pid < 0) {
		err_sys(&err, errno, "fork");
		guest_answer(fd, &err);
		return 1;
	}
	TEMP_FAILURE_RETRY(waitpid(pid, &status, 0));
	if (status != 0)
		return 1;
	sync();
	guest_answer(fd, NULL);
	/* the answer is on its way as long as nobody hangs up after it */
	poll(&p, 1, ANSWER_MS);
	return kill(1, SIGUSR2) < 0;
}
