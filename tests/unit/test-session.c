/* SPDX-License-Identifier: MIT */
/* tests/unit/test-session.c - a command's stream, honest and lying */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/session.h"
#include "common/agent.h"
#include "common/tlv.h"
#include "tests/unit/unit.h"

/* Frames, written one after the other. */
struct script {
	struct buf b;
};

static void say(struct script *s, uint8_t type, const void *data, size_t len)
{
	assert_int_equal(frame_put(&s->b, type, data, len), 0);
}

static void say_u32(struct script *s, uint8_t type, uint16_t tag, uint32_t v)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	tlv_put_u32(&b, tag, v);
	say(s, type, b.data, b.len);
}

static void say_started(struct script *s)
{
	say_u32(s, AGENT_STARTED, AGENT_T_SESSION, 7);
}

/* All of it, whatever the socket holds: in a process of its own. */
static void write_script(struct script *s, int fd)
{
	if (fork() == 0) {
		send(fd, s->b.data, s->b.len, MSG_NOSIGNAL);
		_exit(0);
	}
	close(fd);
}

static int session_stdout = -1;	/* -1: /dev/null */

/* With the session's output out of the way; where ours was is restored. */
static int run_quietly(struct stream *stream, const struct session_opts *o,
		       struct session_end *end, struct err *err)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int out, errout, rc;

	fflush(NULL);
	out = dup(STDOUT_FILENO);
	errout = dup(STDERR_FILENO);
	dup2(session_stdout < 0 ? null : session_stdout, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	rc = session_run(stream, o, end, err);
	dup2(out, STDOUT_FILENO);
	dup2(errout, STDERR_FILENO);
	close(out);
	close(errout);
	close(null);
	return rc;
}

/* Run a session against the script and the end of the stream. */
static int play(struct script *s, struct session_end *end, struct err *err)
{
	struct session_opts o = { 0 };
	CLEANUP_SIGS struct sigs sigs = SIGS_INIT;
	CLEANUP_STREAM struct stream stream = STREAM_INIT;
	int fds[2];
	int rc;

	*err = (struct err)ERR_INIT;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    fds), 0);
	assert_int_equal(sigs_open(&sigs, err), 0);
	write_script(s, fds[1]);
	stream.fd = fds[0];
	o.sigs = &sigs;
	rc = run_quietly(&stream, &o, end, err);
	stream_close(&stream);
	assert_true(wait(NULL) > 0);
	buf_free(&s->b);
	if (rc < 0)
		assert_true(err->code != ERR_NONE && err->msg[0]);
	return rc;
}

static void the_exit_code_comes_through(void **state)
{
	struct script s = { BUF_INIT };
	struct session_end end;
	struct err err;

	say_started(&s);
	say(&s, AGENT_STDOUT, "out", 3);
	say(&s, AGENT_STDERR, NULL, 0);
	say_u32(&s, AGENT_EXIT, AGENT_T_STATUS, 7);
	assert_int_equal(play(&s, &end, &err), 0);
	assert_int_equal(end.code, 7);
	assert_int_equal(end.session, 7);
}

static void signals_and_timeouts_have_their_codes(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct script s = { BUF_INIT };
	struct session_end end;
	struct err err;

	say_started(&s);
	say_u32(&s, AGENT_EXIT, AGENT_T_SIGNALED, 15);
	assert_int_equal(play(&s, &end, &err), 0);
	assert_int_equal(end.code, 143);
	tlv_put_u32(&b, AGENT_T_SIGNALED, 9);
	tlv_put_u32(&b, AGENT_T_WHY, AGENT_WHY_TIMEOUT);
	say_started(&s);
	say(&s, AGENT_EXIT, b.data, b.len);
	assert_int_equal(play(&s, &end, &err), 0);
	assert_int_equal(end.code, 124);
	assert_int_equal(end.why, AGENT_WHY_TIMEOUT);
}

static void an_error_of_the_agent_is_told(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct script s = { BUF_INIT };
	struct session_end end;
	struct err err;

	tlv_put_u32(&b, AGENT_T_CODE, ERR_NOT_FOUND);
	tlv_put_str(&b, AGENT_T_MESSAGE, "/nosuch: no such directory");
	say(&s, AGENT_ERROR, b.data, b.len);
	assert_int_equal(play(&s, &end, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "/nosuch"));
	say(&s, AGENT_ERROR, "rubbish", 7);
	assert_int_equal(play(&s, &end, &err), -1);
	assert_int_equal(err.code, ERR_GUEST);
}

