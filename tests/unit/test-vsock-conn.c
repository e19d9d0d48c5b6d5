/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-vsock-conn.c - the connection table against a model
 *
 * Dozens of connections live and die at random, from a fixed seed, between a
 * guest that keeps the rules and clients that do as they please. Every byte of
 * every stream is checked, and so is each promise: credit is kept, an end comes
 * after the last byte, nothing is left when all is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/agent.h"
#include "runner/vmm/vsock-conn.h"
#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

#define CID 7
#define CONNS 40
#define GUEST_BUF 10000u
#define PORT_BASE 0x40000000u

struct model {
	enum { NONE, CONNECTING, OPEN } state;
	uint32_t host_port, guest_port;
	/* the client */
	int fd;
	uint64_t host_sent, host_got;
	bool host_shut;
	/* the guest */
	uint64_t sent, got, read;	/* got: from the device, read: by the app */
	uint32_t told_fwd, peer_fwd;
	uint32_t shut;			/* what the guest has shut */
	uint32_t peer_shut;		/* what it was told */
	bool over;			/* RST sent or got */
	uint8_t salt;
	bool lazy;			/* lives long, with full rings */
};

struct world {
	struct loop loop;
	struct vsock_table table;
	struct model conns[CONNS];
	uint64_t seed;
	uint64_t bytes;			/* that went through, either way */
	unsigned int opened;
};

static uint32_t dice(struct world *w, uint32_t n)
{
	return rig_random(&w->seed) % n;
}

static uint8_t byte_at(const struct model *m, bool to_guest, uint64_t pos)
{
	return (uint8_t)(pos * 31 + (pos >> 8) * 3 + (pos >> 16) * 7 + m->salt +
			 (to_guest ? 99 : 0));
}

static void nothing(struct vsock_table *t)
{
}

static const struct vsock_table_ops ops = { nothing, nothing, nothing };

