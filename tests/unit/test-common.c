/* SPDX-License-Identifier: MIT */
/* tests/unit/test-common.c - errors, loop, paths, processes, descriptors */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/loop.h"
#include "common/path.h"
#include "common/proc.h"
#include "tests/unit/unit.h"

static char tmp[64];

static int make_tmp(void **state)
{
	strcpy(tmp, "/tmp/podflare-test-XXXXXX");
	return mkdtemp(tmp) ? 0 : -1;
}

static int drop_tmp(void **state)
{
	return path_remove_tree(AT_FDCWD, tmp, NULL);
}

static void err_keeps_code_context_and_first_hint(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(err_sys(&err, ENOENT, "image %s", "x"), -1);
	err_context(&err, "create");
	err_hint(&err, "first");
	err_hint(&err, "second");
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(err.msg,
			    "create: image x: No such file or directory");
	assert_string_equal(err.hint, "first");
}

static void err_codes_have_names_that_parse_back(void **state)
{
	for (int i = 0; i < ERR_CODES; i++)
		assert_int_equal(err_code_parse(err_code_name(i)), i);
	assert_int_equal(err_code_parse("nonsense"), ERR_FAILED);
}

static void names_follow_the_rule(void **state)
{
	char longest[65];

	memset(longest, 'a', 64);
	longest[63] = '\0';
	assert_true(path_name_valid(longest));
	longest[63] = 'a';
	longest[64] = '\0';
	assert_false(path_name_valid(longest));
	assert_true(path_name_valid("a-b_c.d0"));
	assert_false(path_name_valid(""));
	assert_false(path_name_valid("-a"));
	assert_false(path_name_valid(".."));
	assert_false(path_name_valid("A"));
	assert_false(path_name_valid("a/b"));
	assert_false(path_name_valid("a\nb"));
}

static void write_file_replaces_whole(void **state)
{
	struct buf b = BUF_INIT;
	char path[96];

	snprintf(path, sizeof(path), "%s/f", tmp);
	assert_int_equal(path_write_file(AT_FDCWD, path, "one", 3, 0600, NULL),
			 0);
	assert_int_equal(path_write_file(AT_FDCWD, path, "two!", 4, 0600, NULL),
			 0);
	assert_int_equal(path_read_file(AT_FDCWD, path, 100, &b, NULL), 0);
	assert_string_equal(buf_str(&b), "two!");
	buf_free(&b);
	assert_int_equal(path_read_file(AT_FDCWD, path, 3, &b, NULL), -1);
	buf_free(&b);
}

static void remove_tree_does_not_follow_links(void **state)
{
	char cmd[512], path[96];

	snprintf(cmd, sizeof(cmd), "cd %s && mkdir -p t/a/b keep && "
		 "touch keep/me t/a/b/f && ln -s ../keep t/link && "
		 "mkdir t/locked && touch t/locked/f && chmod 0 t/locked", tmp);
	assert_int_equal(system(cmd), 0);
	snprintf(path, sizeof(path), "%s/t", tmp);
	assert_int_equal(path_remove_tree(AT_FDCWD, path, NULL), 0);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/keep/me", tmp);
	assert_int_equal(access(path, F_OK), 0);
}

static void runtime_dir_open_to_others_is_refused(void **state)
{
	struct err err = ERR_INIT;
	char path[96];

	setenv("XDG_RUNTIME_DIR", tmp, 1);
	snprintf(path, sizeof(path), "%s/podflare", tmp);
	assert_int_equal(mkdir(path, 0755), 0);
	chmod(path, 0755);
	assert_null(path_place(PATH_RUNTIME, NULL, true, &err));
	assert_int_equal(err.code, ERR_PERMISSION);
	assert_true(err.hint[0] != '\0');
	chmod(path, 0700);
	CLEANUP_FREE char *ok = path_place(PATH_RUNTIME, "vm", true, &err);
	assert_non_null(ok);
	unsetenv("XDG_RUNTIME_DIR");
}

