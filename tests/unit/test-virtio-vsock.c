/* SPDX-License-Identifier: MIT */
/* tests/unit/test-virtio-vsock.c - connections through the socket device */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tests/unit/vsock-guest.h"

#define OP(x) VIRTIO_VSOCK_OP_##x
#define SHUT_SEND VIRTIO_VSOCK_SHUTDOWN_SEND
#define SHUT_RCV VIRTIO_VSOCK_SHUTDOWN_RCV

static int setup(void **state)
{
	struct vguest *g = malloc(sizeof(*g));

	vguest_init(g);
	vguest_start(g, 64);
	*state = g;
	return 0;
}

static int setup_up(void **state)
{
	setup(state);
	vguest_agent_up(*state);
	return 0;
}

static int teardown(void **state)
{
	vguest_free(*state);
	free(*state);
	return 0;
}

/* Answer @p, which the guest got. */
static void answer(struct vguest *g, const struct vpacket *p, uint16_t op,
		   uint32_t flags, const char *text)
{
	vguest_send(g, op, p->h.src_port, p->h.dst_port, flags, text,
		    text ? (uint32_t)strlen(text) : 0);
}

static void assert_reads(int fd, const char *text)
{
	char buf[256] = "";

	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT),
			 strlen(text));
	assert_string_equal(buf, text);
}

static void assert_eof(int fd)
{
	char c;

	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 0);
}

static void connects_wait_for_the_agent(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;

	assert_int_equal(vguest_connect(g, 5000), 0);
	vguest_expect_nothing(g);
	vguest_agent_up(g);
	assert_int_equal(g->agent_ups, 1);
	vguest_expect(g, &p, OP(REQUEST));
	assert_int_equal(p.h.buf_alloc, VSOCK_BUF);
	answer(g, &p, OP(RESPONSE), 0, NULL);
	assert_int_equal(g->done, 1);
	assert_int_equal(g->error, 0);
	/* said again, it is nothing new */
	vguest_agent_up(g);
	assert_int_equal(g->agent_ups, 1);
	close(g->fd);
}

static void bytes_go_both_ways(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;
	int fd = vguest_open(g, &p);

	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(write(fd, "hello", 5), 5);
	vguest_expect(g, &p, OP(RW));
	assert_int_equal(p.h.len, 5);
	assert_memory_equal(p.data, "hello", 5);
	answer(g, &p, OP(RW), 0, "good day");
	assert_reads(fd, "good day");
	assert_int_equal(vsock_connections(&g->vsock), 1);
	assert_true(g->vsock.activity_ns > 0);
	close(fd);
}

static void refused_by_the_guest(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;

	assert_int_equal(vguest_connect(g, 5000), 0);
	vguest_expect(g, &p, OP(REQUEST));
	answer(g, &p, OP(RST), 0, NULL);
	assert_int_equal(g->done, 1);
	assert_int_equal(g->error, ECONNREFUSED);
	assert_int_equal(g->fd, -1);
	assert_int_equal(vsock_connections(&g->vsock), 0);
	vguest_expect_nothing(g);
}

static void connects_time_out(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;

	/* nobody was told: nobody is told */
	assert_int_equal(vguest_connect(g, 20), 0);
	for (int i = 0; i < 100 && !g->done; i++)
		rig_wait(&g->rig, 10);
	assert_int_equal(g->error, ETIMEDOUT);
	vguest_agent_up(g);
	vguest_expect_nothing(g);
	/* the guest was asked, and is told that it is off */
	assert_int_equal(vguest_connect(g, 20), 0);
	vguest_expect(g, &p, OP(REQUEST));
	for (int i = 0; i < 100 && !g->done; i++)
		rig_wait(&g->rig, 10);
	assert_int_equal(g->error, ETIMEDOUT);
	vguest_expect(g, &p, OP(RST));
	assert_int_equal(vsock_connections(&g->vsock), 0);
	/* too late */
	answer(g, &p, OP(RESPONSE), 0, NULL);
	assert_int_equal(g->done, 1);
	vguest_expect(g, &p, OP(RST));
}

static void cancelled_connects_are_not_answered(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;

	assert_int_equal(vguest_connect(g, 5000), 0);
	vguest_expect(g, &p, OP(REQUEST));
	vsock_cancel(&g->vsock, &p);	/* somebody else's */
	assert_int_equal(vsock_connections(&g->vsock), 1);
	vsock_cancel(&g->vsock, g);
	vguest_expect(g, &p, OP(RST));
	assert_int_equal(g->done, 0);
	assert_int_equal(vsock_connections(&g->vsock), 0);
}

static void host_closes(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;
	int fd = vguest_open(g, &p);

	assert_int_equal(write(fd, "bye", 3), 3);
	close(fd);
	vguest_expect(g, &p, OP(RW));
	vguest_expect(g, &p, OP(SHUTDOWN));
	assert_int_equal(p.h.flags, SHUT_SEND | SHUT_RCV);
	/* what the guest still sends goes nowhere, but not wrong */
	answer(g, &p, OP(RW), 0, "late");
	answer(g, &p, OP(RST), 0, NULL);
	assert_int_equal(vsock_connections(&g->vsock), 0);
	vguest_expect_nothing(g);
}

static void host_closes_half(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;
	int fd = vguest_open(g, &p);

	assert_int_equal(write(fd, "all", 3), 3);
	shutdown(fd, SHUT_WR);
	vguest_expect(g, &p, OP(RW));
	vguest_expect(g, &p, OP(SHUTDOWN));
	assert_int_equal(p.h.flags, SHUT_SEND);
	answer(g, &p, OP(RW), 0, "answer");
	assert_reads(fd, "answer");
	answer(g, &p, OP(SHUTDOWN), SHUT_SEND | SHUT_RCV, NULL);
	vguest_expect(g, &p, OP(RST));
	assert_eof(fd);
	assert_int_equal(vsock_connections(&g->vsock), 0);
	close(fd);
}

