/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-repl.c - Python that keeps its state, and its streams */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/agent-code.h"
#include "tests/unit/unit.h"

static void names_and_the_last_value_stay(void **state)
{
	code_gives(*state, "import os\nx = 41\ndef f(): return x + 1", "", "", 0);
	code_gives(*state, "f()", "42\n", "", 0);
	code_gives(*state, "_ + 1; None", "", "", 0);
	code_gives(*state, "_", "42\n", "", 0);
	code_gives(*state, "print('a')\n'b'", "a\n'b'\n", "", 0);
	code_gives(*state, "__name__, sorted(n for n in globals() if n[0] != '_')",
		   "('__main__', ['f', 'os', 'x'])\n", "", 0);
}

static void a_traceback_is_the_users_own(void **state)
{
	code_gives(*state, "def bad():\n    return 1 / 0", "", "", 0);
	code_gives(*state, "\nbad()", "",
		   "Traceback (most recent call last):\n"
		   "  File \"<eval 2>\", line 2, in <module>\n"
		   "    bad()\n"
		   "  File \"<eval 1>\", line 2, in bad\n"
		   "    return 1 / 0\n"
		   "           ~~^~~\n"
		   "ZeroDivisionError: division by zero\n", 1);
}

static void a_syntax_error_runs_nothing(void **state)
{
	struct reply reply;
	const struct code c = { .text = "print(1)\nx = = 2", .name = "a.py" };

	code_run(*state, &c, &reply, NULL);
	assert_int_equal(reply.status, 1);
	assert_int_equal(reply.out.len, 0);
	assert_true(strstr(buf_str(&reply.err), "  File \"a.py\", line 2\n") ==
		    buf_str(&reply.err));
	assert_non_null(strstr(buf_str(&reply.err), "SyntaxError"));
	reply_free(&reply);
	code_gives(*state, "print(1)\nreturn 2", "",
		   "  File \"<eval 2>\", line 2\n    return 2\n    ^^^^^^^^\n"
		   "SyntaxError: 'return' outside function\n", 1);
}

static void an_exit_is_the_codes_alone(void **state)
{
	code_gives(*state, "x = 1\nraise SystemExit(7)", "", "", 7);
	code_gives(*state, "import sys; sys.exit()", "", "", 0);
	code_gives(*state, "sys.exit('sorry')", "", "sorry\n", 1);
	code_gives(*state, "exit(3)", "", "", 3);
	code_gives(*state, "x", "1\n", "", 0);
}

static void a_death_is_told_now_and_later(void **state)
{
	const struct code die = { .text = "x = 1; import os; print('a')\n"
					  "os._exit(9)" };
	const struct code next = { .text = "'x' in globals()" };
	struct reply reply;
	uint32_t fresh;

	code_run(*state, &die, &reply, &fresh);
	assert_int_equal(fresh, 1);
	assert_int_equal(reply.status, 9);
	assert_int_equal(reply.why, AGENT_WHY_LOST);
	assert_string_equal(buf_str(&reply.out), "a\n");
	reply_free(&reply);
	code_run(*state, &next, &reply, &fresh);
	assert_int_equal(fresh, 2);
	assert_int_equal(reply.status, 0);
	assert_string_equal(buf_str(&reply.out), "False\n");
	reply_free(&reply);
	code_run(*state, &next, &reply, &fresh);
	assert_int_equal(fresh, 0);
	reply_free(&reply);
}

static void a_fatal_signal_is_told(void **state)
{
	const struct code die = { .text = "import os, signal\n"
					  "os.kill(os.getpid(), signal.SIGSEGV)" };
	struct reply reply;

	code_run(*state, &die, &reply, NULL);
	assert_int_equal(reply.status, 139);
	assert_int_equal(reply.signaled, SIGSEGV);
	assert_int_equal(reply.why, AGENT_WHY_LOST);
	reply_free(&reply);
}

