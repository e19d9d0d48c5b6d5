/* SPDX-License-Identifier: MIT */
/*
 * cli/machine-spawn.c - start the emulated machine's supervisor
 *
 * Runs in the CLI.  The supervisor is our own program: its lines are trusted for
 * form, and made safe where they are shown.
 */
#include "cli/machine-spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/progress.h"
#include "cli/size.h"
#include "cli/virt.h"
#include "common/cleanup.h"
#include "common/path.h"
#include "common/proc.h"

/* See machine-spawn.h. */
int machine_parse_answer(char *line, struct err *err)
{
	char *code = line + strlen("error "), *msg, *hint;

	if (!strcmp(line, "ok") || !strcmp(line, "ready"))
		return 0;
	msg = strncmp(line, "error ", 6) ? NULL : strchr(code, ' ');
	if (!msg)
		return err_set(err, ERR_PROTOCOL,
			       "the machine's supervisor said \"%.64s\"", line);
	*msg++ = '\0';
	hint = strchr(msg, '\x1f');
	if (hint)
		*hint++ = '\0';
	err_set(err, err_code_parse(code), "%s", msg);
	if (hint && *hint)
		err_hint(err, "%s", hint);
	return -1;
}

static int memory_option(const struct machine_start *how, char *out,
			 size_t size, struct err *err)
{
	const char *env = getenv("PODFLARE_MACHINE_MEMORY");
	uint64_t bytes = how->memory;

	if (!bytes && env && *env && size_parse(env, &bytes, err) < 0)
		return err_context(err, "PODFLARE_MACHINE_MEMORY");
	if (bytes && bytes < 512 * MIB)
		return err_set(err, ERR_USAGE,
			       "the emulated machine needs 512M at least");
	snprintf(out, size, "--memory=%llu", (unsigned long long)bytes);
	return 0;
}

/* Return: the end of its pipe that we read, -1 with @err. */
static int spawn(const struct machine_start *how, struct err *err)
{
	CLEANUP_FREE char *program = path_program("podflare-machine", err);
	CLEANUP_FD int rd = -1;
	CLEANUP_FD int wr = -1;
	char memory[64];
	const char *argv[] = { program, memory, NULL, NULL };
	struct proc_spawn s = { .argv = argv, .cwd = "/", .nfds = 3,
				.fds = { -1, -1, -1 }, .new_session = true };
	int fds[2];

	if (!program || memory_option(how, memory, sizeof(memory), err) < 0)
		return -1;
	if (!how->start)
		argv[2] = "--attach";
	else if (how->icount)
		argv[2] = "--icount";
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	rd = fds[0];
	wr = fds[1];
	s.fds[1] = wr;
	return proc_spawn(&s, NULL, err) < 0 ? -1 : steal_fd(&rd);
}

/* A whole line, with the progress kept going. Return: its length, 0 at the end
 * of the stream. */
static size_t next_line(int fd, struct progress *p, char *line, size_t size)
{
	size_t len = 0;

	while (len < size - 1) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		if (poll(&pfd, 1, progress_timeout(p)) <= 0) {
			progress_tick(p);
			continue;
		}
		if (TEMP_FAILURE_RETRY(read(fd, line + len, 1)) <= 0)
			return 0;
		if (line[len++] == '\n')
			break;
	}
	line[len - 1] = '\0';
	return len;
}

static int await_ready(int fd, const struct machine_start *how,
		       struct progress *p, struct err *err)
{
	char line[2048];

	while (next_line(fd, p, line, sizeof(line))) {
		if (!strncmp(line, "progress ", 9)) {
			progress_step(p, line + 9, -1);
		} else if (!strncmp(line, "warn ", 5)) {
			progress_end(p);
			output_warn(how->globals, "%s", line + 5);
		} else {
			progress_end(p);
			return machine_parse_answer(line, err);
		}
	}
	progress_end(p);
	err_set(err, ERR_UNAVAILABLE, "the emulated machine: its supervisor "
		"ended before it was ready");
	return err_hint(err, "its logs are in the folder podflare/machine of "
			"$XDG_STATE_HOME (~/.local/state)");
}

/* See machine-spawn.h. */
int machine_spawn(const struct machine_start *how, struct err *err)
{
	CLEANUP_FD int fd = spawn(how, err);
	struct progress p;

	if (fd < 0)
		return -1;
	if (how->start && how->announce && !virt_present())
		output_note(how->globals, "no hardware virtualization: using "
			    "the emulated machine (slow); see podflare doctor");
	progress_start(&p, how->globals);
	return await_ready(fd, how, &p, err);
}
