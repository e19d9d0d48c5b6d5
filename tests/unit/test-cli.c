/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-cli.c - podflare against a real podflared with played VMMs
 *
 * What the fake agent does with a command: `cat` copies, all others tell what they
 * were asked for and exit with 7 (tests/fake/fake-agent.c).
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/proc.h"
#include "tests/unit/runner-host.h"
#include "tests/unit/unit.h"

static struct buf out, errout;	/* of the last command */

static int open_temporary(void)
{
	return open(host_dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
}

static void take(struct buf *b, int fd)
{
	b->len = 0;
	lseek(fd, 0, SEEK_SET);
	while (buf_read(b, fd, 65536) > 0)
		;
	buf_append(b, "", 0);
}

static pid_t start(const char *const *args, int fds[3])
{
	char self[512] = "";
	const char *argv[24] = { self };
	struct proc_spawn s = { .argv = argv, .nfds = 3 };
	struct err err = ERR_INIT;
	size_t n = 1;
	pid_t pid;

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 16) > 0);
	strcpy(strrchr(self, '/') + 1, "podflare");
	for (; args[n - 1]; n++)
		argv[n] = args[n - 1];
	memcpy(s.fds, fds, 3 * sizeof(int));
	pid = proc_spawn(&s, NULL, &err);
	if (pid < 0)
		fail_msg("%s", err.msg);
	return pid;
}

/* Run podflare; stdout and stderr go to out and errout.
 * Return: the exit code, 128+N as a shell has it. */
static int run(const char *const *args)
{
	CLEANUP_FD int o = open_temporary();
	CLEANUP_FD int e = open_temporary();
	int fds[3] = { -1, o, e };
	pid_t pid = start(args, fds);
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	take(&out, o);
	take(&errout, e);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}

#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

static void says(struct buf *b, const char *text)
{
	if (!strstr(buf_str(b), text))
		fail_msg("no \"%s\" in: %s", text, buf_str(b));
}

static int ready(void **state)
{
	if (host_setup(state) < 0)
		return -1;
	setenv("PODFLARE_MACHINE", "never", 1);
	return RUN("create", "-n", "one", "-e", "A=1", "--label", "team=x",
		   "--memory", "256M");
}

static void create_prints_the_name_alone(void **state)
{
	assert_int_equal(RUN("create", "-n", "two"), 0);
	assert_string_equal(buf_str(&out), "two\n");
	assert_string_equal(buf_str(&errout), "");
	assert_int_equal(RUN("create", "-n", "two"), 1);
	says(&errout, "podflare: error: ");
	assert_int_equal(RUN("rm", "two"), 0);
	assert_string_equal(buf_str(&out), "two\n");
}

static void create_makes_up_a_name(void **state)
{
	char name[128];

	assert_int_equal(RUN("create"), 0);
	snprintf(name, sizeof(name), "%.100s", buf_str(&out));
	assert_int_equal(strcspn(name, "\n"), strlen(name) - 1);
	name[strlen(name) - 1] = '\0';
	assert_int_equal(RUN("rm", name), 0);
}

static void bad_values_are_usage_errors(void **state)
{
	assert_int_equal(RUN("create", "-n", "Not Valid"), 2);
	assert_int_equal(RUN("create", "--cpus", "99"), 2);
	assert_int_equal(RUN("create", "-e", "=x"), 2);
	assert_int_equal(RUN("create", "--label", "x"), 2);
	assert_int_equal(RUN("create", "--image", "nosuch"), 1);
	says(&errout, "nosuch");
}

static void ls_and_show_tell_of_it(void **state)
{
	assert_int_equal(RUN("ls"), 0);
	says(&out, "NAME");
	says(&out, "running");
	assert_int_equal(RUN("ls", "-q"), 0);
	assert_string_equal(buf_str(&out), "one\n");
	assert_int_equal(RUN("--json", "ls"), 0);
	says(&out, "\"memory\": 268435456");
	assert_int_equal(RUN("show", "one"), 0);
	says(&out, "team=x");
	says(&out, "A=1");
	assert_null(strchr(buf_str(&out), '\x1b'));
	assert_int_equal(RUN("show", "one", "--json"), 0);
	says(&out, "\"state\": \"running\"");
}

