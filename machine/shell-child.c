/* SPDX-License-Identifier: MIT */
/*
 * machine/shell-child.c - the command of guest-shell.c as a process
 *
 * Parses the host's request, forks, and becomes the user it names: root or the
 * one ordinary user.  Trusts the host.
 */
#include "machine/shell-child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/tlv.h"
#include "machine/guest.h"

#define WORDS_MAX 1024

struct request {
	char *argv[WORDS_MAX + 1];
	char *env[WORDS_MAX + 1];
	size_t argc, nr_env;
	char *cwd;
	bool root;
	uint32_t flags, rows, cols;
};

static void request_free(struct request *r)
{
	for (size_t i = 0; i < r->argc; i++)
		free(r->argv[i]);
	for (size_t i = 0; i < r->nr_env; i++)
		free(r->env[i]);
	free(r->cwd);
}

static int add_word(char **words, size_t *n, const struct tlv *t,
		    struct err *err)
{
	if (*n == WORDS_MAX)
		return err_set(err, ERR_LIMIT, "over %d words", WORDS_MAX);
	words[*n] = tlv_strdup(t);
	if (!words[*n])
		return err_set(err, ERR_PROTOCOL, "bad text value");
	(*n)++;
	return 0;
}

static int parse_user(struct request *r, const struct tlv *t, struct err *err)
{
	char user[64];

	if (tlv_str(t, user, sizeof(user)) < 0)
		return err_set(err, ERR_USAGE, "bad user name");
	r->root = strcmp(user, "root") == 0 || strcmp(user, "0") == 0;
	if (!r->root && strcmp(user, GUEST_USER) != 0 &&
	    strcmp(user, "1000") != 0)
		return err_set(err, ERR_USAGE, "no user %s in the machine "
			       "(there are root and " GUEST_USER ")", user);
	return 0;
}

static int parse_value(struct request *r, const struct tlv *t, struct err *err)
{
	switch (t->tag) {
	case AGENT_T_ARG:
		return add_word(r->argv, &r->argc, t, err);
	case AGENT_T_ENV:
		return add_word(r->env, &r->nr_env, t, err);
	case AGENT_T_CWD:
		free(r->cwd);
		r->cwd = tlv_strdup(t);
		return 0;
	case AGENT_T_USER:
		return parse_user(r, t, err);
	case AGENT_T_FLAGS:
		r->flags = tlv_u32(t);
		return 0;
	case AGENT_T_ROWS:
		r->rows = tlv_u32(t);
		return 0;
	case AGENT_T_COLS:
		r->cols = tlv_u32(t);
		return 0;
	default:
		return 0;
	}
}

static int parse(struct request *r, const void *data, size_t len,
		 struct err *err)
{
	size_t pos = 0;
	struct tlv t;
	int rc;

	while ((rc = tlv_next(data, len, &pos, &t)) > 0)
		if (parse_value(r, &t, err) < 0)
			return -1;
	if (rc < 0)
		return err_set(err, ERR_PROTOCOL, "malformed request");
	if (!r->argc) {
		r->argv[0] = strdup("/bin/sh");
		r->argv[1] = strdup("-l");
		if (!r->argv[0] || !r->argv[1])
			return err_sys(err, ENOMEM, "request");
		r->argc = 2;
	}
	return 0;
}

