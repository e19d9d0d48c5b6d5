/* SPDX-License-Identifier: MIT */
/*
 * cli/host.c - which runner to talk to (PODFLARE_HOST), and how
 *
 * Runs in the CLI.  PODFLARE_HOST is the user's own word and is trusted.
 */
#include "cli/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/machine-client.h"
#include "cli/virt.h"
#include "common/cleanup.h"
#include "common/dial.h"
#include "common/proc.h"

#define SPACE_MS 2000

static int choose(enum host_kind *kind, struct err *err)
{
	const char *mode = getenv("PODFLARE_MACHINE");

	if (!mode || !*mode || !strcmp(mode, "auto"))
		*kind = virt_present() ? HOST_LOCAL : HOST_MACHINE;
	else if (!strcmp(mode, "always"))
		*kind = HOST_MACHINE;
	else if (!strcmp(mode, "never"))
		*kind = HOST_LOCAL;
	else
		return err_set(err, ERR_USAGE, "PODFLARE_MACHINE \"%.64s\": "
			       "it is auto, always or never", mode);
	return 0;
}

/* See host.h. */
int host_which(enum host_kind *kind, const char **rest, struct err *err)
{
	static const struct {
		const char *prefix;
		enum host_kind kind;
	} schemes[] = {
		{ "unix:", HOST_UNIX },
		{ "ssh://", HOST_SSH },
		{ "exec:", HOST_EXEC },
	};
	const char *host = getenv("PODFLARE_HOST");

	if (rest)
		*rest = "";
	if (!host || !*host)
		return choose(kind, err);
	*kind = HOST_MACHINE;
	if (!strcmp(host, "machine"))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t n = strlen(schemes[i].prefix);

		if (strncmp(host, schemes[i].prefix, n) || !host[n])
			continue;
		*kind = schemes[i].kind;
		if (rest)
			*rest = host + n;
		return 0;
	}
	err_set(err, ERR_USAGE, "PODFLARE_HOST \"%.64s\": no such host", host);
	return err_hint(err, "it is unix:PATH, machine, ssh://USER@HOST or "
			"exec:COMMAND");
}

/* See host.h. */
bool host_is_local(void)
{
	enum host_kind kind;

	return host_which(&kind, NULL, NULL) == 0 &&
	       (kind == HOST_LOCAL || kind == HOST_UNIX);
}

/* See host.h. */
const char *host_version_hint(void)
{
	enum host_kind kind;

	if (host_which(&kind, NULL, NULL) == 0 && kind == HOST_MACHINE)
		return "podflare machine stop";
	return "";
}

/* See host.h. */
const char *host_lost_hint(void)
{
	enum host_kind kind;

	if (host_which(&kind, NULL, NULL) < 0)
		return "";
	switch (kind) {
	case HOST_SSH:
	case HOST_EXEC:
		return "the command of PODFLARE_HOST ended: its own message "
			"stands above";
	case HOST_MACHINE:
		return "podflare machine status; the runner's log is in the "
			"machine: podflare machine shell -- cat "
			"/data/state/podflare/podflared.log";
	case HOST_LOCAL:
	case HOST_UNIX:
		break;
	}
	return "its log is podflared.log in the state folder "
		"($XDG_STATE_HOME/podflare)";
}

/* See host.h. */
int host_check_stall(struct err *err)
{
	const struct machine_start how = { .start = false };
	struct err why = ERR_INIT;
	enum host_kind kind;
	CLEANUP_FD int fd = -1;

	if (host_which(&kind, NULL, NULL) < 0 || kind != HOST_MACHINE)
		return 0;
	fd = machine_request("space", &how, &why);
	if (fd < 0 || machine_answer(fd, SPACE_MS, &why) == 0 ||
	    why.code != ERR_NO_SPACE)
		return 0;
	if (err)
		*err = why;
	return -1;
}

/* The far side's stdin and stdout are our socket. In a session of its own:
 * Ctrl-C is for the command in the sandbox, not for the way there. */
static int spawn_stream(const char *const *argv, struct err *err)
{
	struct proc_spawn s = { .argv = argv, .nfds = 3, .new_session = true };
	CLEANUP_FD int ours = -1;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, errno, "socketpair");
	ours = pair[0];
	s.fds[0] = s.fds[1] = pair[1];
	s.fds[2] = STDERR_FILENO;
	pid = proc_spawn(&s, NULL, err);
	close(pair[1]);
	return pid < 0 ? -1 : steal_fd(&ours);
}

static int connect_exec(const char *command, struct err *err)
{
	/* `podflare dial-stdio` in it must not come back here */
	const char *argv[] = { "/bin/sh", "-c",
			       "unset PODFLARE_HOST; eval \"$1\"", "sh",
			       command, NULL };

	return spawn_stream(argv, err);
}

/* [USER@]HOST[:PORT] */
static int connect_ssh(const char *where, struct err *err)
{
	CLEANUP_FREE char *host = strdup(where);
	char *port = host ? strrchr(host, ':') : NULL;
	const char *argv[16] = { "ssh", "-T", "-o", "ServerAliveInterval=15" };
	size_t n = 4;

	if (!host)
		return err_sys(err, ENOMEM, "ssh");
	if (port && port[1] && strspn(port + 1, "0123456789") ==
	    strlen(port + 1)) {
		*port++ = '\0';
		argv[n++] = "-p";
		argv[n++] = port;
	}
	/* a name that looks like an option is none: "--" ends them */
	argv[n++] = "--";
	argv[n++] = host;
	argv[n++] = "podflare";
	argv[n++] = "dial-stdio";
	argv[n] = NULL;
	return spawn_stream(argv, err);
}

/* See host.h. */
int host_connect(const struct globals *g, bool start, struct err *err)
{
	struct machine_start how = { .globals = g, .start = start,
				     .announce = true };
	enum host_kind kind;
	const char *rest;

	if (host_which(&kind, &rest, err) < 0)
		return -1;
	switch (kind) {
	case HOST_LOCAL:
		return dial_runner(NULL, start, err);
	case HOST_UNIX:
		return dial_runner(rest, false, err);
	case HOST_MACHINE:
		return machine_open("runner", &how, err);
	case HOST_SSH:
		return connect_ssh(rest, err);
	case HOST_EXEC:
		return connect_exec(rest, err);
	}
	return err_set(err, ERR_USAGE, "no such host");
}