static void socket_in_a_deep_folder_can_be_reached(void **state)
{
	char deep[300], cmd[400];
	int dirfd, srv, cli;
	pid_t pid = 0;

	snprintf(deep, sizeof(deep), "%s/%0120d/%0100d", tmp, 1, 2);
	snprintf(cmd, sizeof(cmd), "mkdir -p %s", deep);
	assert_int_equal(system(cmd), 0);
	dirfd = open(deep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	srv = path_bind_unix(dirfd, "s", SOCK_STREAM, NULL);
	assert_true(srv >= 0);
	assert_int_equal(listen(srv, 1), 0);
	cli = path_connect_unix(dirfd, "s", SOCK_STREAM, NULL);
	assert_true(cli >= 0);
	assert_int_equal(fdpass_check_peer(cli, &pid, NULL), 0);
	assert_int_equal(pid, getpid());
	close(cli);
	close(srv);
	close(dirfd);
}

static void descriptors_pass_and_extra_ones_are_closed(void **state)
{
	int sp[2], pipes[2], got[2];
	size_t n = 1;
	char c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sp), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(fdpass_send(sp[0], "x", 1, pipes, 1), 1);
	assert_int_equal(fdpass_recv(sp[1], &c, 1, got, &n), 1);
	assert_int_equal(n, 1);
	close(got[0]);
	assert_int_equal(fdpass_send(sp[0], "x", 1, pipes, 2), 1);
	n = 1;
	assert_int_equal(fdpass_recv(sp[1], &c, 1, got, &n), -1);
	assert_int_equal(errno, EMSGSIZE);
	close(pipes[1]);
	/* no copy of the write end is left anywhere: end of file */
	assert_int_equal(read(pipes[0], &c, 1), 0);
	close(pipes[0]);
	close(sp[0]);
	close(sp[1]);
}

/* To the receiver it is the end of the stream, which has no descriptors. */
static void descriptors_of_an_empty_message_are_closed(void **state)
{
	int sp[2], pipes[2], got[2];
	size_t n = ARRAY_SIZE(got);
	char c;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sp), 0);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(fdpass_send(sp[0], "", 0, &pipes[1], 1), 0);
	assert_int_equal(fdpass_recv(sp[1], &c, 1, got, &n), 0);
	assert_int_equal(n, 0);
	close(pipes[1]);
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	assert_int_equal(read(pipes[0], &c, 1), 0);
	close(pipes[0]);
	close(sp[0]);
	close(sp[1]);
}

struct fixture {
	struct loop loop;
	struct loop_watch a, b;
	struct loop_timer early, late;
	int fired;
};

static void remove_other(struct loop_watch *w, uint32_t events)
{
	struct fixture *f = container_of(w, struct fixture, a);

	f->fired++;
	loop_del(&f->loop, &f->b);
	loop_del(&f->loop, &f->a);
}

static void remove_first(struct loop_watch *w, uint32_t events)
{
	struct fixture *f = container_of(w, struct fixture, b);

	f->fired++;
	loop_del(&f->loop, &f->a);
	loop_del(&f->loop, &f->b);
}

static void loop_drops_events_of_a_removed_watch(void **state)
{
	struct fixture f = { .a.cb = remove_other, .b.cb = remove_first };
	int pa[2], pb[2];

	assert_int_equal(loop_init(&f.loop, NULL), 0);
	assert_int_equal(pipe(pa) | pipe(pb), 0);
	assert_int_equal(write(pa[1], "x", 1) + write(pb[1], "x", 1), 2);
	assert_int_equal(loop_add(&f.loop, &f.a, pa[0], EPOLLIN), 0);
	assert_int_equal(loop_add(&f.loop, &f.b, pb[0], EPOLLIN), 0);
	assert_int_equal(loop_once(&f.loop, 0), 0);
	assert_int_equal(f.fired, 1);
	loop_free(&f.loop);
	for (int i = 0; i < 2; i++) {
		close(pa[i]);
		close(pb[i]);
	}
}

struct forked {
	struct loop loop;
	struct loop_watch first, second;
	struct loop_timer timer;
	int calls, timers, pipes[2][2];
	pid_t pid;
};

static void fork_inside(struct loop_watch *w, uint32_t events)
{
	struct forked *f = container_of(w, struct forked, first);

	f->calls++;
	f->pid = fork();
	if (f->pid == 0)
		assert_int_equal(loop_reopen(&f->loop, NULL), 0);
}

static void count_call(struct loop_watch *w, uint32_t events)
{
	container_of(w, struct forked, second)->calls++;
}

static void count_timer(struct loop_timer *t)
{
	container_of(t, struct forked, timer)->timers++;
}

/* In the child nothing of the parent's batch, watches and timers is left, and
 * what it watches is not seen by the parent. Return: as main(). */
static int child_of_a_callback(struct forked *f)
{
	char c;

	if (f->calls != 1 || f->timers != 0 || f->timer.deadline ||
	    loop_once(&f->loop, 20) < 0 || f->calls != 1 || f->timers != 0)
		return 1;
	/* as an owner does who closes what it inherited */
	loop_del(&f->loop, &f->first);
	loop_del(&f->loop, &f->second);
	loop_timer_set(&f->loop, &f->timer, 0);
	if (loop_add(&f->loop, &f->second, f->pipes[1][0], EPOLLIN) < 0 ||
	    loop_once(&f->loop, 20) < 0)
		return 2;
	if (read(f->pipes[0][0], &c, 1) != 1)
		return 3;
	return f->calls == 2 && f->timers == 1 ? 0 : 4;
}

