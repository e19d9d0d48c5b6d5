/* SPDX-License-Identifier: MIT */
/*
 * cli/image-job.h - long work with helper programs: progress, log, Ctrl-C
 *
 * Theory of operation: one thread.  Whoever waits (for a pipe, for a program's
 * end) waits in job_wait_fd() or job_wait(), which meanwhile read what the
 * programs say on stderr, keep the progress line going, and watch for signals.
 * After a signal every wait fails with ERR_CANCELLED; job_close() ends the
 * programs and everything they started.
 */
#ifndef PODFLARE_CLI_IMAGE_JOB_H
#define PODFLARE_CLI_IMAGE_JOB_H

#include <poll.h>
#include <stdio.h>
#include <sys/types.h>

#include "cli/progress.h"
#include "cli/sigs.h"
#include "common/proc.h"

#define JOB_PROCS 4
#define JOB_TAIL 20		/* lines shown of a program that failed */
#define JOB_LINE_MAX 512	/* longer lines are cut */

struct job;

struct job_proc {
	const char *name;	/* for messages */
	/* Sees each line of its output; may be NULL. */
	void (*line)(struct job *j, const char *line);
	pid_t pid;		/* 0: not running */
	int status;		/* of waitpid(2), once pid is 0 again */
	int pidfd;
	int output;		/* its stderr, -1 at the end */
	char text[JOB_LINE_MAX];	/* of an unfinished line */
	size_t len;
	char tail[JOB_TAIL][JOB_LINE_MAX];	/* a ring */
	unsigned int lines;	/* that the ring has taken; a line callback may
				 * reset it */
	bool closed;		/* the ring takes no more */
};

struct job {
	struct globals *globals;
	struct progress progress;
	struct sigs sigs;
	FILE *log;
	char *log_path;
	struct job_proc *procs[JOB_PROCS];
	int signal;		/* that came */
	bool quiet_failures;	/* a failed program's last lines are not shown */
	void *data;		/* of whoever gets lines */
};

#define JOB_INIT { .sigs = SIGS_INIT }
#define JOB_PROC_INIT { .pidfd = -1, .output = -1 }
#define CLEANUP_JOB __attribute__((cleanup(job_close)))

/* @param log_name file below PATH_STATE that keeps all output; NULL: none.
 * Return: 0, or -1 with @err. */
int job_open(struct job *j, struct globals *g, const char *log_name,
	     struct err *err);
/* job_stop() what still runs. */
void job_close(struct job *j);
/*
 * Start a program in a session of its own. fds[2] of @s is replaced; fds[1]
 * too where it is JOB_LOG. @p must live until job_close().
 * Return: 0, or -1 with @err (hint: the package that has it).
 */
int job_spawn(struct job *j, struct job_proc *p, struct proc_spawn *s,
	      struct err *err);
#define JOB_LOG (-2)
/* Wait until @fd is ready. @fd -1: only see what is there already.
 * Return: 0, or -1 with @err (ERR_CANCELLED). */
int job_wait_fd(struct job *j, int fd, short events, struct err *err);
/* Let @ms milliseconds pass. Return: 0, or -1 with @err (ERR_CANCELLED). */
int job_sleep(struct job *j, int ms, struct err *err);
/* Wait for the program's end. Return: 0 when it exited with 0, else -1 with
 * @err; its last lines have been shown. */
int job_wait(struct job *j, struct job_proc *p, struct err *err);
/* Spawn with stdin from /dev/null and wait. @line may be NULL. */
int job_run(struct job *j, const char *const *argv, const char *const *envp,
	    void (*line)(struct job *j, const char *line), struct err *err);
/* The same in folder @cwd. */
int job_run_in(struct job *j, const char *cwd, const char *const *argv,
	       const char *const *envp, struct err *err);
/* End one program: SIGINT to its process group, after 15 s SIGKILL. */
void job_stop(struct job *j, struct job_proc *p);
/* @p, which has ended, may go out of scope. */
void job_forget(struct job *j, struct job_proc *p);
/* Show a failed program's last lines (with --json: keep them for the error). */
void job_show_tail(struct job *j, const struct job_proc *p);

#endif