static void exec_passes_all_on(void **state)
{
	assert_int_equal(RUN("exec", "-e", "B=2", "-w", "/srv", "-u", "me",
			     "one", "--", "prog", "-x", "a b"), 7);
	says(&out, "16=prog\n16=-x\n16=a b\n");
	says(&out, "17=A=1\n");
	says(&out, "17=B=2\n");
	says(&out, "18=/srv\n");
	says(&out, "19=me\n");
	assert_int_equal(RUN("exec", "nosuch", "true"), 125);
	says(&errout, "nosuch");
	assert_int_equal(RUN("exec", "one"), 2);
}

static void detach_prints_the_session(void **state)
{
	assert_int_equal(RUN("exec", "-d", "one", "prog"), 0);
	assert_string_equal(buf_str(&out), "1\n");
	assert_int_equal(RUN("--json", "exec", "-d", "one", "prog"), 0);
	says(&out, "\"session\": 1");
	assert_int_equal(RUN("exec", "-d", "-i", "one", "prog"), 2);
}

static void run_leaves_nothing(void **state)
{
	assert_int_equal(RUN("run", "-n", "gone", "--rm", "prog", "-i"), 7);
	says(&out, "16=-i\n");
	assert_int_equal(RUN("show", "gone"), 1);
	assert_int_equal(RUN("run", "-n", "kept", "--keep", "prog"), 7);
	assert_int_equal(RUN("rm", "kept"), 0);
	assert_int_equal(host_vmms(), 1);
}

