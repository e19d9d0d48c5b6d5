/* SPDX-License-Identifier: MIT */
/* tests/unit/test-rpc.c - the line codec, and the relay of a client's stream */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/dial.h"
#include "common/fdpass.h"
#include "common/jsonrpc.h"
#include "tests/unit/unit.h"

static enum err_code parse_error(const char *line)
{
	struct err err = ERR_INIT;
	json_t *obj = jsonrpc_parse(line, strlen(line), &err);

	json_decref(obj);
	return err.code;
}

static void malformed_lines_are_refused(void **state)
{
	char deep[200];

	assert_int_equal(parse_error("{\"a\":1}"), ERR_NONE);
	assert_int_equal(parse_error("{\"a\":1,\"a\":2}"), ERR_PROTOCOL);
	assert_int_equal(parse_error("[1]"), ERR_PROTOCOL);
	assert_int_equal(parse_error("{"), ERR_PROTOCOL);
	assert_int_equal(parse_error(""), ERR_PROTOCOL);
	assert_int_equal(parse_error("{\"a\":\"\xff\"}"), ERR_PROTOCOL);
	strcpy(deep, "{\"a\":");
	memset(deep + 5, '[', 100);
	memset(deep + 105, ']', 90);
	strcpy(deep + 195, "}");
	assert_int_equal(parse_error(deep), ERR_PROTOCOL);
}

static void errors_cross_the_wire_whole(void **state)
{
	struct err in = ERR_INIT, out = ERR_INIT;
	struct buf b = BUF_INIT;
	json_t *id = json_integer(5), *reply, *back;

	err_set(&in, ERR_BUSY, "image %s: in use", "x");
	err_hint(&in, "podflare rm y");
	reply = jsonrpc_error(id, &in);
	assert_int_equal(jsonrpc_put(&b, reply), 0);
	back = jsonrpc_parse(buf_str(&b), b.len, NULL);
	assert_non_null(back);
	assert_int_equal(jsonrpc_reply_error(back, &out), -1);
	assert_int_equal(out.code, ERR_BUSY);
	assert_string_equal(out.msg, in.msg);
	assert_string_equal(out.hint, in.hint);
	json_decref(back);
	json_decref(reply);
	json_decref(id);
	buf_free(&b);
}

static void result_has_no_error(void **state)
{
	struct err err = ERR_INIT;
	json_t *reply = jsonrpc_result(NULL, NULL);

	assert_int_equal(jsonrpc_reply_error(reply, &err), 0);
	json_decref(reply);
}

struct relay_args {
	int sock, in, out, rc;
};

static void *run_relay(void *arg)
{
	struct relay_args *a = arg;

	a->rc = dial_relay(a->sock, a->in, a->out, NULL);
	return NULL;
}

/* A client and a runner with a relay between them. */
struct wire {
	pthread_t thread;
	struct relay_args args;
	int client, runner;
};

static void wire_open(struct wire *w)
{
	int c[2], r[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, c), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, r), 0);
	w->client = c[0];
	w->runner = r[0];
	w->args = (struct relay_args){ r[1], c[1], c[1], -2 };
	pthread_create(&w->thread, NULL, run_relay, &w->args);
}

static void wire_close(struct wire *w)
{
	pthread_join(w->thread, NULL);
	assert_int_equal(w->args.rc, 0);
	close(w->client);
	close(w->args.in);
}

static void expect(int fd, const char *text)
{
	char got[64] = "";
	size_t n = 0;

	while (n < strlen(text)) {
		ssize_t rc = read(fd, got + n, strlen(text) - n);

		assert_true(rc > 0);
		n += (size_t)rc;
	}
	assert_string_equal(got, text);
}

static void relay_copies_both_ways_and_passes_ends(void **state)
{
	struct wire w;
	char c;

	wire_open(&w);
	assert_int_equal(write(w.client, "hello", 5), 5);
	expect(w.runner, "hello");
	shutdown(w.client, SHUT_WR);
	assert_int_equal(read(w.runner, &c, 1), 0);
	assert_int_equal(write(w.runner, "bye", 3), 3);
	close(w.runner);
	expect(w.client, "bye");
	assert_int_equal(read(w.client, &c, 1), 0);
	wire_close(&w);
}

static void relay_goes_on_with_a_passed_descriptor(void **state)
{
	struct wire w;
	int stream[2];
	char c;

	wire_open(&w);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
	assert_int_equal(write(stream[0], "first", 5), 5);
	assert_int_equal(fdpass_send(w.runner, "line\n", 5, &stream[1], 1), 5);
	close(stream[1]);
	close(w.runner);
	expect(w.client, "line\nfirst");
	assert_int_equal(write(w.client, "up", 2), 2);
	expect(stream[0], "up");
	close(stream[0]);
	assert_int_equal(read(w.client, &c, 1), 0);
	wire_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_lines_are_refused),
		cmocka_unit_test(errors_cross_the_wire_whole),
		cmocka_unit_test(result_has_no_error),
		cmocka_unit_test(relay_copies_both_ways_and_passes_ends),
		cmocka_unit_test(relay_goes_on_with_a_passed_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
