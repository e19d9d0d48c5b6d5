/* SPDX-License-Identifier: MIT */
/* tests/unit/test-client.c - the client against runners that answer anything */
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/client.h"
#include "common/path.h"
#include "tests/unit/unit.h"

#define HELLO "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocol\":1," \
	      "\"version\":\"" PACKAGE_VERSION "\",\"pid\":4242}}\n"

static char dir[64], sock[80], host[96];

static int set_up(void **state)
{
	strcpy(dir, "/tmp/podflare-test-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(sock, sizeof(sock), "%s/s", dir);
	snprintf(host, sizeof(host), "unix:%s", sock);
	return setenv("PODFLARE_HOST", host, 1);
}

static int tear_down(void **state)
{
	return path_remove_tree(AT_FDCWD, dir, NULL);
}

/* Up to the end of a line. */
static void await_line(int fd)
{
	char c = 0;

	while (c != '\n' && read(fd, &c, 1) == 1)
		;
}

/* A runner that answers its one client's first call with @first and its second
 * with @second, whatever they were, and leaves. Return: its pid. */
static pid_t start_server(const char *first, const char *second)
{
	struct err err = ERR_INIT;
	int fd = path_bind_unix(AT_FDCWD, sock, SOCK_STREAM, &err);
	pid_t pid;
	int c;

	assert_true(fd >= 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	if (pid) {
		close(fd);
		return pid;
	}
	alarm(20);
	c = accept(fd, NULL, NULL);
	await_line(c);
	send(c, first, strlen(first), MSG_NOSIGNAL);
	if (second) {
		await_line(c);
		send(c, second, strlen(second), MSG_NOSIGNAL);
	}
	_exit(0);
}

/* Return: the result of one call, NULL with @err. */
static json_t *call(struct globals *g, const char *first, const char *second,
		    struct err *err)
{
	pid_t pid = start_server(first, second);
	json_t *result;

	*err = (struct err)ERR_INIT;
	result = client_once(g, "sandbox.list", NULL, err);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	if (!result)
		assert_true(err->code != ERR_NONE && err->msg[0]);
	return result;
}

static void a_good_answer_is_returned(void **state)
{
	struct globals g = { .quiet = true };
	struct err err;
	json_t *r = call(&g, HELLO, "{\"jsonrpc\":\"2.0\",\"method\":\"progress\","
			 "\"params\":{\"id\":2,\"text\":\"\\u001b[2J\","
			 "\"percent\":1e300}}\n"
			 "{\"jsonrpc\":\"2.0\",\"method\":\"what\"}\n"
			 "{\"id\":2,\"result\":{\"x\":5}}\n", &err);

	assert_non_null(r);
	assert_int_equal(json_integer_value(json_object_get(r, "x")), 5);
	json_decref(r);
}

static void another_version_is_named_with_its_cure(void **state)
{
	struct globals g = { .quiet = true };
	struct err err;

	assert_null(call(&g, "{\"id\":1,\"result\":{\"protocol\":2,"
			 "\"version\":\"9.9\",\"pid\":4242}}\n", NULL, &err));
	assert_int_equal(err.code, ERR_VERSION);
	assert_non_null(strstr(err.msg, "9.9"));
	assert_non_null(strstr(err.hint, "4242"));
}

static void errors_keep_code_hint_and_console(void **state)
{
	struct globals g = { .quiet = true };
	struct err err;

	assert_null(call(&g, HELLO, "{\"id\":2,\"error\":{\"code\":-32015,"
			 "\"message\":\"x: y\",\"data\":{\"code\":\"guest\","
			 "\"hint\":\"do z\",\"console\":\"last words\"}}}\n",
			 &err));
	assert_int_equal(err.code, ERR_GUEST);
	assert_string_equal(err.msg, "x: y");
	assert_string_equal(err.hint, "do z");
	assert_string_equal(g.console, "last words");
	free(g.console);
}

static void a_runner_that_refuses_is_a_runner(void **state)
{
	struct globals g = { .quiet = true };
	struct err err;

	assert_null(call(&g, "{\"id\":null,\"error\":{\"message\":\"too many "
			 "connections\",\"data\":{\"code\":\"limit\"}}}\n",
			 NULL, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	assert_string_equal(err.hint, "");
}

static void nonsense_is_a_protocol_error(void **state)
{
	static const char *const answers[] = {
		"hello\n",
		"\n",
		"[]\n",
		"{}\n",
		"{\"id\":2}\n",
		"{\"id\":3,\"result\":{}}\n",
		"{\"id\":\"2\",\"result\":{}}\n",
		"{\"id\":2,\"result\":{},\"result\":{}}\n",
		"{\"id\":2,\"result\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1"
		"]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}\n",
		"{\"id\":2,\"result\":{}}\xff\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct globals g = { .quiet = true };
		struct err err;

		if (call(&g, HELLO, answers[i], &err))
			fail_msg("answer %zu was believed", i);
		assert_int_equal(err.code, ERR_PROTOCOL);
	}
}

static void odd_errors_are_errors(void **state)
{
	static const char *const answers[] = {
		"{\"id\":2,\"error\":{}}\n",
		"{\"id\":2,\"error\":5}\n",
		"{\"id\":2,\"error\":{\"message\":5,\"data\":[]}}\n",
		"{\"error\":{\"data\":{\"code\":\"zzz\",\"console\":{}}}}\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct globals g = { .quiet = true };
		struct err err;

		assert_null(call(&g, HELLO, answers[i], &err));
		assert_null(g.console);
	}
}

static void a_runner_that_leaves_is_unavailable(void **state)
{
	static const char *const first[] = { "", "{\"id\":1,", HELLO };
	struct globals g = { .quiet = true };
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(first); i++) {
		assert_null(call(&g, first[i], "", &err));
		assert_int_equal(err.code, ERR_UNAVAILABLE);
	}
}

static void a_line_without_end_is_refused(void **state)
{
	struct globals g = { .quiet = true };
	size_t size = 3 << 20;
	char *line = malloc(size + 1);
	struct err err;

	memset(line, 'x', size);
	line[size] = '\0';
	assert_null(call(&g, HELLO, line, &err));
	assert_int_equal(err.code, ERR_PROTOCOL);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_answer_is_returned),
		cmocka_unit_test(another_version_is_named_with_its_cure),
		cmocka_unit_test(errors_keep_code_hint_and_console),
		cmocka_unit_test(a_runner_that_refuses_is_a_runner),
		cmocka_unit_test(nonsense_is_a_protocol_error),
		cmocka_unit_test(odd_errors_are_errors),
		cmocka_unit_test(a_runner_that_leaves_is_unavailable),
		cmocka_unit_test(a_line_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
