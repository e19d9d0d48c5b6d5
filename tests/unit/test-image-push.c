/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-image-push.c - sending an image, to a played runner
 *
 * The runner is a child process at the other end of a socket pair.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/image-build.h"
#include "cli/image-push.h"
#include "cli/output.h"
#include "common/agent.h"
#include "common/cleanup.h"
#include "common/jsonrpc.h"
#include "common/path.h"
#include "tests/unit/unit.h"

#define BIG (300 * 1000)

enum play { NEED, HAVE, REFUSE, REFUSE_LATE, VANISH };

struct rig {
	char dir[32];
	char image[STORE_DIR_MAX];
	struct globals globals;
	struct client client;
	pid_t runner;
};

static void reply(int fd, json_t *object)
{
	struct buf b = BUF_INIT;

	jsonrpc_put(&b, object);
	if (write(fd, b.data, b.len) != (ssize_t)b.len)
		_exit(10);
	buf_free(&b);
	json_decref(object);
}

static void refuse(int fd, json_t *id)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_NO_SPACE, "the far disk is full");
	reply(fd, jsonrpc_error(id, &err));
	_exit(0);
}

/* Read the files that were announced. Exit status 0: all were as they should
 * be. */
static void receive(int fd, json_t *id, json_t *files, enum play how)
{
	struct frame_reader in = { 0 };
	json_t *f;
	size_t i;

	json_array_foreach(files, i, f) {
		uint64_t left = json_number(f, "size");
		struct frame frame;

		for (;;) {
			if (frame_read(&in, fd, &frame) != 1)
				_exit(11);
			if (frame.type == AGENT_END)
				break;
			if (frame.type != AGENT_DATA || frame.len > left)
				_exit(12);
			left -= frame.len;
			if (how == VANISH)
				_exit(0);
			if (how == REFUSE_LATE)
				refuse(fd, id);
		}
		if (left)
			_exit(13);
	}
	reply(fd, jsonrpc_result(id, json_object()));
	_exit(0);
}

static void play_runner(int fd, enum play how)
{
	char line[8192] = "";
	size_t n = 0;
	json_t *request, *params;

	while (n < sizeof(line) && (!n || line[n - 1] != '\n'))
		if (read(fd, line + n, 1) != 1)
			_exit(14);
		else
			n++;
	request = json_loadb(line, n, 0, NULL);
	params = json_object_get(request, "params");
	if (strcmp(json_text(request, "method"), "image.put") ||
	    strcmp(json_text(params, "name"), "img") ||
	    json_array_size(json_object_get(params, "files")) != 2 ||
	    !strstr(json_text(params, "meta"), "\"format\":1"))
		_exit(15);
	if (how == REFUSE)
		refuse(fd, json_object_get(request, "id"));
	reply(fd, jsonrpc_result(json_object_get(request, "id"),
				 json_pack("{s:b}", "need", how != HAVE)));
	if (how == HAVE)
		_exit(0);
	receive(fd, json_object_get(request, "id"),
		json_object_get(params, "files"), how);
}

static void start_runner(struct rig *r, enum play how)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    fds), 0);
	r->runner = fork();
	if (r->runner == 0) {
		close(fds[0]);
		play_runner(fds[1], how);
	}
	close(fds[1]);
	r->client.fd = fds[0];
}

