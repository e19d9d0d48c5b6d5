/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-relay.c - ports and relays: streams from socket to socket
 *
 * A host's and a guest's port on one loop, joined by a socket pair; each channel
 * joins two more pairs, whose far ends the tests hold.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "machine/port.h"
#include "machine/relay.h"
#include "tests/unit/unit.h"

struct bench {
	struct loop loop;
	struct port host, guest;
	int wire[2];
	int far;		/* the guest's end of the last channel */
	int host_downs;
	bool up;
};

static struct bench *bench;	/* callbacks get no pointer of the test's */

static void on_session(struct mux *m, bool up)
{
	if (m == &bench->host.mux)
		bench->up = up;
}

static void on_opened(struct mux_chan *ch, const char *kind)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	bench->far = pair[0];
	assert_int_equal(relay_start(&bench->loop, ch, pair[1]), 0);
}

static const struct mux_ops ops = {
	on_session, on_opened, relay_input, relay_output, relay_gone,
};

static void on_down(struct port *p)
{
	bench->host_downs++;
}

/* A few rounds of the loop, as both ends' main loops have it. */
static void turn(void)
{
	for (int i = 0; i < 20; i++) {
		port_flush(&bench->host);
		port_flush(&bench->guest);
		assert_int_equal(loop_once(&bench->loop, 1), 0);
	}
}

static int setup(void **state)
{
	struct err err = ERR_INIT;

	bench = calloc(1, sizeof(*bench));
	loop_init(&bench->loop, &err);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, bench->wire), 0);
	bench->host.down = on_down;
	port_start(&bench->guest, &bench->loop, bench->wire[1], MUX_GUEST,
		   &ops, &err);
	port_start(&bench->host, &bench->loop, bench->wire[0], MUX_HOST, &ops,
		   &err);
	turn();
	assert_true(bench->up);
	return 0;
}

static int teardown(void **state)
{
	port_stop(&bench->host);
	port_stop(&bench->guest);
	close(bench->wire[0]);
	if (bench->wire[1] >= 0)
		close(bench->wire[1]);
	loop_free(&bench->loop);
	free(bench);
	return 0;
}

/* Return: the client's end of a new stream; bench->far is the other. */
static int open_stream(void)
{
	struct mux_chan *ch = mux_open(&bench->host.mux, "runner", NULL);
	int pair[2];

	assert_non_null(ch);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	assert_int_equal(relay_start(&bench->loop, ch, pair[1]), 0);
	turn();
	return pair[0];
}

static void expect(int fd, const char *text)
{
	char got[64];
	ssize_t n = read(fd, got, sizeof(got));

	assert_int_equal(n, (ssize_t)strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static void test_bytes_go_both_ways(void **state)
{
	int fd = open_stream();

	assert_int_equal(write(fd, "question", 8), 8);
	assert_int_equal(write(bench->far, "answer", 6), 6);
	turn();
	expect(bench->far, "question");
	expect(fd, "answer");
	close(fd);
	close(bench->far);
	turn();
	assert_int_equal(bench->host.mux.nr_chans, 0);
	assert_int_equal(bench->guest.mux.nr_chans, 0);
}

static void test_half_close_is_passed_on(void **state)
{
	int fd = open_stream();
	char c;

	assert_int_equal(write(fd, "last", 4), 4);
	shutdown(fd, SHUT_WR);
	turn();
	expect(bench->far, "last");
	assert_int_equal(read(bench->far, &c, 1), 0);
	assert_int_equal(write(bench->far, "and back", 8), 8);
	close(bench->far);
	turn();
	expect(fd, "and back");
	assert_int_equal(read(fd, &c, 1), 0);
	close(fd);
	turn();
	assert_int_equal(bench->host.mux.nr_chans, 0);
}

/* What a client wrote before it went away arrives; then its far end learns. */
static void test_client_that_leaves(void **state)
{
	int fd = open_stream();
	char c;

	assert_int_equal(write(fd, "bye", 3), 3);
	close(fd);
	turn();
	expect(bench->far, "bye");
	assert_int_equal(read(bench->far, &c, 1), 0);
	close(bench->far);
	turn();
	assert_int_equal(bench->guest.mux.nr_chans, 0);
}

/* 4 MiB to a reader that begins late: bounded on the way, then all of it. */
static void test_slow_reader(void **state)
{
	static uint8_t data[64 * 1024];
	const size_t total = 4 * MIB;
	size_t put = 0, got = 0;
	int fd = open_stream();
	ssize_t n;

	for (size_t idle = 0; idle < 5;) {
		n = write(fd, data, sizeof(data));
		idle = n < 0 ? idle + 1 : 0;
		put += n > 0 ? (size_t)n : 0;
		turn();
	}
	assert_true(put < 2 * MIB);
	while (got < total) {
		if (put < total) {
			n = write(fd, data, MIN(total - put, sizeof(data)));
			put += n > 0 ? (size_t)n : 0;
		}
		turn();
		while ((n = read(bench->far, data, sizeof(data))) > 0)
			got += (size_t)n;
	}
	assert_int_equal(put, total);
	close(fd);
	close(bench->far);
	turn();
	assert_int_equal(bench->host.mux.nr_chans, 0);
}

/* The client went away with more unsent than the window takes: its relay must
 * neither spin nor lose it. */
static void test_client_leaves_behind_a_full_window(void **state)
{
	static uint8_t data[64 * 1024];
	size_t put = 0, got = 0;
	int fd = open_stream();
	ssize_t n;

	for (size_t idle = 0; idle < 5;) {
		n = write(fd, data, sizeof(data));
		idle = n < 0 ? idle + 1 : 0;
		put += n > 0 ? (size_t)n : 0;
		turn();
	}
	close(fd);
	turn();
	do {
		while ((n = read(bench->far, data, sizeof(data))) > 0)
			got += (size_t)n;
		turn();
	} while (n != 0);
	assert_int_equal(got, put);
	close(bench->far);
	turn();
	assert_int_equal(bench->host.mux.nr_chans, 0);
}

static void test_port_that_ends_closes_all(void **state)
{
	int fd = open_stream();
	char c;

	port_stop(&bench->guest);
	close(bench->wire[1]);
	bench->wire[1] = -1;
	turn();
	assert_int_equal(bench->host_downs, 1);
	assert_int_equal(read(fd, &c, 1), 0);
	close(fd);
	close(bench->far);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_bytes_go_both_ways),
		T(test_half_close_is_passed_on),
		T(test_client_that_leaves),
		T(test_slow_reader),
		T(test_client_leaves_behind_a_full_window),
		T(test_port_that_ends_closes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