/* The name of a running command's sandbox is gone after the signal. */
static void run_is_ended_by(int sig, const char *memory)
{
	CLEANUP_FD int e = open_temporary();
	int fds[3] = { -1, e, e };
	const char *const args[] = { "run", "-n", "brief", "--memory", memory,
				     "cat", NULL };
	pid_t pid = start(args, fds);
	int status, left = 500;

	while (sandbox_text("brief", "state")[0] == '\0' && left--)
		poll(NULL, 0, 10);
	assert_int_equal(kill(pid, sig), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	take(&errout, e);
	assert_true(WIFEXITED(status));
	assert_int_equal(RUN("show", "brief"), 1);
	assert_int_equal(host_vmms(), 1);
}

static void a_signal_during_creation_removes_it(void **state)
{
	/* 142 MiB: the agent takes 2 s to come up */
	run_is_ended_by(SIGINT, "142M");
	run_is_ended_by(SIGTERM, "142M");
	run_is_ended_by(SIGHUP, "142M");
}

static void a_failed_boot_shows_the_console(void **state)
{
	assert_int_equal(RUN("create", "-n", "bad", "--memory", "130M"), 1);
	says(&errout, "the console's last lines");
	says(&errout, "podflare: error: ");
	assert_int_equal(RUN("show", "bad"), 1);
	assert_int_equal(RUN("--json", "create", "--memory", "130M"), 1);
	says(&errout, "\"console\":");
	assert_int_equal(RUN("run", "--memory", "130M", "prog"), 125);
}

static void pause_and_resume(void **state)
{
	assert_int_equal(RUN("pause", "one"), 0);
	assert_string_equal(buf_str(&out), "one\n");
	assert_int_equal(RUN("exec", "one", "prog"), 125);
	says(&errout, "hint: ");
	assert_int_equal(RUN("resume", "one"), 0);
	assert_int_equal(RUN("exec", "one", "prog"), 7);
	assert_int_equal(RUN("pause", "nosuch"), 1);
}

static void rm_tells_each_error(void **state)
{
	assert_int_equal(RUN("create", "-n", "x1"), 0);
	assert_int_equal(RUN("rm", "nosuch1", "x1", "nosuch2"), 1);
	assert_string_equal(buf_str(&out), "x1\n");
	says(&errout, "nosuch1");
	says(&errout, "nosuch2");
	assert_int_equal(RUN("rm", "-f", "nosuch1"), 0);
}

static void logs_are_made_safe(void **state)
{
	assert_int_equal(RUN("logs", "one"), 0);
	assert_null(strchr(buf_str(&out), '\x1b'));
	assert_int_equal(RUN("logs", "--vmm", "one"), 0);
	assert_int_equal(RUN("--json", "logs", "--tail", "1", "one"), 0);
	says(&out, "{");
	assert_int_equal(RUN("logs", "-f", "--vmm", "one"), 2);
}

static void cp_asks_both_sides(void **state)
{
	assert_int_equal(RUN("cp", "one:/missing/x", "."), 1);
	says(&errout, "one:/missing/x: no such file or directory");
	assert_int_equal(RUN("cp", "/nosuch", "one:/x"), 1);
	says(&errout, "/nosuch");
	assert_int_equal(RUN("cp", "a", "b"), 2);
	assert_int_equal(RUN("cp", "one:a", "one:b"), 2);
	says(&errout, "hint: `podflare cp one:a - | ");
	assert_int_equal(RUN("cp", "/etc/passwd", "one:/file"), 0);
	assert_int_equal(RUN("cp", "/etc", "one:/file"), 1);
	assert_int_equal(RUN("cp", "one:/file", "-"), 0);
	assert_string_equal(buf_str(&out), "tar");
	assert_int_equal(RUN("cp", "one:/file", host_dir), 1);
	says(&errout, "bad archive");
}

static void a_lying_guest_is_an_error(void **state)
{
	static const char *const lies[] = { "lie-proto", "lie-type",
					    "lie-huge", "lie-tlv",
					    "lie-close", "lie-error" };

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		assert_int_equal(RUN("create", "-n", lies[i]), 0);
		assert_int_equal(RUN("exec", lies[i], "prog"), 125);
		assert_null(strchr(buf_str(&errout), '\x1b'));
		says(&errout, "podflare: error: ");
		assert_int_equal(RUN("cp", "/etc/passwd", "one:/missing/x"), 1);
		assert_int_equal(RUN("rm", "-f", lies[i]), 0);
	}
}

static void a_killed_runner_is_started_anew(void **state)
{
	host_end(SIGKILL);
	assert_int_equal(RUN("exec", "one", "prog"), 7);
	assert_int_equal(RUN("ls", "-q"), 0);
	assert_string_equal(buf_str(&out), "one\n");
}

/* The last test: the runner that podflare started must not stay. */
static void rm_and_stop(void **state)
{
	assert_int_equal(RUN("rm", "one"), 0);
	assert_int_equal(host_vmms(), 0);
	call_ok("runner.stop", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_prints_the_name_alone),
		cmocka_unit_test(create_makes_up_a_name),
		cmocka_unit_test(bad_values_are_usage_errors),
		cmocka_unit_test(ls_and_show_tell_of_it),
		cmocka_unit_test(exec_passes_all_on),
		cmocka_unit_test(detach_prints_the_session),
		cmocka_unit_test(run_leaves_nothing),
		cmocka_unit_test(a_signal_during_creation_removes_it),
		cmocka_unit_test(a_failed_boot_shows_the_console),
		cmocka_unit_test(pause_and_resume),
		cmocka_unit_test(rm_tells_each_error),
		cmocka_unit_test(logs_are_made_safe),
		cmocka_unit_test(cp_asks_both_sides),
		cmocka_unit_test(a_lying_guest_is_an_error),
		cmocka_unit_test(a_killed_runner_is_started_anew),
		cmocka_unit_test(rm_and_stop),
	};
	int rc = cmocka_run_group_tests(tests, ready, host_teardown);

	buf_free(&out);
	buf_free(&errout);
	return rc;
}
