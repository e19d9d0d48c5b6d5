/* SPDX-License-Identifier: MIT */
/*
 * cli/image-job.c - long work with helper programs: progress, log, Ctrl-C
 *
 * Runs in the CLI.  Distrusts what programs print: lines are cut, bounded in
 * number and made safe before they are shown.
 */
#include "cli/image-job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/text.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/loop.h"
#include "common/path.h"

#define GRACE_MS 15000

/* See image-job.h. */
int job_open(struct job *j, struct globals *g, const char *log_name,
	     struct err *err)
{
	CLEANUP_FREE char *dir = NULL;

	j->globals = g;
	progress_start(&j->progress, g);
	if (log_name) {
		dir = path_place(PATH_STATE, NULL, true, err);
		if (!dir)
			return -1;
		if (asprintf(&j->log_path, "%s/%s", dir, log_name) < 0) {
			j->log_path = NULL;
			return err_sys(err, ENOMEM, "log");
		}
		j->log = fopen(j->log_path, "we");
		if (!j->log)
			return err_sys(err, errno, "%s", j->log_path);
	}
	return sigs_open(&j->sigs, err);
}

static void end_line(struct job *j, struct job_proc *p)
{
	p->text[p->len] = '\0';
	p->len = 0;
	if (j->log)
		fprintf(j->log, "%s\n", p->text);
	if (!p->text[0])
		return;
	if (!p->closed)
		memcpy(p->tail[p->lines++ % JOB_TAIL], p->text,
		       sizeof(p->text));
	if (p->line)
		p->line(j, p->text);
}

static void read_output(struct job *j, struct job_proc *p)
{
	char data[4096];
	ssize_t n = read(p->output, data, sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	for (ssize_t i = 0; i < n; i++) {
		if (data[i] == '\n' || data[i] == '\r')
			end_line(j, p);
		else if (p->len < sizeof(p->text) - 1)
			p->text[p->len++] = data[i];
	}
	if (n <= 0) {
		if (p->len)
			end_line(j, p);
		close(steal_fd(&p->output));
	}
}

/* Return: whether the program is gone (again). */
static bool reap(struct job_proc *p)
{
	if (!p->pid)
		return true;
	if (waitpid(p->pid, &p->status, WNOHANG) != p->pid)
		return false;
	p->pid = 0;
	close(steal_fd(&p->pidfd));
	return true;
}

/* One poll(2) over everything. Return: revents of @fd. */
static short pump(struct job *j, int fd, short events, int timeout)
{
	struct pollfd p[2 + 2 * JOB_PROCS];
	int progress = progress_timeout(&j->progress);

	p[0] = (struct pollfd){ .fd = fd, .events = events };
	p[1] = (struct pollfd){ .fd = j->sigs.fd, .events = POLLIN };
	for (int i = 0; i < JOB_PROCS; i++) {
		const struct job_proc *q = j->procs[i];

		p[2 + 2 * i] = (struct pollfd){ .fd = q ? q->output : -1,
						.events = POLLIN };
		p[3 + 2 * i] = (struct pollfd){ .fd = q ? q->pidfd : -1,
						.events = POLLIN };
	}
	if (progress >= 0 && (timeout < 0 || progress < timeout))
		timeout = progress;
	if (poll(p, ARRAY_SIZE(p), timeout) < 0)
		return 0;
	for (int i = 0; i < JOB_PROCS; i++) {
		if (p[2 + 2 * i].revents)
			read_output(j, j->procs[i]);
		if (p[3 + 2 * i].revents)
			reap(j->procs[i]);
	}
	if (p[1].revents) {
		int sig = sigs_read(&j->sigs);

		if (sig == SIGINT || sig == SIGTERM || sig == SIGHUP ||
		    sig == SIGQUIT)
			j->signal = sig;
	}
	progress_tick(&j->progress);
	return p[0].revents;
}

static int cancelled(const struct job *j, struct err *err)
{
	if (!j->signal)
		return 0;
	j->globals->signal = j->signal;
	return err_set(err, ERR_CANCELLED, "interrupted");
}

/* See image-job.h. */
int job_wait_fd(struct job *j, int fd, short events, struct err *err)
{
	short ready;

	do {
		ready = pump(j, fd, events, fd < 0 ? 0 : -1);
		if (cancelled(j, err) < 0)
			return -1;
	} while (fd >= 0 && !ready);
	return 0;
}

/* See image-job.h. */
int job_sleep(struct job *j, int ms, struct err *err)
{
	uint64_t end = now_ns() + (uint64_t)ms * 1000000;

	while (now_ns() < end) {
		pump(j, -1, 0, (int)((end - now_ns()) / 1000000) + 1);
		if (cancelled(j, err) < 0)
			return -1;
	}
	return 0;
}

static void missing_program(const char *name, struct err *err)
{
	static const struct {
		const char *program, *package;
	} where[] = { { "mmdebstrap", "mmdebstrap" },
		      { "mksquashfs", "squashfs-tools" },
		      { "apt-get", "apt" } };

	for (size_t i = 0; i < ARRAY_SIZE(where); i++)
		if (!strcmp(name, where[i].program))
			err_hint(err, "sudo apt install %s", where[i].package);
}

/* See image-job.h. */
int job_spawn(struct job *j, struct job_proc *p, struct proc_spawn *s,
	      struct err *err)
{
	CLEANUP_FD int rd = -1;
	CLEANUP_FD int wr = -1;
	int fds[2], slot = 0;
	pid_t pid;

	while (slot < JOB_PROCS && j->procs[slot] && j->procs[slot] != p)
		slot++;
	BUG_ON(slot == JOB_PROCS);
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, errno, "pipe");
	rd = fds[0];
	wr = fds[1];
	if (s->fds[1] == JOB_LOG)
		s->fds[1] = wr;
	s->fds[2] = wr;
	s->nfds = 3;
	s->new_session = true;
	s->die_with_parent = true;
	pid = proc_spawn(s, &p->pidfd, err);
	if (pid < 0) {
		if (err && err->sys == ENOENT)
			missing_program(s->argv[0], err);
		return -1;
	}
	p->pid = pid;
	p->output = steal_fd(&rd);
	fcntl(p->output, F_SETFL, O_NONBLOCK);
	j->procs[slot] = p;
	return 0;
}

