/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-repl-bad.c - code and clients that break the rules */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/err.h"
#include "tests/unit/agent-code.h"
#include "tests/unit/unit.h"

/* The control socket has the highest number there is. */
#define CONTROL "import os, socket\n" \
	"fd = max(int(f) for f in os.listdir('/proc/self/fd'))\n" \
	"c = socket.socket(fileno=os.dup(fd)); c.setblocking(True)\n"

static void nonsense_ends_the_interpreter(void **state)
{
	/* the call's number is 1 */
	static const char *const lies[] = {
		"b'x'", "b'r'", "b'd'", "b'd\\1\\0\\0\\0'",
		"b'd\\2\\0\\0\\0\\0'", "b'd\\1\\0\\0\\0\\0\\0'",
		"b'w\\2\\0\\0\\0'", "b'w\\1\\0\\0\\0\\0'", "b'z\\1\\0\\0\\0'",
		"b'x' * 70000", "b'D\\1\\0\\0\\0'", "b'D\\1\\0\\0\\0garbage'",
		"b'D\\1\\0\\0\\0' + b'\\x63\\0\\0\\0\\4\\0\\0\\0\\1\\0\\0\\0'",
	};
	char text[512];
	const struct code c = { .text = text };
	struct reply reply;
	uint32_t fresh;

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		snprintf(text, sizeof(text), CONTROL "c.send(%s)\n"
			 "import time; time.sleep(100)", lies[i]);
		code_run(*state, &c, &reply, &fresh);
		assert_int_equal(fresh, i ? 2 : 1);
		assert_int_equal(reply.type, AGENT_EXIT);
		assert_int_equal(reply.signaled, SIGKILL);
		assert_int_equal(reply.why, AGENT_WHY_LOST);
		reply_free(&reply);
	}
}

static void a_flood_of_nonsense_does_no_harm(void **state)
{
	const struct code c = { .text = CONTROL
				"for i in range(100000): c.send(b'w\\1\\0\\0\\0')" };
	struct reply reply;

	code_run(*state, &c, &reply, NULL);
	assert_int_equal(reply.status, 0);
	reply_free(&reply);
	code_gives(*state, "1", "1\n", "", 0);
}

static void a_call_that_says_it_is_done_is_done(void **state)
{
	const struct code c = { .text = CONTROL "c.send(b'd\\1\\0\\0\\0\\7')\n"
				"import time; time.sleep(0.2)" };
	const struct code next = { .text = "1" };
	struct reply reply;

	code_run(*state, &c, &reply, NULL);
	assert_int_equal(reply.status, 7);
	reply_free(&reply);
	/* the second end of the first is nonsense; then all is well again */
	usleep(500000);
	code_run(*state, &next, &reply, NULL);
	reply_free(&reply);
	code_run(*state, &next, &reply, NULL);
	assert_string_equal(buf_str(&reply.out), "1\n");
	reply_free(&reply);
}

static void without_its_socket_it_runs_to_its_end(void **state)
{
	const struct code closed = { .text = CONTROL "c.close(); os.close(fd)\n"
					     "print(1)" };
	const struct code other = { .text = "import os\n"
			"os.execvp('sh', ['sh', '-c', 'echo sh; exit 4'])" };
	const struct code stuck = { .text = CONTROL
			"c.close(); os.close(fd)\nprint('up')\n"
			"import signal, time\n"
			"signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
			"time.sleep(100)" };
	struct frame_reader in = { .buf = BUF_INIT };
	uint32_t sig = SIGINT;
	struct reply reply;
	int fd;

	code_run(*state, &closed, &reply, NULL);
	assert_int_equal(reply.status, 125);
	assert_string_equal(buf_str(&reply.out), "1\n");
	reply_free(&reply);
	code_run(*state, &other, &reply, NULL);
	assert_int_equal(reply.status, 4);
	assert_int_equal(reply.why, AGENT_WHY_LOST);
	assert_string_equal(buf_str(&reply.out), "sh\n");
	reply_free(&reply);
	fd = code_send(*state, &stuck);
	code_wait_out(fd, &in, "up\n");
	rig_send(fd, AGENT_SIGNAL, &sig, sizeof(sig));
	rig_collect(fd, &in, &reply);
	assert_int_equal(reply.signaled, SIGKILL);
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void a_display_goes_through(void **state)
{
	const struct code c = { .text = CONTROL
		"import struct\n"
		"def t(tag, v): return struct.pack('<HHI', tag, 0, len(v)) + v\n"
		"print('before')\n"
		"c.send(b'D' + struct.pack('<I', 1) + t(99, struct.pack('<I', 1))"
		" + t(100, b'image/png') + t(101, b'PNG'))\nprint('after')" };
	struct frame_reader in = { .buf = BUF_INIT };
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct frame f;
	int fd = code_send(*state, &c), displays = 0;

	do {
		assert_true(rig_next(fd, &in, &f));
		if (f.type == AGENT_STDOUT)
			buf_append(&out, f.data, f.len);
		if (f.type != AGENT_DISPLAY)
			continue;
		displays++;
		assert_non_null(strstr(buf_str(&out), "before\n"));
		assert_int_equal(f.len, 3 * 8 + 4 + 9 + 3);
	} while (f.type != AGENT_EXIT);
	assert_int_equal(displays, 1);
	assert_string_equal(buf_str(&out), "before\nafter\n");
	frame_reader_free(&in);
	close(fd);
}

static void refused(struct rig *r, const struct code *c, uint32_t code)
{
	struct reply reply;

	code_run(r, c, &reply, NULL);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, code);
	reply_free(&reply);
}