static void guest_closes_half(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;
	int fd = vguest_open(g, &p);

	answer(g, &p, OP(RW), 0, "all");
	answer(g, &p, OP(SHUTDOWN), SHUT_SEND, NULL);
	assert_reads(fd, "all");
	assert_eof(fd);
	assert_int_equal(write(fd, "more", 4), 4);
	vguest_expect(g, &p, OP(RW));
	answer(g, &p, OP(SHUTDOWN), SHUT_RCV, NULL);
	vguest_expect(g, &p, OP(RST));
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	close(fd);
}

static void guest_stops_receiving(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;
	int fd = vguest_open(g, &p);

	answer(g, &p, OP(SHUTDOWN), SHUT_RCV, NULL);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	answer(g, &p, OP(RW), 0, "still");
	assert_reads(fd, "still");
	close(fd);
	vguest_expect(g, &p, OP(SHUTDOWN));
	assert_int_equal(p.h.flags, SHUT_SEND | SHUT_RCV);
}

static void last_bytes_of_the_guest_arrive(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;
	int fd = vguest_open(g, &p);

	/* With input that nobody read: the end must be an end, no error. */
	assert_int_equal(write(fd, "unread", 6), 6);
	answer(g, &p, OP(RW), 0, "last words");
	answer(g, &p, OP(RST), 0, NULL);
	assert_reads(fd, "last words");
	assert_eof(fd);
	assert_int_equal(vsock_connections(&g->vsock), 0);
	close(fd);
}

static void guest_keeps_quiet_after_host_closed(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;

	close(vguest_open(g, &p));
	vguest_expect(g, &p, OP(SHUTDOWN));
	/* not for ever: the place is needed */
	loop_timer_set(&g->rig.loop, &g->vsock.table.conns[0].timer, 1);
	while (vsock_connections(&g->vsock) > 0)
		rig_wait(&g->rig, 100);
	vguest_expect(g, &p, OP(RST));
	assert_int_equal(vsock_connections(&g->vsock), 0);
}

static void a_reset_ends_every_connection(void **state)
{
	struct vguest *g = *state;
	struct vpacket p;
	int fd = vguest_open(g, &p);

	answer(g, &p, OP(RW), 0, "before");
	assert_int_equal(vguest_connect(g, 5000), 0);
	vguest_start(g, 64);
	assert_int_equal(g->done, 1);
	assert_int_equal(g->error, ECONNRESET);
	assert_reads(fd, "before");
	assert_eof(fd);
	close(fd);
	assert_int_equal(vsock_connections(&g->vsock), 0);
	/* the agent has to come up anew */
	assert_int_equal(vguest_connect(g, 5000), 0);
	vguest_expect_nothing(g);
	vguest_agent_up(g);
	assert_int_equal(g->agent_ups, 2);
	vguest_expect(g, &p, OP(REQUEST));
}

static void waiting_connects_end_with_the_device(void **state)
{
	struct vguest *g = *state;

	assert_int_equal(vguest_connect(g, 5000), 0);
	virtio_vsock_free(&g->vsock);
	assert_int_equal(g->done, 1);
	assert_int_equal(g->error, ECANCELED);
	rig_free(&g->rig);
	vguest_init(g);
}

static void after_a_fork_the_guest_is_told(void **state)
{
	struct vguest *g = *state;
	struct vring_used_elem e;
	struct vpacket p;
	int fd = vguest_open(g, &p);
	uint64_t buf = rig_alloc(&g->rig, 4096);
	const struct rig_seg seg = { buf, 4, true };

	memset(rig_ptr(&g->rig, buf), 0xee, 8);
	assert_int_equal(virtio_mmio_open_fds(&g->vsock.mmio, NULL), 0);
	vsock_abandon(&g->vsock);
	rig_run(&g->rig);
	assert_int_equal(vsock_connections(&g->vsock), 0);
	rig_add(&g->rig, VSOCK_EVENT, &seg, 1);
	rig_kick(&g->rig, VSOCK_EVENT);
	assert_true(rig_used(&g->rig, VSOCK_EVENT, &e));
	assert_int_equal(e.len, 4);
	assert_int_equal(*(uint32_t *)rig_ptr(&g->rig, buf), 0);
	vguest_expect_nothing(g);
	assert_eof(fd);
	close(fd);
	/* until it has acted on it, nothing is sent: no answer to what it sends
	 * on old connections, no new one */
	assert_int_equal(vguest_connect(g, 5000), 0);
	vguest_send(g, OP(RW), p.h.src_port, 1024, 0, "old", 3);
	vguest_expect_nothing(g);
	/* the buffer comes back: the agent listens on */
	rig_add(&g->rig, VSOCK_EVENT, &seg, 1);
	rig_kick(&g->rig, VSOCK_EVENT);
	vguest_expect(g, &p, OP(REQUEST));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup_up, teardown)
#define T_DOWN(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T_DOWN(connects_wait_for_the_agent),
		T(bytes_go_both_ways),
		T(refused_by_the_guest),
		T_DOWN(connects_time_out),
		T(cancelled_connects_are_not_answered),
		T(host_closes),
		T(host_closes_half),
		T(guest_closes_half),
		T(guest_stops_receiving),
		T(last_bytes_of_the_guest_arrive),
		T(guest_keeps_quiet_after_host_closed),
		T(a_reset_ends_every_connection),
		T_DOWN(waiting_connects_end_with_the_device),
		T(after_a_fork_the_guest_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