static void an_interrupt_keeps_the_state(void **state)
{
	const struct code c = { .text = "x = 5; import time\n"
					"print('up')\ntime.sleep(100)" };
	struct frame_reader in = { .buf = BUF_INIT };
	uint32_t sig = SIGINT;
	struct reply reply;
	int fd = code_send(*state, &c);

	code_wait_out(fd, &in, "up\n");
	rig_send(fd, AGENT_SIGNAL, &sig, sizeof(sig));
	rig_collect(fd, &in, &reply);
	frame_reader_free(&in);
	close(fd);
	assert_int_equal(reply.status, 130);
	assert_int_equal(reply.why, 0);
	assert_non_null(strstr(buf_str(&reply.err), "KeyboardInterrupt"));
	reply_free(&reply);
	code_gives(*state, "x", "5\n", "", 0);
}

static void a_lost_client_interrupts(void **state)
{
	const struct code c = { .text = "x = 1; import time\n"
					"try: print('up'); time.sleep(100)\n"
					"except KeyboardInterrupt: x = 2" };
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = code_send(*state, &c);

	code_wait_out(fd, &in, "up\n");
	rig_hang_up(fd);
	code_gives(*state, "x", "2\n", "", 0);
	frame_reader_free(&in);
	close(fd);
}

static void a_timeout_interrupts_then_kills(void **state)
{
	const struct code c = { .text = "x = 1\nwhile True: pass",
				.timeout_ms = 300 };
	const struct code deaf = { .text = "while True:\n"
					   " try: import time; time.sleep(1)\n"
					   " except KeyboardInterrupt: pass",
				   .timeout_ms = 300 };
	struct reply reply;

	code_run(*state, &c, &reply, NULL);
	assert_int_equal(reply.why, AGENT_WHY_TIMEOUT);
	reply_free(&reply);
	code_gives(*state, "x", "1\n", "", 0);
	code_run(*state, &deaf, &reply, NULL);
	assert_int_equal(reply.why, AGENT_WHY_TIMEOUT | AGENT_WHY_LOST);
	assert_int_equal(reply.signaled, SIGKILL);
	reply_free(&reply);
}

static void await_is_for_the_top_too(void **state)
{
	struct reply reply;
	const struct code late = { .text = "await asyncio.wait_for("
					   "asyncio.sleep(9), 0.01)" };

	code_gives(*state, "import asyncio\nq = asyncio.Queue()\n"
		   "async def f(): await q.put(3); return 7\n"
		   "t = asyncio.create_task(f())\nawait f()", "7\n", "", 0);
	code_gives(*state, "await q.get(), await t, await q.get()",
		   "(3, 7, 3)\n", "", 0);
	code_run(*state, &late, &reply, NULL);
	assert_int_equal(reply.status, 1);
	assert_non_null(strstr(buf_str(&reply.err), "TimeoutError"));
	assert_null(strstr(buf_str(&reply.err), "<podflare>"));
	reply_free(&reply);
}

static void input_is_for_the_call_alone(void **state)
{
	const struct code c = { .text = "import sys\nprint(input('? ') + '!')\n"
					"sys.stdin.read()",
				.flags = AGENT_EXEC_STDIN };
	const struct code child = { .text = "import subprocess\n"
					    "subprocess.run(['cat']).returncode",
				    .flags = AGENT_EXEC_STDIN };
	struct frame_reader in = { .buf = BUF_INIT };
	struct reply reply;
	int fd = code_send(*state, &c);

	code_wait_window(fd, &in);
	rig_send(fd, AGENT_STDIN, "one\ntwo\n", 8);
	rig_send(fd, AGENT_STDIN_EOF, NULL, 0);
	rig_collect(fd, &in, &reply);
	assert_string_equal(buf_str(&reply.out), "? one!\n'two\\n'\n");
	reply_free(&reply);
	close(fd);
	fd = code_send(*state, &child);
	code_wait_window(fd, &in);
	rig_send(fd, AGENT_STDIN, "three\n", 6);
	rig_send(fd, AGENT_STDIN_EOF, NULL, 0);
	rig_collect(fd, &in, &reply);
	assert_string_equal(buf_str(&reply.out), "three\n0\n");
	reply_free(&reply);
	close(fd);
	frame_reader_free(&in);
	code_gives(*state, "try: input()\nexcept EOFError: print('none')",
		   "none\n", "", 0);
}

