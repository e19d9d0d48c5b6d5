/* SPDX-License-Identifier: MIT */
/* tests/unit/net-rig.c - a real podflare-net, its guest and its internet */
#include "tests/unit/net-rig.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/path.h"
#include "common/proc.h"
#include "tests/unit/netns.h"
#include "tests/unit/unit.h"

/* ---- the guest's side */

void rig_transmit(struct rig *r, const struct frame_buf *b)
{
	assert_int_equal(send(r->wire, b->b, b->len, 0), b->len);
}

bool rig_receive(struct rig *r, int ms)
{
	struct pollfd p = { .fd = r->wire, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return false;
	n = recv(r->wire, r->got, sizeof(r->got), MSG_DONTWAIT);
	assert_true(n >= (ssize_t)ETHER_HEADER);
	r->got_len = (size_t)n;
	return true;
}

uint8_t *rig_expect(struct rig *r, uint8_t protocol)
{
	while (rig_receive(r, 10000)) {
		uint8_t *ip = r->got + ETHER_HEADER;

		if (get16(r->got + 12) == ETHERTYPE4 && ip[9] == protocol)
			return ip + IP4_HEADER;
		if (get16(r->got + 12) == ETHERTYPE6 && ip[6] == protocol)
			return ip + IP6_HEADER;
	}
	fail_msg("no answer of protocol %d", protocol);
	return NULL;
}

static void say_who_we_are(struct rig *r)
{
	static const uint8_t ask[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0x70, 0x66, 0, 0, 1,
		8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0x70, 0x66, 0, 0, 1,
		10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2,
	};

	assert_int_equal(send(r->wire, ask, sizeof(ask), 0), sizeof(ask));
	assert_true(rig_receive(r, 10000));
	assert_int_equal(get16(r->got + 12), ETHERTYPE_ARP);
}

/* ---- life */

void rig_policy(struct rig *r, const char *text)
{
	static struct netctl_policy m;
	struct netctl_header ask = { NETCTL_MAGIC, NETCTL_STATUS };
	struct netctl_status st;
	struct err err = ERR_INIT;

	m.h = (struct netctl_header){ NETCTL_MAGIC, NETCTL_POLICY };
	if (netpolicy_parse(&m.policy, text, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(send(r->control, &m, sizeof(m), 0), sizeof(m));
	/* it is in force when what comes after it is answered */
	assert_int_equal(send(r->control, &ask, sizeof(ask), 0), sizeof(ask));
	assert_int_equal(recv(r->control, &st, sizeof(st), 0), sizeof(st));
}

int rig_setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct err err = ERR_INIT;
	char *program = path_program("podflare-net", &err);
	const char *argv[] = { program, NULL };
	int wire[2], control[2];
	struct proc_spawn s = { .argv = argv, .nfds = 5, .new_session = true };

	if (!program)
		fail_msg("%s", err.msg);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				    wire), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				    control), 0);
	s.fds[0] = s.fds[1] = -1;
	s.fds[2] = 2;
	s.fds[3] = wire[1];
	s.fds[4] = control[1];
	r->pid = proc_spawn(&s, &r->pidfd, &err);
	if (r->pid < 0)
		fail_msg("%s", err.msg);
	close(wire[1]);
	close(control[1]);
	free(program);
	r->wire = wire[0];
	r->control = control[0];
	r->tcp = netns_listen(SOCK_STREAM, PORT);
	r->udp = netns_listen(SOCK_DGRAM, PORT);
	r->dns = netns_listen(SOCK_DGRAM, 53);
	say_who_we_are(r);
	*state = r;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *r = *state;

	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	close(r->pidfd);
	if (r->wire >= 0)
		close(r->wire);
	if (r->control >= 0)
		close(r->control);
	close(r->tcp);
	close(r->udp);
	close(r->dns);
	free(r);
	return 0;
}