/* See image-job.h. */
void job_show_tail(struct job *j, const struct job_proc *p)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	unsigned int n = MIN(p->lines, (unsigned int)JOB_TAIL);

	for (unsigned int i = p->lines - n; i < p->lines; i++)
		buf_printf(&b, "  %s\n", p->tail[i % JOB_TAIL]);
	if (!b.len)
		return;
	progress_end(&j->progress);
	if (j->globals->json) {
		free(j->globals->console);
		j->globals->console = strdup(buf_str(&b));
		return;
	}
	fprintf(stderr, "podflare: the last lines of %s:\n", p->name);
	text_write(stderr, buf_str(&b), b.len, TEXT_MANY_LINES);
}

static int failed(struct job *j, const struct job_proc *p, struct err *err)
{
	for (unsigned int i = 0; i < MIN(p->lines, (unsigned int)JOB_TAIL); i++)
		if (strstr(p->tail[i], strerror(ENOSPC)))
			err_set(err, ERR_NO_SPACE, "%s: the disk is full",
				p->name);
	if (!j->quiet_failures)
		job_show_tail(j, p);
	if (err && err->code != ERR_NO_SPACE) {
		if (WIFSIGNALED(p->status))
			err_set(err, ERR_FAILED, "%s: ended by signal %d",
				p->name, WTERMSIG(p->status));
		else
			err_set(err, ERR_FAILED, "%s: exit status %d", p->name,
				WEXITSTATUS(p->status));
	}
	if (j->log_path && (!err || err->code != ERR_NO_SPACE))
		err_hint(err, "all it said is in %s", j->log_path);
	return -1;
}

static bool has_input(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* See image-job.h. */
int job_wait(struct job *j, struct job_proc *p, struct err *err)
{
	while (p->pid) {
		pump(j, -1, 0, -1);
		if (cancelled(j, err) < 0)
			return -1;
	}
	/* what is left in the pipe; others may still hold its other end */
	while (p->output >= 0 && has_input(p->output))
		read_output(j, p);
	if (p->output >= 0)
		close(steal_fd(&p->output));
	if (WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0)
		return 0;
	return failed(j, p, err);
}

static int run(struct job *j, struct proc_spawn *s,
	       void (*line)(struct job *j, const char *line), struct err *err)
{
	struct job_proc p = JOB_PROC_INIT;
	int rc;

	p.name = s->argv[0];
	p.line = line;
	if (job_spawn(j, &p, s, err) < 0)
		return -1;
	rc = job_wait(j, &p, err);
	/* it does not outlive this function */
	if (rc < 0)
		job_stop(j, &p);
	job_forget(j, &p);
	return rc;
}

/* See image-job.h. */
int job_run(struct job *j, const char *const *argv, const char *const *envp,
	    void (*line)(struct job *j, const char *line), struct err *err)
{
	struct proc_spawn s = { .argv = argv, .envp = envp,
				.fds = { -1, JOB_LOG } };

	return run(j, &s, line, err);
}

/* See image-job.h. */
int job_run_in(struct job *j, const char *cwd, const char *const *argv,
	       const char *const *envp, struct err *err)
{
	struct proc_spawn s = { .argv = argv, .envp = envp, .cwd = cwd,
				.fds = { -1, JOB_LOG } };

	return run(j, &s, NULL, err);
}

/* See image-job.h. */
void job_forget(struct job *j, struct job_proc *p)
{
	for (int i = 0; i < JOB_PROCS; i++)
		if (j->procs[i] == p)
			j->procs[i] = NULL;
}

/* See image-job.h. */
void job_stop(struct job *j, struct job_proc *p)
{
	uint64_t end = now_ns() + GRACE_MS * 1000000ULL;
	bool killed = false;

	if (p->pid) {
		progress_step(&j->progress, "cleaning up", -1);
		kill(-p->pid, SIGINT);
	}
	while (p->pid) {
		if (!killed && now_ns() > end) {
			kill(-p->pid, SIGKILL);
			killed = true;
		}
		pump(j, -1, 0, 200);
	}
	if (p->output >= 0)
		close(steal_fd(&p->output));
}

/* See image-job.h. */
void job_close(struct job *j)
{
	for (int i = 0; i < JOB_PROCS; i++)
		if (j->procs[i])
			job_stop(j, j->procs[i]);
	progress_end(&j->progress);
	sigs_close(&j->sigs);
	if (j->log)
		fclose(j->log);
	free(j->log_path);
	*j = (struct job)JOB_INIT;
}