static void input_is_asked_for_when_it_is_read(void **state)
{
	const struct code c = { .text = "print('before')\n"
					"import subprocess\n"
					"subprocess.run(['cat'])\ninput()",
				.flags = AGENT_CODE_ASK };
	const struct code none = { .text = "1", .flags = AGENT_CODE_ASK };
	struct frame_reader in = { .buf = BUF_INIT };
	struct reply reply;
	int fd = code_send(*state, &c);

	code_wait_out(fd, &in, "before\n");
	code_wait_window(fd, &in);
	rig_send(fd, AGENT_STDIN, "one\n", 4);
	rig_collect(fd, &in, &reply);
	assert_string_equal(buf_str(&reply.out), "'one'\n");
	reply_free(&reply);
	close(fd);
	frame_reader_free(&in);
	fd = code_send(*state, &none);
	code_wait_out(fd, &in, "1");	/* and no WINDOW before */
	frame_reader_free(&in);
	close(fd);
}

static void a_mibibyte_of_input_comes_whole(void **state)
{
	const struct code c = { .text = "import sys\nlen(sys.stdin.read())",
				.flags = AGENT_EXEC_STDIN };
	struct frame_reader in = { .buf = BUF_INIT };
	static char data[FRAME_DATA_MAX];
	uint32_t left = 1024 * 1024, window = 0, n;
	struct reply reply;
	struct frame f;
	int fd = code_send(*state, &c);

	memset(data, 'x', sizeof(data));
	while (left) {
		if (!window) {
			assert_true(rig_next(fd, &in, &f));
			if (f.type == AGENT_WINDOW)
				memcpy(&window, f.data, sizeof(window));
			continue;
		}
		n = MIN(MIN(left, window), (uint32_t)sizeof(data));
		rig_send(fd, AGENT_STDIN, data, n);
		left -= n;
		window -= n;
	}
	rig_send(fd, AGENT_STDIN_EOF, NULL, 0);
	rig_collect(fd, &in, &reply);
	assert_string_equal(buf_str(&reply.out), "1048576\n");
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void variables_of_sandbox_and_call(void **state)
{
	const struct code set = { .text = "import os\nos.environ['A'] = 'mine'",
				  .env = "A=box" };
	const struct code show = { .text = "os.environ['A'], os.environ.get('B')",
				   .env = "A=box", .call_env = "B=call" };
	const struct code later = { .text = "os.environ['A'], "
					    "os.environ.get('B')",
				    .env = "A=other" };
	struct reply reply;

	code_run(*state, &set, &reply, NULL);
	reply_free(&reply);
	code_run(*state, &show, &reply, NULL);
	assert_string_equal(buf_str(&reply.out), "('mine', 'call')\n");
	reply_free(&reply);
	code_run(*state, &later, &reply, NULL);
	assert_string_equal(buf_str(&reply.out), "('other', None)\n");
	reply_free(&reply);
}

static void output_between_calls_comes_with_the_next(void **state)
{
	code_gives(*state, "import os, threading\ngo = threading.Event()\n"
		   "def f():\n go.wait()\n print('x' * 300000)\n"
		   " open('done', 'w')\n"
		   "threading.Thread(target=f).start()\n"
		   "threading.Timer(0.2, go.set).start()", "", "", 0);
	assert_true(rig_wait_file(rig_path(*state, "done"), true));
	usleep(100000);
	{
		const struct code c = { .text = "print('y')" };
		struct reply reply;

		code_run(*state, &c, &reply, NULL);
		assert_int_equal(reply.out.len, 300001 + 2);
		assert_string_equal(buf_str(&reply.out) + 300000, "\ny\n");
		reply_free(&reply);
	}
}

static void much_of_everything_comes_whole(void **state)
{
	size_t len = 5000000;
	char *text = malloc(len + 64);
	struct code c = { .text = text };
	struct reply reply;
	int n = sprintf(text, "d = '");

	assert_non_null(text);
	memset(text + n, 'z', len);
	c.len = (size_t)n + len;
	c.len += (size_t)sprintf(text + c.len, "'\nprint(d)\nlen(d)");
	code_run(*state, &c, &reply, NULL);
	assert_int_equal(reply.out.len, len + 1 + 8);
	assert_int_equal(reply.status, 0);
	reply_free(&reply);
	free(text);
}

static void calls_wait_for_their_turn(void **state)
{
	const struct code slow = { .text = "import time\nlog = []\n"
					   "time.sleep(0.3)\nlog.append(0)" };
	const struct code next[3] = {
		{ .text = "log.append(1)" }, { .text = "log.append(2)" },
		{ .text = "log.append(3)" },
	};
	int fds[4];
	struct reply reply;

	fds[0] = code_send(*state, &slow);
	for (int i = 0; i < 3; i++)
		fds[i + 1] = code_send(*state, &next[i]);
	rig_hang_up(fds[2]);	/* this one is not run then */
	for (int i = 0; i < 4; i++) {
		if (i == 2) {
			close(fds[i]);
			continue;
		}
		code_collect(fds[i], &reply, NULL);
		assert_int_equal(reply.status, 0);
		reply_free(&reply);
	}
	code_gives(*state, "log", "[0, 1, 3]\n", "", 0);
}

static void it_is_a_script_in_other_respects(void **state)
{
	code_gives(*state, "import dataclasses, pickle, signal, os, sys\n"
		   "@dataclasses.dataclass\nclass C:\n    a: 'int' = 1\n"
		   "if __name__ == '__main__': print(pickle.loads("
		   "pickle.dumps(C(2))))", "C(a=2)\n", "", 0);
	code_gives(*state, "import multiprocessing as mp\n"
		   "def sq(x): return x * x\n"
		   "with mp.get_context('fork').Pool(2) as p: r = p.map(sq, [2, 3])\n"
		   "r", "[4, 9]\n", "", 0);
	code_gives(*state, "signal.signal(signal.SIGUSR1, "
		   "lambda n, f: print('usr1')) and None\n"
		   "os.kill(os.getpid(), signal.SIGUSR1)", "usr1\n", "", 0);
	code_gives(*state, "pid = os.fork()\n"
		   "if pid: r = os.waitpid(pid, 0)[1] >> 8\n"
		   "else: sys.exit(5)\nr", "5\n", "", 0);
	code_gives(*state, "sys.argv, sys.path[0], sys.stdin.isatty()",
		   "([''], '', False)\n", "", 0);
	code_gives(*state, "import inspect\nprint(inspect.getsource(sq))",
		   "def sq(x): return x * x\n\n", "", 0);
	code_gives(*state, "from __future__ import annotations", "", "", 0);
	code_gives(*state, "def f(a: nosuch): pass\nf.__annotations__",
		   "{'a': 'nosuch'}\n", "", 0);
}

static void a_warm_up_leaves_modules_and_no_names(void **state)
{
	const struct code warm = { .text = "import json, decimal\nx = 1\nx",
				   .flags = AGENT_CODE_WARM };
	struct reply reply;

	code_run(*state, &warm, &reply, NULL);
	assert_int_equal(reply.out.len, 0);
	assert_int_equal(reply.status, 0);
	reply_free(&reply);
	code_gives(*state, "import sys\n'decimal' in sys.modules, "
		   "'json' in globals(), 'x' in globals()",
		   "(True, False, False)\n", "", 0);
}

static void a_restart_gets_rid_of_what_runs(void **state)
{
	const struct code stuck = { .text = "print('up')\nwhile True:\n"
					    " try:\n  while True: pass\n"
					    " except: pass" };
	const struct code again = { .text = "'x' in globals()",
				    .flags = AGENT_CODE_RESTART };
	struct frame_reader in = { .buf = BUF_INIT };
	struct reply reply;
	uint32_t fresh;
	int fd;

	code_gives(*state, "x = 1", "", "", 0);
	fd = code_send(*state, &stuck);
	code_wait_out(fd, &in, "up\n");
	code_run(*state, &again, &reply, &fresh);
	assert_int_equal(fresh, 1);
	assert_string_equal(buf_str(&reply.out), "False\n");
	reply_free(&reply);
	rig_collect(fd, &in, &reply);
	assert_int_equal(reply.signaled, SIGKILL);
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void hello(struct rig *r, bool copy)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint8_t entropy[64] = { 2 };
	struct reply reply;

	tlv_put_u32(&b, AGENT_T_PROTOCOL, AGENT_PROTOCOL);
	tlv_put(&b, AGENT_T_ENTROPY, entropy, sizeof(entropy));
	tlv_put_u32(&b, AGENT_T_COPY, copy);
	rig_ask(r, AGENT_HELLO, &b, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	reply_free(&reply);
}

static void a_copy_draws_its_own_numbers(void **state)
{
	const struct code run = { .text =
		"import random, time\nrandom.seed(1); s = random.getstate()\n"
		"print('up')\nend = time.time() + 15\n"
		"while random.getstate() == s and time.time() < end:\n"
		"    time.sleep(0.01)\nrandom.getstate() == s" };
	struct frame_reader in = { .buf = BUF_INIT };
	struct reply reply;
	int fd;

	code_gives(*state, "import random; random.seed(1); "
		   "s = random.getstate()", "", "", 0);
	hello(*state, false);
	code_gives(*state, "random.getstate() == s", "True\n", "", 0);
	hello(*state, true);
	code_gives(*state, "random.getstate() == s", "False\n", "", 0);
	fd = code_send(*state, &run);
	code_wait_out(fd, &in, "up\n");
	hello(*state, true);
	rig_collect(fd, &in, &reply);
	assert_string_equal(buf_str(&reply.out), "False\n");
	reply_free(&reply);
	frame_reader_free(&in);
	close(fd);
}

static void in_a_copy_code_goes_on(void **state)
{
	const struct code c = { .text = "import time\nprint('up')\n"
					"time.sleep(0.5)\nprint('end')" };
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = code_send(*state, &c);

	/* it is the rig's way to reset that something is left unread */
	usleep(300000);
	rig_reset(fd);
	frame_reader_free(&in);
	code_gives(*state, "'after'", "end\n'after'\n", "", 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_and_the_last_value_stay),
		TEST(a_traceback_is_the_users_own),
		TEST(a_syntax_error_runs_nothing),
		TEST(an_exit_is_the_codes_alone),
		TEST(a_death_is_told_now_and_later),
		TEST(a_fatal_signal_is_told),
		TEST(an_interrupt_keeps_the_state),
		TEST(a_lost_client_interrupts),
		TEST(a_timeout_interrupts_then_kills),
		TEST(await_is_for_the_top_too),
		TEST(input_is_for_the_call_alone),
		TEST(input_is_asked_for_when_it_is_read),
		TEST(a_mibibyte_of_input_comes_whole),
		TEST(variables_of_sandbox_and_call),
		TEST(output_between_calls_comes_with_the_next),
		TEST(much_of_everything_comes_whole),
		TEST(calls_wait_for_their_turn),
		TEST(it_is_a_script_in_other_respects),
		TEST(a_warm_up_leaves_modules_and_no_names),
		TEST(a_restart_gets_rid_of_what_runs),
		TEST(a_copy_draws_its_own_numbers),
		TEST(in_a_copy_code_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