static void run(const struct request *r, const int fds[3])
{
	struct err err = ERR_INIT;
	int code;

	setsid();
	if (r->flags & AGENT_EXEC_TTY)
		ioctl(fds[0], TIOCSCTTY, 0);
	for (int i = 0; i < 3; i++)
		dup2(fds[i], i);
	syscall(SYS_close_range, 3, ~0U, 0);
	signal(SIGPIPE, SIG_DFL);
	if (r->root) {
		guest_environment(0);
		if (chdir("/root") < 0)
			err_sys(&err, errno, "/root");
	} else {
		guest_become_user(&err);
	}
	for (size_t i = 0; i < r->nr_env; i++)
		putenv(r->env[i]);
	if (err.code == ERR_NONE && r->cwd && chdir(r->cwd) < 0)
		err_sys(&err, errno, "%s", r->cwd);
	if (err.code == ERR_NONE)
		execvp(r->argv[0], r->argv);
	code = errno == ENOENT ? 127 : 126;
	if (err.code == ERR_NONE)
		err_sys(&err, errno, "%s", r->argv[0]);
	dprintf(2, "podflare-machine: %s\n", err.msg);
	if (code == 127 && strcmp(r->argv[0], "/bin/sh") == 0)
		dprintf(2, "podflare-machine: hint: the host had no busybox "
			"when the machine started: sudo apt install "
			"busybox-static, then podflare machine stop\n");
	_exit(code);
}

/* Two ends each: ours in @c, the command's in @theirs. */
static int make_pipes(struct shell_child *c, bool with_stdin, int theirs[3])
{
	int p[2];

	if (with_stdin) {
		if (pipe2(p, O_CLOEXEC) < 0)
			return -1;
		theirs[0] = p[0];
		c->in = p[1];
	} else {
		theirs[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	if (theirs[0] < 0 || pipe2(p, O_CLOEXEC) < 0)
		return -1;
	c->out = p[0];
	theirs[1] = p[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	c->err = p[0];
	theirs[2] = p[1];
	return 0;
}

static int make_tty(struct shell_child *c, const struct request *r,
		    int theirs[3])
{
	struct winsize ws = { .ws_row = (unsigned short)r->rows,
			      .ws_col = (unsigned short)r->cols };
	char name[64];

	c->out = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->out < 0 || unlockpt(c->out) < 0 ||
	    ptsname_r(c->out, name, sizeof(name)) != 0)
		return -1;
	if (chown(name, r->root ? 0 : GUEST_UID, (gid_t)-1) < 0)
		return -1;
	ioctl(c->out, TIOCSWINSZ, &ws);
	theirs[0] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (theirs[0] < 0)
		return -1;
	theirs[1] = dup(theirs[0]);
	theirs[2] = dup(theirs[0]);
	if (r->flags & AGENT_EXEC_STDIN)
		c->in = c->out;
	return 0;
}

static void close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(steal_fd(&fds[i]));
}

static void unblock(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
}

static int launch(struct shell_child *c, const struct request *r,
		  struct err *err)
{
	int theirs[3] = { -1, -1, -1 };
	int rc;

	c->tty = r->flags & AGENT_EXEC_TTY;
	rc = c->tty ? make_tty(c, r, theirs)
		    : make_pipes(c, r->flags & AGENT_EXEC_STDIN, theirs);
	if (rc == 0) {
		c->pid = fork();
		if (c->pid == 0)
			run(r, theirs);
		if (c->pid > 0)
			c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	}
	if (rc < 0 || c->pid < 0 || c->pidfd < 0) {
		err_sys(err, errno, "%s", r->argv[0]);
		close_all(theirs, 3);
		return -1;
	}
	close_all(theirs, 3);
	unblock(c->in);
	unblock(c->out);
	unblock(c->err);
	return 0;
}

int shell_child_start(struct shell_child *c, const void *data, size_t len,
		      struct err *err)
{
	struct request r = { .argc = 0 };
	int rc;

	*c = (struct shell_child){ .pidfd = -1, .in = -1, .out = -1,
				   .err = -1 };
	rc = parse(&r, data, len, err);
	if (rc == 0)
		rc = launch(c, &r, err);
	request_free(&r);
	return rc;
}

void shell_child_stdin_eof(struct shell_child *c)
{
	if (c->in < 0)
		return;
	if (!c->tty) {
		close(c->in);
	} else if (write(c->in, "\x04", 1) < 0) {
		return;		/* full: the caller comes again */
	}
	c->in = -1;
}