static void a_forked_loop_is_a_new_one(void **state)
{
	struct forked f = {
		.first.cb = fork_inside, .second.cb = count_call,
		.timer.cb = count_timer,
	};
	int status;

	assert_int_equal(loop_init(&f.loop, NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe(f.pipes[i]), 0);
		assert_int_equal(write(f.pipes[i][1], "x", 1), 1);
	}
	loop_add(&f.loop, &f.first, f.pipes[0][0], EPOLLIN);
	loop_add(&f.loop, &f.second, f.pipes[1][0], EPOLLIN);
	loop_timer_set(&f.loop, &f.timer, 0);
	assert_int_equal(loop_once(&f.loop, 100), 0);
	if (f.pid == 0)
		_exit(child_of_a_callback(&f));
	assert_int_equal(waitpid(f.pid, &status, 0), f.pid);
	assert_int_equal(status, 0);
	assert_int_equal(f.calls, 2);
	assert_int_equal(f.timers, 1);
	/* its watches are in the epoll set still */
	assert_int_equal(loop_once(&f.loop, 100), 0);
	assert_true(f.calls > 2);
	loop_free(&f.loop);
	for (int i = 0; i < 2; i++) {
		close(f.pipes[i][0]);
		close(f.pipes[i][1]);
	}
}

static void early_cb(struct loop_timer *t)
{
	struct fixture *f = container_of(t, struct fixture, early);

	assert_int_equal(f->fired, 0);
	f->fired = 1;
}

static void late_cb(struct loop_timer *t)
{
	struct fixture *f = container_of(t, struct fixture, late);

	assert_int_equal(f->fired, 1);
	loop_stop(&f->loop);
}

static void loop_fires_timers_in_order(void **state)
{
	struct fixture f = { .early.cb = early_cb, .late.cb = late_cb };

	assert_int_equal(loop_init(&f.loop, NULL), 0);
	loop_timer_set(&f.loop, &f.late, 20);
	loop_timer_set(&f.loop, &f.early, 10);
	assert_int_equal(loop_run(&f.loop), 0);
	assert_int_equal(f.fired, 1);
	loop_free(&f.loop);
}

static void spawn_reports_a_program_that_does_not_exist(void **state)
{
	const char *argv[] = { "/nonexistent/program", NULL };
	struct proc_spawn s = { .argv = argv };
	struct err err = ERR_INIT;

	assert_int_equal(proc_spawn(&s, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void spawn_gives_the_child_these_descriptors_only(void **state)
{
	const char *argv[] = { "/bin/sh", "-c",
			       "cd /proc/self/fd && echo *", NULL };
	struct proc_spawn s = { .argv = argv, .fds = { -1, -1, -1 },
				.nfds = 3 };
	int out[2], extra = open("/dev/null", O_RDONLY), status, pidfd = -1;
	char line[64] = "";
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	s.fds[1] = out[1];
	pid = proc_spawn(&s, &pidfd, NULL);
	assert_true(pid > 0);
	close(out[1]);
	assert_true(read(out[0], line, sizeof(line) - 1) > 0);
	/* 3 is the shell's own, of the listing */
	assert_string_equal(line, "0 1 2 3\n");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(pidfd);
	close(out[0]);
	close(extra);
}

static void process_is_known_by_pid_and_start_time(void **state)
{
	uint64_t start = proc_start_time(getpid());
	int fd = proc_open(getpid(), start);

	assert_true(start > 0);
	assert_true(fd >= 0);
	assert_int_equal(proc_signal(fd, 0), 0);
	close(fd);
	assert_int_equal(proc_open(getpid(), start + 1), -1);
	assert_int_equal(errno, ESRCH);
}

#define TMP_TEST(f) cmocka_unit_test_setup_teardown(f, make_tmp, drop_tmp)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_keeps_code_context_and_first_hint),
		cmocka_unit_test(err_codes_have_names_that_parse_back),
		cmocka_unit_test(names_follow_the_rule),
		TMP_TEST(write_file_replaces_whole),
		TMP_TEST(remove_tree_does_not_follow_links),
		TMP_TEST(runtime_dir_open_to_others_is_refused),
		TMP_TEST(socket_in_a_deep_folder_can_be_reached),
		cmocka_unit_test(descriptors_pass_and_extra_ones_are_closed),
		cmocka_unit_test(descriptors_of_an_empty_message_are_closed),
		cmocka_unit_test(loop_drops_events_of_a_removed_watch),
		cmocka_unit_test(loop_fires_timers_in_order),
		cmocka_unit_test(a_forked_loop_is_a_new_one),
		cmocka_unit_test(spawn_reports_a_program_that_does_not_exist),
		cmocka_unit_test(spawn_gives_the_child_these_descriptors_only),
		cmocka_unit_test(process_is_known_by_pid_and_start_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