static void bad_requests_are_refused(void **state)
{
	const struct code lang = { .text = "1", .lang = "cobol" };
	CLEANUP_BUF struct buf name = BUF_INIT;
	struct code c = { .text = "1" };
	struct reply reply;
	int fd;

	refused(*state, &lang, ERR_USAGE);
	for (int i = 0; i < 70000; i++)
		buf_append(&name, "n", 1);
	c.name = buf_str(&name);
	refused(*state, &c, ERR_LIMIT);
	fd = rig_open(*state);
	rig_send(fd, AGENT_CODE, "rubbish", 7);
	rig_collect(fd, NULL, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	reply_free(&reply);
	close(fd);
	fd = code_send(*state, &lang);
	close(fd);
	code_gives(*state, "1", "1\n", "", 0);
}

static void code_stream(struct rig *r, uint8_t type, struct reply *reply)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int fd = rig_open(r);

	tlv_put_str(&b, AGENT_T_LANG, "python");
	tlv_put_str(&b, AGENT_T_USER, "me");
	rig_send(fd, AGENT_CODE, b.data, b.len);
	rig_send(fd, AGENT_DATA, "x = 1", 5);
	if (type) {
		rig_send(fd, type, "y", 1);
		rig_collect(fd, NULL, reply);
	}
	close(fd);
}

static void a_stream_that_breaks_runs_nothing(void **state)
{
	struct reply reply;

	code_stream(*state, AGENT_STDIN, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_PROTOCOL);
	reply_free(&reply);
	code_stream(*state, 0, NULL);
	code_gives(*state, "'x' in globals()", "False\n", "", 0);
}

static void input_that_was_not_asked_for_is_refused(void **state)
{
	const struct code c = { .text = "print('up')\nimport time\n"
					"time.sleep(100)" };
	struct frame_reader in = { .buf = BUF_INIT };
	struct reply reply;
	int fd = code_send(*state, &c);

	code_wait_out(fd, &in, "up\n");
	rig_send(fd, AGENT_STDIN, "x", 1);
	rig_collect(fd, &in, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_PROTOCOL);
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
	code_gives(*state, "1", "1\n", "", 0);
}

static void too_many_calls_are_refused(void **state)
{
	const struct code slow = { .text = "print('up')\nimport time\n"
					   "time.sleep(100)" };
	const struct code c = { .text = "1" };
	struct frame_reader in = { .buf = BUF_INIT };
	int fds[64];

	fds[0] = code_send(*state, &slow);
	code_wait_out(fds[0], &in, "up\n");
	for (int i = 1; i < 64; i++)
		fds[i] = code_send(*state, &c);
	usleep(200000);
	refused(*state, &c, ERR_LIMIT);
	for (int i = 63; i >= 0; i--)
		close(fds[i]);
	frame_reader_free(&in);
	code_gives(*state, "1", "1\n", "", 0);
}

static void without_python_it_is_127(void **state)
{
	const struct code c = { .text = "1", .env = "PATH=/nosuch" };
	struct reply reply;

	code_run(*state, &c, &reply, NULL);
	assert_int_equal(reply.status, 127);
	assert_int_equal(reply.why, AGENT_WHY_NOT_FOUND);
	reply_free(&reply);
	code_gives(*state, "1", "1\n", "", 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nonsense_ends_the_interpreter),
		TEST(a_flood_of_nonsense_does_no_harm),
		TEST(a_call_that_says_it_is_done_is_done),
		TEST(without_its_socket_it_runs_to_its_end),
		TEST(a_display_goes_through),
		TEST(bad_requests_are_refused),
		TEST(a_stream_that_breaks_runs_nothing),
		TEST(input_that_was_not_asked_for_is_refused),
		TEST(too_many_calls_are_refused),
		TEST(without_python_it_is_127),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
