/* SPDX-License-Identifier: MIT */
/*
 * guest-init/spawn.c - from an EXEC request to a running command
 *
 * Pid 1 up to the fork, then its child.  Whatever may take long or fail (users,
 * folders, programs) is the child's business: pid 1 never waits for it.
 *
 * Theory of operation: a failure is written to a pipe that execve(2) closes.
 * Pid 1 reads it when it collects the child, so nothing is watched meanwhile.
 */
#include "guest-init/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/tlv.h"
#include "guest-init/environ.h"
#include "guest-init/pty.h"

#define NOFILE_SOFT 1024
#define NOFILE_HARD 524288
#define EXIT_SETUP 125

/* The request's text values, copied out of it. */
struct command {
	char **argv;
	size_t argc;
	char **env;
	size_t nr_env;
	char *cwd, *user;
};

static int put_text(char ***list, size_t *len, char *text)
{
	char **grown = realloc(*list, (*len + 2) * sizeof(*grown));

	if (!grown)
		return -1;
	grown[(*len)++] = text;
	grown[*len] = NULL;
	*list = grown;
	return 0;
}

static int parse(struct command *c, const struct spawn *s, struct err *err)
{
	struct tlv t;
	size_t pos = 0;
	int rc;

	while ((rc = tlv_next(s->request, s->request_len, &pos, &t)) > 0) {
		char *text;

		if (t.tag < AGENT_T_ARG || t.tag > AGENT_T_USER)
			continue;
		text = tlv_strdup(&t);
		if (!text)
			return err_set(err, ERR_PROTOCOL, "a value holds a NUL");
		if (t.tag == AGENT_T_CWD)
			c->cwd = text;
		else if (t.tag == AGENT_T_USER)
			c->user = text;
		else if ((t.tag == AGENT_T_ARG
				  ? put_text(&c->argv, &c->argc, text)
				  : put_text(&c->env, &c->nr_env, text)) < 0)
			return err_sys(err, ENOMEM, "command");
	}
	return rc < 0 ? err_set(err, ERR_PROTOCOL, "malformed request") : 0;
}

void spawn_protect_self(void)
{
	const struct rlimit files = { NOFILE_HARD, NOFILE_HARD };
	CLEANUP_FD int fd = open("/proc/self/oom_score_adj",
				 O_WRONLY | O_CLOEXEC);

	setrlimit(RLIMIT_NOFILE, &files);
	if (fd >= 0 && write(fd, "-1000", 5) < 0)
		return;	/* the kernel spares pid 1 anyway */
}

void spawn_unprotect(void)
{
	CLEANUP_FD int fd = open("/proc/self/oom_score_adj",
				 O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "0", 1) < 0)
		return;	/* an ordinary process (a test) has no need */
}

void spawn_reset(void)
{
	const struct rlimit files = { NOFILE_SOFT, NOFILE_HARD };
	sigset_t none;

	signal(SIGPIPE, SIG_DFL);	/* the only one that pid 1 ignores */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_NOFILE, &files);
	umask(022);
	spawn_unprotect();
}

/* Terminal or pipes; the terminal becomes the user's own, as login(1) does. */
static int take_stdio(const struct spawn *s, const struct user *u,
		      struct err *err)
{
	if (s->tty) {
		if (fchown(s->fds[0], u->uid, (gid_t)-1) < 0 && errno != EPERM)
			return err_sys(err, errno, "terminal");
		return pty_attach(s->fds[0]) < 0 ?
			err_sys(err, errno, "terminal") : 0;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(s->fds[i], i) < 0)
			return err_sys(err, errno, "standard descriptors");
	for (int i = 0; i < s->nr_extra; i++)
		if (fcntl(s->extra[i], F_SETFD, 0) < 0)
			return err_sys(err, errno, "descriptors");
	return 0;
}

