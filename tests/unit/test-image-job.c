/* SPDX-License-Identifier: MIT */
/* tests/unit/test-image-job.c - helper programs: output, failure, Ctrl-C */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/image-job.h"
#include "cli/image-work.h"
#include "common/loop.h"
#include "common/path.h"
#include "tests/unit/unit.h"

static struct globals globals = { .quiet = true, .json = true };

static int sh(struct job *j, const char *script,
	      void (*line)(struct job *j, const char *line), struct err *err)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };

	*err = (struct err)ERR_INIT;
	free(globals.console);
	globals.console = NULL;
	return job_run(j, argv, NULL, line, err);
}

static void count(struct job *j, const char *line)
{
	int *n = j->data;

	if (!strcmp(line, "a line"))
		++*n;
}

static void lines_are_seen_one_by_one(void **state)
{
	CLEANUP_JOB struct job j = JOB_INIT;
	struct err err = ERR_INIT;
	int n = 0;

	assert_int_equal(job_open(&j, &globals, NULL, &err), 0);
	j.data = &n;
	assert_int_equal(sh(&j, "echo a line; echo a line >&2; printf 'a li';"
			    "sleep 0.05; printf 'ne'", count, &err), 0);
	assert_int_equal(n, 3);
}

static void a_failure_shows_the_last_lines(void **state)
{
	CLEANUP_JOB struct job j = JOB_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(job_open(&j, &globals, NULL, &err), 0);
	assert_int_equal(sh(&j, "seq 1 100; exit 7", NULL, &err), -1);
	assert_string_equal(err.msg, "/bin/sh: exit status 7");
	assert_int_equal(err.code, ERR_FAILED);
	assert_non_null(strstr(globals.console, "  81\n"));
	assert_non_null(strstr(globals.console, "  100\n"));
	assert_null(strstr(globals.console, "  80\n"));
	assert_int_equal(sh(&j, "kill -TERM $$", NULL, &err), -1);
	assert_string_equal(err.msg, "/bin/sh: ended by signal 15");
	assert_null(globals.console);
	assert_int_equal(sh(&j, "head -c 100000 /dev/zero | tr '\\0' x; exit 1",
			    NULL, &err), -1);
	assert_true(strlen(globals.console) < JOB_LINE_MAX + 16);
}

static void a_full_disk_is_told_from_what_is_said(void **state)
{
	CLEANUP_JOB struct job j = JOB_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(job_open(&j, &globals, NULL, &err), 0);
	assert_int_equal(sh(&j, "echo 'x: No space left on device'; exit 1",
			    NULL, &err), -1);
	assert_int_equal(err.code, ERR_NO_SPACE);
}

/* A program that others hold the output of does not keep us waiting. */
static void a_daemon_left_behind_does_not_block(void **state)
{
	CLEANUP_JOB struct job j = JOB_INIT;
	struct err err = ERR_INIT;
	uint64_t start = now_ns();

	assert_int_equal(job_open(&j, &globals, NULL, &err), 0);
	assert_int_equal(sh(&j, "sleep 3 & exit 0", NULL, &err), 0);
	assert_true(now_ns() - start < 2000000000);
}

static pid_t signal_later(int ms)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		usleep((useconds_t)ms * 1000);
		kill(parent, SIGINT);
		_exit(0);
	}
	return pid;
}

static void ctrl_c_ends_the_whole_group(void **state)
{
	CLEANUP_JOB struct job j = JOB_INIT;
	struct err err = ERR_INIT;
	char name[] = "/tmp/test-job-XXXXXX", text[32] = "";
	int fd = mkstemp(name);
	uint64_t start = now_ns();
	char script[128];
	pid_t pid, inner;

	assert_int_equal(job_open(&j, &globals, NULL, &err), 0);
	snprintf(script, sizeof(script),
		 "sh -c 'echo $$ >%s; exec sleep 30'; exit 0", name);
	pid = signal_later(300);
	assert_int_equal(sh(&j, script, NULL, &err), -1);
	assert_int_equal(err.code, ERR_CANCELLED);
	assert_true(now_ns() - start < 10000000000);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	inner = (pid_t)atoi(text);
	/* gone, or about to be reaped by init */
	for (int i = 0; i < 100 && kill(inner, 0) == 0; i++)
		usleep(10000);
	waitpid(pid, NULL, 0);
	close(fd);
	unlink(name);
}

static void waiting_ends_with_a_signal(void **state)
{
	CLEANUP_JOB struct job j = JOB_INIT;
	struct err err = ERR_INIT;
	int fds[2];
	pid_t pid;

	assert_int_equal(job_open(&j, &globals, NULL, &err), 0);
	assert_int_equal(pipe(fds), 0);
	pid = signal_later(100);
	assert_int_equal(job_wait_fd(&j, fds[0], POLLIN, &err), -1);
	assert_int_equal(err.code, ERR_CANCELLED);
	assert_int_equal(job_sleep(&j, 5000, &err), -1);
	waitpid(pid, NULL, 0);
	close(fds[0]);
	close(fds[1]);
}

static void a_missing_program_has_a_cure(void **state)
{
	static const char *const argv[] = { "mmdebstrap", NULL };
	CLEANUP_JOB struct job j = JOB_INIT;
	struct err err = ERR_INIT;
	char *path = strdup(getenv("PATH"));

	assert_int_equal(job_open(&j, &globals, NULL, &err), 0);
	setenv("PATH", "/nonexistent", 1);
	assert_int_equal(job_run(&j, argv, NULL, NULL, &err), -1);
	assert_string_equal(err.hint, "sudo apt install mmdebstrap");
	setenv("PATH", path, 1);
	free(path);
}

/* What a killed build left goes, what a living one has stays. */
static void stale_work_folders_are_removed(void **state)
{
	CLEANUP_WORK struct work w = WORK_INIT;
	char tmp[] = "/tmp/test-work-XXXXXX", stale[64];
	struct err err = ERR_INIT;

	assert_non_null(mkdtemp(tmp));
	setenv("TMPDIR", tmp, 1);
	assert_int_equal(work_open(&w, &err), 0);
	snprintf(stale, sizeof(stale), "%s/" WORK_PREFIX "x/private/y", tmp);
	assert_int_equal(path_mkdirs(stale, &err), 0);
	work_remove_stale(tmp);
	assert_int_equal(access(stale, F_OK), -1);
	assert_int_equal(access(w.private, F_OK), 0);
	work_close(&w);
	unsetenv("TMPDIR");
	assert_int_equal(rmdir(tmp), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_seen_one_by_one),
		cmocka_unit_test(a_failure_shows_the_last_lines),
		cmocka_unit_test(a_full_disk_is_told_from_what_is_said),
		cmocka_unit_test(a_daemon_left_behind_does_not_block),
		cmocka_unit_test(ctrl_c_ends_the_whole_group),
		cmocka_unit_test(waiting_ends_with_a_signal),
		cmocka_unit_test(a_missing_program_has_a_cure),
		cmocka_unit_test(stale_work_folders_are_removed),
	};
	int rc = cmocka_run_group_tests_name("image-job", tests, NULL, NULL);

	free(globals.console);
	return rc;
}