static void on_done(void *arg, uint64_t token, int error, int fd)
{
	struct model *m = arg;

	assert_int_equal(m->state, CONNECTING);
	assert_int_equal(token, m->salt);
	m->state = error ? NONE : OPEN;
	m->fd = fd;
	if (fd >= 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void guest_packet(struct world *w, struct model *m, uint16_t op,
			 uint32_t flags, uint8_t *data, uint32_t len)
{
	struct virtio_vsock_hdr h = {
		.src_cid = CID, .dst_cid = VSOCK_HOST_CID,
		.src_port = m->guest_port, .dst_port = m->host_port,
		.len = len, .type = VIRTIO_VSOCK_TYPE_STREAM, .op = op,
		.flags = flags, .buf_alloc = GUEST_BUF,
		.fwd_cnt = (uint32_t)m->read,
	};
	struct iovec iov[2] = { { data, len / 3 },
				{ data + len / 3, len - len / 3 } };
	struct virtq_span s = { iov, 2, len };

	m->told_fwd = (uint32_t)m->read;
	vsock_table_packet(&w->table, &h, &s);
}

/* Linux answers the end of both directions when all was read. */
static void guest_maybe_over(struct world *w, struct model *m)
{
	if (m->over || m->peer_shut != 3 || m->read != m->got)
		return;
	m->over = true;
	guest_packet(w, m, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
}

static struct model *find(struct world *w, uint32_t host_port)
{
	for (int i = 0; i < CONNS; i++)
		if (w->conns[i].state != NONE && !w->conns[i].over &&
		    w->conns[i].host_port == host_port)
			return &w->conns[i];
	return NULL;
}

static void guest_request(struct world *w, const struct virtio_vsock_hdr *h)
{
	for (int i = 0; i < CONNS; i++) {
		struct model *m = &w->conns[i];

		if (m->state != CONNECTING || m->guest_port != h->dst_port)
			continue;
		m->host_port = h->src_port;
		/* so that the ring has something to do */
		setsockopt(w->table.conns[h->src_port % VSOCK_CONNS].fds.sock,
			   SOL_SOCKET, SO_SNDBUF, &(int){ 4096 }, sizeof(int));
		if (dice(w, 8) == 0) {
			m->over = true;
			guest_packet(w, m, VIRTIO_VSOCK_OP_RST, 0, NULL, 0);
		} else {
			guest_packet(w, m, VIRTIO_VSOCK_OP_RESPONSE, 0, NULL,
				     0);
		}
		return;
	}
	fail_msg("a request that nobody made");
}

static void guest_receive(struct world *w, const struct virtio_vsock_hdr *h,
			  const uint8_t *data)
{
	struct model *m;

	if (h->op == VIRTIO_VSOCK_OP_REQUEST) {
		guest_request(w, h);
		return;
	}
	m = find(w, h->src_port);
	if (!m)
		return;		/* over for the guest */
	assert_int_equal(h->dst_port, m->guest_port);
	assert_int_equal(h->buf_alloc, VSOCK_BUF);
	assert_true(h->fwd_cnt - m->peer_fwd <= m->sent - m->peer_fwd);
	m->peer_fwd = h->fwd_cnt;
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RW:
		assert_false(m->peer_shut & VIRTIO_VSOCK_SHUTDOWN_SEND);
		assert_true(h->len > 0);
		for (uint32_t i = 0; i < h->len; i++)
			assert_int_equal(data[i], byte_at(m, true, m->got + i));
		m->got += h->len;
		w->bytes += h->len;
		assert_true(m->got - m->told_fwd <= GUEST_BUF);
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		m->peer_shut |= h->flags;
		if ((m->peer_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) &&
		    !(m->shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
			assert_int_equal(m->got, m->host_sent);
		guest_maybe_over(w, m);
		break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		break;
	case VIRTIO_VSOCK_OP_RST:
		assert_int_equal(m->shut, 3);
		m->over = true;
		break;
	default:
		fail();
	}
}

static void pump(struct world *w, uint32_t packets)
{
	static uint8_t data[70000];

	while (packets-- > 0 && vsock_table_pending(&w->table)) {
		uint32_t room = 1 + dice(w, dice(w, 4) ? 5000 : sizeof(data) - 2);
		struct iovec iov[2] = { { data, room / 4 },
					{ data + room / 4, room - room / 4 } };
		struct virtq_span s = { iov, 2, room };
		struct virtio_vsock_hdr h;

		if (iov[0].iov_len == 0) {
			s.iov++;
			s.nr--;
		}
		if (!vsock_table_next(&w->table, &h, &s))
			continue;
		assert_true(h.len <= room);
		guest_receive(w, &h, data);
	}
}

static void host_write(struct world *w, struct model *m)
{
	uint8_t buf[9000];
	uint32_t n = 1 + dice(w, sizeof(buf));
	ssize_t rc;

	if (m->fd < 0 || m->host_shut)
		return;
	for (uint32_t i = 0; i < n; i++)
		buf[i] = byte_at(m, true, m->host_sent + i);
	rc = send(m->fd, buf, n, MSG_NOSIGNAL);
	if (rc > 0)
		m->host_sent += (uint64_t)rc;
	else if (errno == EPIPE)
		assert_true(m->over || (m->shut & VIRTIO_VSOCK_SHUTDOWN_RCV));
	else
		assert_int_equal(errno, EAGAIN);
}

static void host_read(struct world *w, struct model *m)
{
	uint8_t buf[9000];
	ssize_t n;

	if (m->fd < 0)
		return;
	n = recv(m->fd, buf, 1 + dice(w, sizeof(buf)), MSG_DONTWAIT);
	if (n == 0) {
		assert_true(m->over || (m->shut & VIRTIO_VSOCK_SHUTDOWN_SEND));
		assert_int_equal(m->host_got, m->sent);
		return;
	}
	if (n < 0) {
		assert_int_equal(errno, EAGAIN);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(buf[i],
				 byte_at(m, false, m->host_got + (uint64_t)i));
	m->host_got += (uint64_t)n;
	w->bytes += (uint64_t)n;
}

static void guest_send(struct world *w, struct model *m)
{
	static uint8_t buf[65536];
	uint32_t room = VSOCK_BUF - (uint32_t)(m->sent - m->peer_fwd);
	uint32_t n = 1 + dice(w, dice(w, 4) && !m->lazy ? 3000 : sizeof(buf));

	n = MIN(n, room);
	if (m->over || n == 0 || (m->shut & VIRTIO_VSOCK_SHUTDOWN_SEND) ||
	    (m->peer_shut & VIRTIO_VSOCK_SHUTDOWN_RCV))
		return;
	for (uint32_t i = 0; i < n; i++)
		buf[i] = byte_at(m, false, m->sent + i);
	m->sent += n;
	guest_packet(w, m, VIRTIO_VSOCK_OP_RW, 0, buf, n);
}

static void guest_read(struct world *w, struct model *m)
{
	uint64_t there = m->got - m->read;

	m->read += dice(w, 3) ? there : there / 2;
	if (!m->over && there > 0)
		guest_packet(w, m, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0, NULL, 0);
	guest_maybe_over(w, m);
}

static void guest_shut(struct world *w, struct model *m, uint32_t flags)
{
	if (m->over)
		return;
	m->shut |= flags;
	guest_packet(w, m, VIRTIO_VSOCK_OP_SHUTDOWN, flags, NULL, 0);
}

static void host_close(struct model *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

static void begin(struct world *w, struct model *m)
{
	*m = (struct model){ .state = CONNECTING, .fd = -1,
			     .guest_port = 1000 + w->opened++,
			     .salt = (uint8_t)w->opened,
			     .lazy = m - w->conns < 8 };
	assert_int_equal(vsock_table_connect(&w->table, m->guest_port, 60000,
					     on_done, m, m->salt), 0);
}

static void step(struct world *w, struct model *m)
{
	if (m->state == NONE || (m->state == OPEN && m->over && m->fd < 0))
		begin(w, m);
	if (m->state != OPEN)
		return;
	switch (dice(w, m->lazy ? 2000 : 40)) {
	case 0:
		if (m->fd >= 0)
			shutdown(m->fd, SHUT_WR);
		m->host_shut = true;
		break;
	case 1:
		host_close(m);
		break;
	case 2:
		guest_shut(w, m, 1 + dice(w, 3));
		break;
	case 3:
		if (m->over)
			host_close(m);
		break;
	default:
		switch (dice(w, 4)) {
		case 0:
			host_write(w, m);
			break;
		case 1:
			host_read(w, m);
			break;
		case 2:
			guest_send(w, m);
			break;
		default:
			guest_read(w, m);
			break;
		}
	}
}

/* Everybody closes in good order, and reads to the end. */
static void finish(struct world *w)
{
	for (int round = 0; round < 3000 && w->table.used > 0; round++) {
		for (int i = 0; i < CONNS; i++) {
			struct model *m = &w->conns[i];

			if (m->state != OPEN)
				continue;
			guest_read(w, m);
			host_read(w, m);
			if (m->fd >= 0)
				shutdown(m->fd, SHUT_WR);
			if (!(m->shut & VIRTIO_VSOCK_SHUTDOWN_SEND))
				guest_shut(w, m, VIRTIO_VSOCK_SHUTDOWN_SEND);
			if (m->fd >= 0 && m->host_got == m->sent)
				host_close(m);
		}
		loop_once(&w->loop, 0);
		pump(w, 1000);
	}
}

static void streams_match_the_model(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct model ready = { .guest_port = 9, .host_port = AGENT_READY_PORT };

	w->seed = 0x5eed5eed;
	assert_int_equal(loop_init(&w->loop, NULL), 0);
	assert_int_equal(vsock_table_init(&w->table, &ops, &w->loop, CID, NULL),
			 0);
	guest_packet(w, &ready, VIRTIO_VSOCK_OP_REQUEST, 0, NULL, 0);
	for (int i = 0; i < 200000; i++) {
		step(w, &w->conns[dice(w, CONNS)]);
		if (dice(w, 3) == 0)
			loop_once(&w->loop, 0);
		/* sometimes the guest has no buffers for a while */
		if ((i / 1000) % 4 != 3)
			pump(w, dice(w, 8));
	}
	assert_true(w->opened > 1000);
	assert_true(w->bytes > 10 * MIB);
	finish(w);
	assert_int_equal(w->table.used, 0);
	assert_false(vsock_table_pending(&w->table));
	for (int i = 0; i < CONNS; i++)
		host_close(&w->conns[i]);
	vsock_table_free(&w->table);
	loop_free(&w->loop);
	free(w);
}

/* A guest that knows all ports and keeps no rule. */
static void hostile_packets_do_no_harm(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct model m = { .guest_port = 9, .host_port = AGENT_READY_PORT };
	uint64_t end = now_ns() + 2000000000ULL;
	static uint8_t data[65536];

	w->seed = 0xbadbadbad;
	assert_int_equal(loop_init(&w->loop, NULL), 0);
	assert_int_equal(vsock_table_init(&w->table, &ops, &w->loop, CID, NULL),
			 0);
	while (now_ns() < end) {
		struct vsock_conn *c = &w->table.conns[dice(w, CONNS)];
		struct model *client = &w->conns[dice(w, CONNS)];
		struct iovec iov = { data, dice(w, 5) ? dice(w, 200)
						       : dice(w, 65537) };
		struct virtq_span s = { &iov, iov.iov_len > 0, iov.iov_len };
		struct virtio_vsock_hdr h = {
			CID, VSOCK_HOST_CID, c->guest_port, c->host_port,
			(uint32_t)iov.iov_len, 1, (uint16_t)dice(w, 9),
			dice(w, 6), dice(w, 3) ? 100000 : rig_random(&w->seed),
			dice(w, 2) ? c->tx_cnt : rig_random(&w->seed),
		};

		if (c->state == VSOCK_REQUESTED && dice(w, 2))
			h.op = VIRTIO_VSOCK_OP_RESPONSE;
		else if (dice(w, 2))
			h.op = VIRTIO_VSOCK_OP_RW;
		vsock_table_packet(&w->table, &h, &s);
		if (dice(w, 50) == 0)
			guest_packet(w, &m, VIRTIO_VSOCK_OP_REQUEST, 0, NULL,
				     0);
		if (dice(w, 200) == 0)
			vsock_table_reset(&w->table);
		if (client->state == NONE)
			begin(w, client);
		if (client->state == OPEN && dice(w, 20) == 0) {
			host_close(client);
			client->state = NONE;
		} else if (client->state == OPEN && client->fd >= 0) {
			if (dice(w, 2))
				send(client->fd, data, dice(w, 5000),
				     MSG_NOSIGNAL);
			else if (recv(client->fd, data, dice(w, 5000), 0) < 0)
				assert_true(errno == EAGAIN);
		}
		loop_once(&w->loop, 0);
		for (uint32_t n = dice(w, 5); n > 0; n--) {
			iov = (struct iovec){ data, 1 + dice(w, 5000) };
			s = (struct virtq_span){ &iov, 1, iov.iov_len };
			vsock_table_next(&w->table, &h, &s);
		}
	}
	vsock_table_free(&w->table);
	for (int i = 0; i < CONNS; i++)
		if (w->conns[i].state == OPEN)
			host_close(&w->conns[i]);
	loop_free(&w->loop);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_match_the_model),
		cmocka_unit_test(hostile_packets_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