/* Frames that a guest must not send, each alone or after STARTED. */
static void lies_end_the_session(void **state)
{
	static const struct {
		bool started;
		uint8_t type;
		const char *data;
		size_t len;
	} lies[] = {
		{ false, AGENT_STDOUT, "x", 1 },
		{ false, AGENT_EXIT, "", 0 },
		{ false, AGENT_OK, "", 0 },
		{ false, AGENT_STARTED, "\1\0\0\0\xff\xff\xff\xff", 8 },
		{ false, AGENT_STARTED, "\1", 1 },
		{ true, AGENT_STARTED, "", 0 },
		{ true, AGENT_WINDOW, "\1\2", 2 },
		{ true, AGENT_WINDOW, "", 0 },
		{ true, AGENT_EXIT, "\x20", 1 },
		{ true, AGENT_EXIT, "\x20\0\0\0\4\0\0\0\0\1\0\0", 12 },
		{ true, AGENT_EXIT, "\x21\0\0\0\4\0\0\0\x41\0\0\0", 12 },
		{ true, AGENT_STDIN, "x", 1 },
		{ true, AGENT_DATA, "x", 1 },
		{ true, AGENT_END, "", 0 },
		{ true, 0, "", 0 },
		{ true, 200, "", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		struct script s = { BUF_INIT };
		struct session_end end;
		struct err err;

		if (lies[i].started)
			say_started(&s);
		say(&s, lies[i].type, lies[i].data, lies[i].len);
		say_u32(&s, AGENT_EXIT, AGENT_T_STATUS, 0);
		if (play(&s, &end, &err) != -1)
			fail_msg("lie %zu was believed", i);
		assert_int_equal(err.code, ERR_PROTOCOL);
	}
}

static void what_is_no_frame_ends_the_session(void **state)
{
	static const char *const heads[] = {
		"\1\0\x10\0\x44\0\0\0",	/* longer than FRAME_MAX */
		"\xff\xff\xff\xff\x44\0\0\0",
		"\1\0\0\0\x44\1\0\0",	/* reserved bytes */
		"\1\0\0\0\x44\0\1\0",
	};

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		struct script s = { BUF_INIT };
		struct session_end end;
		struct err err;

		say_started(&s);
		buf_append(&s.b, heads[i], 8);
		assert_int_equal(play(&s, &end, &err), -1);
		assert_int_equal(err.code, ERR_PROTOCOL);
	}
}

static void a_stream_that_breaks_is_an_error(void **state)
{
	struct script s = { BUF_INIT };
	struct session_end end;
	struct err err;

	assert_int_equal(play(&s, &end, &err), -1);
	assert_int_equal(err.code, ERR_GUEST);
	say_started(&s);
	say(&s, AGENT_STDOUT, "x", 1);
	assert_int_equal(play(&s, &end, &err), -1);
	assert_int_equal(err.code, ERR_GUEST);
	assert_true(err.hint[0]);
}

static void the_largest_frames_are_taken(void **state)
{
	struct script s = { BUF_INIT };
	struct session_end end;
	struct err err;
	char *big = calloc(1, FRAME_MAX);

	say_started(&s);
	say(&s, AGENT_STDOUT, big, FRAME_MAX);
	say_u32(&s, AGENT_EXIT, AGENT_T_STATUS, 3);
	assert_int_equal(play(&s, &end, &err), 0);
	assert_int_equal(end.code, 3);
	free(big);
}

static void noise_does_no_harm(void **state)
{
	unsigned int seed = 5;

	for (int n = 0; n < 3000; n++) {
		struct script s = { BUF_INIT };
		struct session_end end;
		struct err err;
		int len = rand_r(&seed) % 200;

		say_started(&s);
		for (int i = 0; i < 4; i++)
			say_u32(&s, (uint8_t)(AGENT_STARTED +
					      rand_r(&seed) % 40),
				(uint16_t)(rand_r(&seed) % 40),
				(uint32_t)rand_r(&seed));
		for (int i = 0; i < len; i++) {
			uint8_t byte = (uint8_t)rand_r(&seed);

			buf_append(&s.b, &byte, 1);
		}
		s.b.data[(size_t)rand_r(&seed) % s.b.len] ^= 1 << n % 8;
		play(&s, &end, &err);
	}
}