static int end_runner(struct rig *r)
{
	int status = -1;

	close(steal_fd(&r->client.fd));
	waitpid(r->runner, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int make_rig(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	CLEANUP_JOB struct job job = JOB_INIT;
	CLEANUP_STORE struct store s = STORE_INIT;
	CLEANUP_JSON json_t *meta = json_pack("{s:i, s:s}", "format", 1,
					      "name", "img");
	char *big = calloc(1, BIG), tmp[32];
	int fd, rc;

	*r = (struct rig){ .globals = { .quiet = true },
			   .client = CLIENT_INIT };
	r->client.globals = &r->globals;
	progress_start(&r->client.progress, &r->globals);
	strcpy(r->dir, "/tmp/test-push-XXXXXX");
	*state = r;
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(r->dir) || setenv("XDG_DATA_HOME", r->dir, 1) < 0 ||
	    job_open(&job, &r->globals, NULL, NULL) < 0 ||
	    store_open(&s, true, NULL) < 0)
		return -1;
	fd = store_begin(&s, tmp, NULL);
	path_write_file(fd, "base.img", big, BIG, 0644, NULL);
	path_write_file(fd, "vmlinuz", "x", 1, 0644, NULL);
	rc = store_commit(&s, fd, tmp, meta, "img", r->image, &job, NULL);
	close(fd);
	free(big);
	return rc;
}

static int drop_rig(void **state)
{
	struct rig *r = *state;

	client_close(&r->client);
	path_remove_tree(AT_FDCWD, r->dir, NULL);
	free(r);
	return 0;
}

static void all_files_arrive_whole(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;

	start_runner(r, NEED);
	assert_int_equal(image_push(&r->client, "img", &err), 0);
	assert_int_equal(end_runner(r), 0);
}

static void by_digest_it_goes_under_its_name(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;

	start_runner(r, NEED);
	assert_int_equal(image_push(&r->client, r->image, &err), 0);
	assert_int_equal(end_runner(r), 0);
}

static void nothing_is_sent_twice(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;

	start_runner(r, HAVE);
	assert_int_equal(image_push(&r->client, "img", &err), 0);
	assert_int_equal(end_runner(r), 0);
}

static void the_runners_reason_is_told(void **state)
{
	struct rig *r = *state;

	for (enum play how = REFUSE; how <= REFUSE_LATE; how++) {
		struct err err = ERR_INIT;

		start_runner(r, how);
		assert_int_equal(image_push(&r->client, "img", &err), -1);
		assert_int_equal(err.code, ERR_NO_SPACE);
		assert_string_equal(err.msg, "the far disk is full");
		assert_int_equal(end_runner(r), 0);
	}
}

static void a_runner_that_vanishes_is_an_error(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;

	start_runner(r, VANISH);
	assert_int_equal(image_push(&r->client, "img", &err), -1);
	assert_int_not_equal(err.code, ERR_NONE);
	assert_int_equal(end_runner(r), 0);
}

static void ctrl_c_ends_the_sending(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;
	int fds[2];

	start_runner(r, NEED);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	r->client.interrupt_fd = fds[0];
	assert_int_equal(image_push(&r->client, "img", &err), -1);
	assert_int_equal(err.code, ERR_CANCELLED);
	r->client.interrupt_fd = -1;
	end_runner(r);
	close(fds[0]);
	close(fds[1]);
}

static void ensure_sends_only_what_is_missing_there(void **state)
{
	struct rig *r = *state;
	struct err err = ERR_INIT;

	setenv("PODFLARE_HOST", "exec:true", 1);
	err_set(&err, ERR_BUSY, "x");
	assert_int_equal(image_ensure(&r->client, "img", &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	err_set(&err, ERR_NOT_FOUND, "x");
	start_runner(r, NEED);
	assert_int_equal(image_ensure(&r->client, "img", &err), 0);
	assert_int_equal(err.code, ERR_NONE);
	assert_int_equal(end_runner(r), 0);
	/* neither there nor here */
	err_set(&err, ERR_NOT_FOUND, "image default: no such image");
	assert_int_equal(image_ensure(&r->client, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(err.hint, "podflare image build default");
	unsetenv("PODFLARE_HOST");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_rig, drop_rig)
	const struct CMUnitTest tests[] = {
		TEST(all_files_arrive_whole),
		TEST(by_digest_it_goes_under_its_name),
		TEST(nothing_is_sent_twice),
		TEST(the_runners_reason_is_told),
		TEST(a_runner_that_vanishes_is_an_error),
		TEST(ctrl_c_ends_the_sending),
		TEST(ensure_sends_only_what_is_missing_there),
	};

	return cmocka_run_group_tests_name("image-push", tests, NULL, NULL);
}
