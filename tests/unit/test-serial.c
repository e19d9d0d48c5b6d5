/* SPDX-License-Identifier: MIT */
/* tests/unit/test-serial.c - serial port, console log and console streams */
#include "runner/vmm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

struct fixture {
	struct loop loop;
	struct irq_line irq;
	struct console_log log;
	struct console console;
	int log_fd;
};

static int temp_file(void)
{
	char name[] = "/tmp/podflare-serial-XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(name);
	return fd;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	f->log_fd = temp_file();
	assert_int_equal(loop_init(&f->loop, &err), 0);
	assert_int_equal(irq_init(&f->irq, &err), 0);
	assert_int_equal(console_log_init(&f->log, f->log_fd, 8192, &err), 0);
	if (console_init(&f->console, &f->loop, 0x3f8, &f->irq, &f->log,
			 &err) < 0)
		fail_msg("%s", err.msg);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	console_free(&f->console);
	irq_free(&f->irq);
	loop_free(&f->loop);
	close(f->log_fd);
	free(f);
	return 0;
}

static void out(struct fixture *f, unsigned int reg, uint8_t v)
{
	struct bus_region *r = &f->console.serial.region;

	r->ops->write(r, reg, &v, 1);
}

static uint8_t in(struct fixture *f, unsigned int reg)
{
	struct bus_region *r = &f->console.serial.region;
	uint8_t v;

	r->ops->read(r, reg, &v, 1);
	return v;
}

static void print(struct fixture *f, const char *s)
{
	while (*s)
		out(f, DATA, (uint8_t)*s++);
}

static unsigned int edges(struct fixture *f)
{
	eventfd_t n = 0;

	eventfd_read(f->irq.fd, &n);
	return (unsigned int)n;
}

static void run_loop(struct fixture *f)
{
	for (int i = 0; i < 10; i++)
		loop_once(&f->loop, 0);
}

static size_t log_text(struct fixture *f, char *buf, size_t size)
{
	ssize_t n = pread(f->log_fd, buf, size - 1, 0);

	assert_true(n >= 0);
	buf[n] = 0;
	return (size_t)n;
}

static void output_gets_into_the_log(void **state)
{
	struct fixture *f = *state;
	char buf[64];

	assert_int_equal(in(f, LSR), 0x60);
	print(f, "hello\n");
	run_loop(f);
	log_text(f, buf, sizeof(buf));
	assert_string_equal(buf, "hello\n");
}

static void the_port_looks_like_a_16550(void **state)
{
	struct fixture *f = *state;

	out(f, SCR, 0xa5);
	assert_int_equal(in(f, SCR), 0xa5);
	/* divisor latch */
	out(f, LCR, 0x83);
	out(f, DATA, 0x01);
	out(f, IER, 0x02);
	assert_int_equal(in(f, DATA), 0x01);
	assert_int_equal(in(f, IER), 0x02);
	out(f, LCR, 0x03);
	assert_int_equal(in(f, IER), 0x00);
	/* FIFOs on */
	out(f, IIR, 0x01);
	assert_int_equal(in(f, IIR), 0xc1);
	/* loop mode: RTS and OUT2 come back as CTS and DCD */
	out(f, MCR, 0x1a);
	assert_int_equal(in(f, MSR), 0x90);
	out(f, DATA, 'x');
	assert_int_equal(in(f, LSR) & 1, 1);
	assert_int_equal(in(f, DATA), 'x');
	out(f, MCR, 0x0b);
	assert_int_equal(in(f, MSR), 0xb0);
}

static void an_empty_transmitter_interrupts_when_asked_to(void **state)
{
	struct fixture *f = *state;

	print(f, "a");
	assert_int_equal(edges(f), 0);
	out(f, IER, 0x02);
	assert_true(edges(f) > 0);
	assert_int_equal(in(f, IIR), 0x02);
	assert_int_equal(in(f, IIR), 0x01);	/* reading acknowledged it */
	print(f, "b");
	assert_true(edges(f) > 0);
	assert_int_equal(in(f, IIR), 0x02);
}

static void input_interrupts_until_it_is_read(void **state)
{
	struct fixture *f = *state;

	out(f, IER, 0x01);
	assert_int_equal(serial_input(&f->console.serial, "ab", 2), 2);
	assert_true(edges(f) > 0);
	assert_int_equal(in(f, IIR) & 0xf, 0x04);
	assert_int_equal(in(f, LSR) & 1, 1);
	assert_int_equal(in(f, DATA), 'a');
	assert_true(edges(f) > 0);
	assert_int_equal(in(f, DATA), 'b');
	assert_int_equal(in(f, IIR) & 0xf, 0x01);
	assert_int_equal(in(f, LSR) & 1, 0);
	assert_int_equal(in(f, DATA), 0);
}

static void input_is_bounded(void **state)
{
	struct fixture *f = *state;
	char big[SERIAL_FIFO + 100] = { 0 };

	assert_int_equal(serial_input(&f->console.serial, big, sizeof(big)),
			 SERIAL_FIFO);
	assert_int_equal(serial_input(&f->console.serial, big, 1), 0);
	out(f, IIR, 0x03);	/* clear */
	assert_int_equal(in(f, LSR) & 1, 0);
	assert_int_equal(serial_input(&f->console.serial, big, 1), 1);
}