static int enter_cwd(const struct command *c, const struct user *u,
		     struct err *err)
{
	if (c->cwd && chdir(c->cwd) < 0)
		return err_sys(err, errno, "cannot enter %s", c->cwd);
	if (!c->cwd && chdir(u->home) < 0 && chdir("/") < 0)
		return err_sys(err, errno, "cannot enter /");
	return 0;
}

/* No ARG at all asks for the user's login shell, which its name says. */
static const char *choose_program(struct command *c, const struct user *u)
{
	const char *base = strrchr(u->shell, '/');
	char *name;

	if (c->argc)
		return c->argv[0];
	if (asprintf(&name, "-%s", base ? base + 1 : u->shell) < 0 ||
	    put_text(&c->argv, &c->argc, name) < 0)
		return NULL;
	return u->shell;
}

/* Return: only on failure: the exit code, @err and @why. */
static int run(const struct spawn *s, uint32_t *why, struct err *err)
{
	struct environment e = { 0 };
	struct command c = { 0 };
	struct user u;
	const char *program;
	int code;

	if (parse(&c, s, err) < 0 || user_lookup(&u, s->etc, c.user, err) < 0)
		return EXIT_SETUP;
	setsid();
	if (take_stdio(s, &u, err) < 0)
		return EXIT_SETUP;
	spawn_reset();
	if (user_become(&u) < 0) {
		err_sys(err, errno, "cannot become user %s", u.name);
		return EXIT_SETUP;
	}
	if (enter_cwd(&c, &u, err) < 0)
		return EXIT_SETUP;
	if (environ_base(&e, &u, s->tty) < 0) {
		err_sys(err, errno, "environment");
		return EXIT_SETUP;
	}
	for (size_t i = 0; i < c.nr_env; i++)
		environ_put(&e, c.env[i]);
	program = choose_program(&c, &u);
	if (!program) {
		err_sys(err, ENOMEM, "command");
		return EXIT_SETUP;
	}
	code = environ_exec(&e, program, c.argv, err);
	*why = code == 127 ? AGENT_WHY_NOT_FOUND : AGENT_WHY_NOT_EXECUTABLE;
	return code;
}

static void run_and_report(const struct spawn *s, int report)
	__attribute__((noreturn));
static void run_and_report(const struct spawn *s, int report)
{
	struct spawn_failure f = { 0 };
	struct err err = ERR_INIT;
	int code = run(s, &f.why, &err);

	f.code = err.code;
	f.sys = err.sys;
	snprintf(f.msg, sizeof(f.msg), "%.255s", err.msg);
	if (write(report, &f, sizeof(f)) < 0)
		_exit(EXIT_SETUP);
	_exit(code);
}

static void join_cgroup(int cgroup)
{
	CLEANUP_FD int fd = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "0", 1) < 0)
		return;	/* its bounds are lost, no more */
}

/* Straight into the group, since joining it afterwards waits for a grace period
 * of the whole machine; but only joining is not subject to the group's limit. */
pid_t spawn_fork(int cgroup)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)cgroup,
	};
	pid_t pid = -1;

	if (cgroup < 0)
		return fork();
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid >= 0)
		return pid;
	pid = fork();
	if (pid == 0)
		join_cgroup(cgroup);
	return pid;
}

void spawn_close_from(int fd)
{
	struct rlimit files;

	if (syscall(SYS_close_range, fd, ~0U, 0) == 0)
		return;
	/* before Linux 5.9 */
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	for (rlim_t n = (rlim_t)fd; n < files.rlim_cur; n++)
		close((int)n);
}

pid_t spawn_command(const struct spawn *s, int *report, struct err *err)
{
	int pipe_fds[2];
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, errno, "pipe");
	pid = spawn_fork(s->cgroup);
	if (pid == 0)
		run_and_report(s, pipe_fds[1]);
	close(pipe_fds[1]);
	if (pid < 0) {
		err_sys(err, errno, "cannot start a process");
		if (err->sys == EAGAIN)
			err->code = ERR_LIMIT;
		close(pipe_fds[0]);
		return -1;
	}
	*report = pipe_fds[0];
	return pid;
}