/* The session of a child process, whose stdin never ends. */
static pid_t start_reader(int fd)
{
	struct session_opts o = { .stdin_open = true };
	struct sigs sigs = SIGS_INIT;
	struct stream stream = { .fd = fd };
	struct session_end end;
	struct err err = ERR_INIT;
	pid_t pid = fork();

	if (pid)
		return pid;
	dup2(open("/dev/zero", O_RDONLY), STDIN_FILENO);
	sigs_open(&sigs, &err);
	o.sigs = &sigs;
	_exit(session_run(&stream, &o, &end, &err) < 0 ? 99 : end.code);
}

/* STDIN bytes that come until nothing has come for a moment. */
static size_t count_stdin(struct frame_reader *r, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t bytes = 0;
	struct frame f;

	while (poll(&p, 1, 200) > 0) {
		assert_true(frame_fill(r, fd) > 0);
		while (frame_next(r, &f) > 0) {
			assert_int_equal(f.type, AGENT_STDIN);
			bytes += f.len;
		}
	}
	return bytes;
}

static void grant(int fd, uint32_t bytes)
{
	assert_int_equal(frame_write(fd, AGENT_WINDOW, &bytes, 4), 0);
}

static void stdin_keeps_to_the_window(void **state)
{
	struct frame_reader r = { 0 };
	uint32_t number = 0;
	struct frame f;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    fds), 0);
	pid = start_reader(fds[0]);
	close(fds[0]);
	assert_int_equal(frame_write(fds[1], AGENT_STARTED, NULL, 0), 0);
	assert_int_equal(count_stdin(&r, fds[1]), 0);
	grant(fds[1], 1000);
	assert_int_equal(count_stdin(&r, fds[1]), 1000);
	grant(fds[1], 70000);
	grant(fds[1], 1);
	assert_int_equal(count_stdin(&r, fds[1]), 70001);
	/* nobody reads stdin, and a signal still gets through */
	kill(pid, SIGTERM);
	assert_int_equal(frame_read(&r, fds[1], &f), 1);
	assert_int_equal(f.type, AGENT_SIGNAL);
	memcpy(&number, f.data, 4);
	assert_int_equal(number, SIGTERM);
	assert_int_equal(frame_write(fds[1], AGENT_EXIT, NULL, 0), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fds[1]);
	frame_reader_free(&r);
}

#define SMALL 1000	/* so that the reader of frames holds many */

/* A session whose stdout is @out, against @frames small frames. */
static pid_t start_writer(int out, int frames)
{
	static char data[SMALL];
	struct script s = { BUF_INIT };
	struct session_end end;
	struct err err;
	pid_t pid = fork();

	if (pid)
		return pid;
	say_started(&s);
	for (int i = 0; i < frames; i++)
		say(&s, AGENT_STDOUT, data, sizeof(data));
	say_u32(&s, AGENT_EXIT, AGENT_T_STATUS, 5);
	session_stdout = out;
	_exit(play(&s, &end, &err) < 0 ? 99 : end.code);
}

static void read_slowly(int frames)
{
	static char data[65536];
	size_t total = 0;
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = start_writer(fds[1], frames);
	close(fds[1]);
	/* pipe and waiting output are full, and the stream has ended */
	poll(NULL, 0, 100);
	while ((n = read(fds[0], data, sizeof(data))) > 0) {
		total += (size_t)n;
		poll(NULL, 0, 2);
	}
	assert_int_equal(total, SMALL * frames);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 5);
	close(fds[0]);
}

static void a_slow_reader_gets_all(void **state)
{
	for (int frames = 300; frames < 500; frames += 25)
		read_slowly(frames);
	read_slowly(3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exit_code_comes_through),
		cmocka_unit_test(signals_and_timeouts_have_their_codes),
		cmocka_unit_test(an_error_of_the_agent_is_told),
		cmocka_unit_test(lies_end_the_session),
		cmocka_unit_test(what_is_no_frame_ends_the_session),
		cmocka_unit_test(a_stream_that_breaks_is_an_error),
		cmocka_unit_test(the_largest_frames_are_taken),
		cmocka_unit_test(noise_does_no_harm),
		cmocka_unit_test(stdin_keeps_to_the_window),
		cmocka_unit_test(a_slow_reader_gets_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