static void wide_accesses_are_harmless(void **state)
{
	struct fixture *f = *state;
	struct bus_region *r = &f->console.serial.region;
	uint64_t v = 0;

	r->ops->write(r, SCR, &v, 1);
	r->ops->read(r, DATA, &v, 8);
	assert_int_equal(v, 0xffffffffffffff00ULL);
	r->ops->write(r, IER, &v, 4);
}

static void the_log_keeps_the_newest_half(void **state)
{
	struct fixture *f = *state;
	char line[32], buf[16384];
	struct stat st;

	for (int i = 0; i < 2000; i++) {
		snprintf(line, sizeof(line), "line %06d\n", i);
		print(f, line);
		run_loop(f);
	}
	assert_int_equal(fstat(f->log_fd, &st), 0);
	assert_true(st.st_size <= 8192 && st.st_size >= 4000);
	log_text(f, buf, sizeof(buf));
	/* begins at a line's beginning, ends with the last */
	assert_memory_equal(buf, "line ", 5);
	assert_string_equal(buf + strlen(buf) - 12, "line 001999\n");
}

static void what_was_logged_before_stays(void **state)
{
	struct err err = ERR_INIT;
	struct console_log l;
	int fd = temp_file();
	char buf[32] = { 0 };

	assert_int_equal(write(fd, "old\n", 4), 4);
	assert_int_equal(console_log_init(&l, fd, 4096, &err), 0);
	assert_int_equal(console_log_append(&l, "new\n", 4), 0);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), 8);
	assert_string_equal(buf, "old\nnew\n");
	close(fd);
}

static void a_log_that_is_full_already_is_cut(void **state)
{
	struct err err = ERR_INIT;
	struct console_log l;
	struct stat st;
	int fd = temp_file();

	assert_int_equal(ftruncate(fd, 1000000), 0);
	assert_int_equal(console_log_init(&l, fd, 4096, &err), 0);
	assert_int_equal(console_log_append(&l, "x", 1), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size <= 4096);
	close(fd);
}

static void a_burst_larger_than_the_ring_is_not_lost(void **state)
{
	struct fixture *f = *state;
	char buf[16384];

	/* no turn of the loop in between */
	for (int i = 0; i < CONSOLE_RING + 5; i++)
		out(f, DATA, i == 0 ? '<' : 'x');
	out(f, DATA, '>');
	console_flush(&f->console);
	log_text(f, buf, sizeof(buf));
	assert_int_equal(buf[strlen(buf) - 1], '>');
}

static void a_stream_gets_output_from_now_on(void **state)
{
	struct fixture *f = *state;
	char buf[64] = { 0 };
	int fd;

	print(f, "before ");
	fd = console_attach(&f->console);
	assert_true(fd >= 0);
	print(f, "after");
	run_loop(f);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 5);
	assert_string_equal(buf, "after");
	close(fd);
	print(f, " more");
	run_loop(f);
	log_text(f, buf, sizeof(buf));
	assert_string_equal(buf, "before after more");
}

static void a_streams_bytes_are_the_guests_input(void **state)
{
	struct fixture *f = *state;
	char text[1000], got[1000];
	size_t n = 0;
	int fd = console_attach(&f->console);

	/* more than the FIFO holds: it waits in the socket */
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	for (int i = 0; n < sizeof(got) && i < 1000; i++) {
		run_loop(f);
		while (n < sizeof(got) && (in(f, LSR) & 1))
			got[n++] = (char)in(f, DATA);
	}
	assert_int_equal(n, sizeof(text));
	assert_memory_equal(got, text, n);
	close(fd);
	run_loop(f);
	assert_int_equal(f->console.streams[0].watch.fd, -1);
}

static void a_stream_without_input_still_listens(void **state)
{
	struct fixture *f = *state;
	char buf[16];
	int fd = console_attach(&f->console);

	shutdown(fd, SHUT_WR);
	run_loop(f);
	print(f, "x");
	run_loop(f);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 1);
	close(fd);
}

static void a_slow_reader_holds_up_nobody(void **state)
{
	struct fixture *f = *state;
	int fd = console_attach(&f->console);

	for (int i = 0; i < 2000; i++) {
		for (int j = 0; j < 1000; j++)
			out(f, DATA, 'x');
		run_loop(f);
	}
	close(fd);
}

static void a_fifth_stream_takes_the_oldest_ones_place(void **state)
{
	struct fixture *f = *state;
	int fds[CONSOLE_STREAMS + 1];
	char buf[16];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = console_attach(&f->console);
	print(f, "x");
	run_loop(f);
	assert_int_equal(recv(fds[0], buf, sizeof(buf), MSG_DONTWAIT), 0);
	for (size_t i = 1; i < ARRAY_SIZE(fds); i++)
		assert_int_equal(recv(fds[i], buf, sizeof(buf), MSG_DONTWAIT),
				 1);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(output_gets_into_the_log),
		TEST(the_port_looks_like_a_16550),
		TEST(an_empty_transmitter_interrupts_when_asked_to),
		TEST(input_interrupts_until_it_is_read),
		TEST(input_is_bounded),
		TEST(wide_accesses_are_harmless),
		TEST(the_log_keeps_the_newest_half),
		cmocka_unit_test(what_was_logged_before_stays),
		cmocka_unit_test(a_log_that_is_full_already_is_cut),
		TEST(a_burst_larger_than_the_ring_is_not_lost),
		TEST(a_stream_gets_output_from_now_on),
		TEST(a_streams_bytes_are_the_guests_input),
		TEST(a_stream_without_input_still_listens),
		TEST(a_slow_reader_holds_up_nobody),
		TEST(a_fifth_stream_takes_the_oldest_ones_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
