/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-net-process.c - a real podflare-net between frames and sockets
 *
 * In a network of its own in which every address leads to listeners of the test
 * (netns.h); skipped (77) where none can be made.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/netwire.h"
#include "tests/unit/net-rig.h"
#include "tests/unit/netns.h"
#include "tests/unit/unit.h"

/* Return: whether something has come to a listener since. */
static bool leaked(struct rig *r)
{
	char c;
	int fd = accept4(r->tcp, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || recv(r->udp, &c, 1, MSG_DONTWAIT) >= 0;
}

/* ---- */

/* Shake hands. Return: the server's end, the guest's numbers in @seq, @ack. */
static int open_flow(struct rig *r, const char *to, uint32_t *seq, uint32_t *ack)
{
	struct pollfd p = { .fd = r->tcp, .events = POLLIN };
	struct frame_buf b;
	uint8_t *tcp;
	int fd;

	frame_make(&b, to, IPPROTO_TCP, PORT, "", 0);
	rig_transmit(r, &b);
	tcp = rig_expect(r, IPPROTO_TCP);
	assert_int_equal(tcp[13], TCP_SYN | TCP_ACK);
	*seq = get32(tcp + 8);
	*ack = get32(tcp + 4) + 1;
	assert_int_equal(*seq, 1001);
	assert_int_equal(poll(&p, 1, 10000), 1);
	fd = accept4(r->tcp, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void send_data(struct rig *r, const char *to, uint32_t seq, uint32_t ack,
		      const char *data)
{
	struct frame_buf b;

	frame_make(&b, to, IPPROTO_TCP, PORT, data, strlen(data));
	b.l4[13] = TCP_ACK;
	put32(b.l4 + 4, seq);
	put32(b.l4 + 8, ack);
	put16(b.l4 + 14, 65535);
	frame_sum(&b);
	rig_transmit(r, &b);
}

static void a_public_address_is_reached(struct rig *r, const char *to)
{
	uint32_t seq, ack;
	char buf[16] = "";
	uint8_t *tcp;
	int fd = open_flow(r, to, &seq, &ack);

	send_data(r, to, seq, ack, "hello");
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 5);
	assert_string_equal(buf, "hello");
	assert_int_equal(send(fd, "good day", 8, 0), 8);
	do {
		tcp = rig_expect(r, IPPROTO_TCP);
	} while (r->got_len - (size_t)(tcp - r->got) <
		 (size_t)(tcp[12] >> 4) * 4 + 8);
	assert_memory_equal(tcp + (tcp[12] >> 4) * 4, "good day", 8);
	assert_true(frame_sums_ok(r->got, r->got_len));
	close(fd);
}

static void flows_reach_the_internet(void **state)
{
	struct rig *r = *state;

	rig_policy(r, "on");
	a_public_address_is_reached(r, "192.0.2.1");
	if (netns_v6()) {
		static const uint8_t net6[16] = WIRE_NET6;
		struct frame_buf b;
		uint8_t *icmp;

		/* it asks who has the guest's address, and is told */
		frame_make(&b, "2001:db8::1", IPPROTO_TCP, PORT, "", 0);
		rig_transmit(r, &b);
		icmp = rig_expect(r, IPPROTO_ICMPV6);
		while (icmp[0] != ICMP6_SOLICIT)
			icmp = rig_expect(r, IPPROTO_ICMPV6);
		frame_make(&b, "fd00:7066::2", IPPROTO_ICMP, 0,
			   (uint8_t[24]){ 0 }, 24);
		b.l4[0] = ICMP6_ADVERT;
		b.l4[4] = 0x60;
		b.ip[7] = 255;
		memcpy(b.l4 + 8, net6, 16);
		b.l4[23] = 15;
		b.l4[24] = 2;
		b.l4[25] = 1;
		memcpy(b.l4 + 26, b.b + 6, 6);
		frame_sum(&b);
		rig_transmit(r, &b);
		assert_int_equal(rig_expect(r, IPPROTO_TCP)[13], TCP_SYN | TCP_ACK);
	}
}

static void datagrams_reach_the_internet(void **state)
{
	struct rig *r = *state;
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	struct pollfd p = { .fd = r->udp, .events = POLLIN };
	struct frame_buf b;
	char buf[16] = "";
	uint8_t *udp;

	rig_policy(r, "on");
	frame_make(&b, "203.0.113.9", IPPROTO_UDP, PORT, "ping", 4);
	rig_transmit(r, &b);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(recvfrom(r->udp, buf, sizeof(buf), 0,
				  (struct sockaddr *)&from, &len), 4);
	assert_string_equal(buf, "ping");
	/* frames at their largest */
	assert_int_equal(sendto(r->udp, r, 60000, 0, (struct sockaddr *)&from,
				len), 60000);
	udp = rig_expect(r, IPPROTO_UDP);
	assert_int_equal(get16(udp + 4), 60008);
	assert_true(frame_sums_ok(r->got, r->got_len));
}

static void names_are_asked_of_the_hosts_resolver(void **state)
{
	struct rig *r = *state;
	struct pollfd p = { .fd = r->dns, .events = POLLIN };
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	struct frame_buf b;
	char buf[16] = "";
	FILE *f = fopen("/etc/resolv.conf", "r");
	char line[256];
	bool server = false;

	while (f && fgets(line, sizeof(line), f))
		server = server || strncmp(line, "nameserver ", 11) == 0;
	if (f)
		fclose(f);
	if (!server)
		skip();
	rig_policy(r, "on");
	frame_make(&b, "10.0.2.3", IPPROTO_UDP, 53, "question", 8);
	rig_transmit(r, &b);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(recvfrom(r->dns, buf, sizeof(buf), 0,
				  (struct sockaddr *)&from, &len), 8);
	assert_string_equal(buf, "question");
	assert_int_equal(sendto(r->dns, "answer", 6, 0,
				(struct sockaddr *)&from, len), 6);
	assert_memory_equal(rig_expect(r, IPPROTO_UDP) + 8, "answer", 6);
	rig_policy(r, "off");
	rig_transmit(r, &b);
	assert_int_equal(rig_expect(r, IPPROTO_ICMP)[0], 3);
	assert_int_equal(recv(r->dns, buf, 1, MSG_DONTWAIT), -1);
}

/* Ask for the addresses of a name on the wire, with the NUL at its end. */
static void ask_name(struct rig *r, const char *name, size_t len)
{
	uint8_t m[64] = { 0x12, 0x34, 1, 0, 0, 1 };
	struct frame_buf b;

	memcpy(m + 12, name, len);
	m[12 + len + 1] = 1;
	m[12 + len + 3] = 1;
	frame_make(&b, "10.0.2.3", IPPROTO_UDP, 53, m, 16 + len);
	rig_transmit(r, &b);
}

static bool can_reach(struct rig *r, const char *to)
{
	struct frame_buf b;

	frame_make(&b, to, IPPROTO_UDP, PORT, "x", 1);
	rig_transmit(r, &b);
	while (rig_receive(r, 100))
		continue;
	return recv(r->udp, &b, 1, MSG_DONTWAIT) == 1;
}

static void names_of_a_list_are_asked_and_judged(void **state)
{
	static const uint8_t records[] = {
		0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 5,
		0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1,
		0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1,
		0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 198, 51, 100, 7,
	};
	struct rig *r = *state;
	struct pollfd p = { .fd = r->dns, .events = POLLIN };
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	uint8_t m[512], *udp;
	ssize_t n;

	if (access("/etc/resolv.conf", R_OK) < 0)
		skip();
	rig_policy(r, "allow=*.example.org");
	assert_false(can_reach(r, "192.0.2.5"));
	/* one that is not on it goes nowhere */
	ask_name(r, "\7example\3org", 13);
	udp = rig_expect(r, IPPROTO_UDP);
	assert_int_equal(udp[11] & 15, 5);
	assert_int_equal(poll(&p, 1, 0), 0);
	ask_name(r, "\3wWw\7example\3org", 17);
	if (poll(&p, 1, 3000) != 1)
		skip();		/* resolv.conf names nobody */
	n = recvfrom(r->dns, m, sizeof(m), 0, (struct sockaddr *)&from, &len);
	assert_int_equal(n, 33);
	assert_memory_equal(m + 12, "\3www\7example\3org", 17);
	m[2] = 0x81;
	m[3] = 0x80;
	m[7] = 4;
	memcpy(m + n, records, sizeof(records));
	/* somebody else's answer first: another id */
	m[0] ^= 1;
	sendto(r->dns, m, (size_t)n + sizeof(records), 0,
	       (struct sockaddr *)&from, len);
	m[0] ^= 1;
	sendto(r->dns, m, (size_t)n + sizeof(records), 0,
	       (struct sockaddr *)&from, len);
	udp = rig_expect(r, IPPROTO_UDP);
	assert_true(frame_sums_ok(r->got, r->got_len));
	assert_int_equal(get16(udp + 8), 0x1234);
	assert_int_equal(get16(udp + 14), 1);	/* one is left */
	assert_memory_equal(udp + 8 + 33 + 12, "\xc0\0\2\5", 4);
	assert_true(can_reach(r, "192.0.2.5"));
	assert_false(can_reach(r, "192.0.2.6"));
	assert_false(can_reach(r, "10.0.0.1"));
	assert_false(can_reach(r, "127.0.0.1"));
	assert_false(can_reach(r, "198.51.100.7"));
	/* another policy: what was granted is forgotten */
	rig_policy(r, "allow=*.example.com");
	assert_false(can_reach(r, "192.0.2.5"));
}

static const char *const forbidden[] = {
	"127.0.0.1", "127.0.0.53", "127.255.255.254", "0.0.0.0", "0.0.0.1",
	"10.0.0.1", "10.0.2.2", "10.0.2.3", "10.0.2.15", "10.0.2.255",
	"10.255.255.254", "172.16.0.1", "172.31.255.254", "192.168.0.1",
	"192.168.255.254", "100.64.0.1", "100.127.255.254", "169.254.169.254",
	"169.254.0.1", "168.63.129.16", "100.100.100.200", "192.0.0.192",
	"192.88.99.1", "198.18.0.1", "224.0.0.1", "224.0.0.251",
	"239.255.255.250", "240.0.0.1", "255.255.255.255",
	"198.51.100.7", "198.51.100.0", "198.51.100.255",	/* the host's */
	"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
	"::ffff:192.0.2.1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
	"64:ff9b::c633:6407", "64:ff9b:1::1", "2001::1", "2002:7f00:1::1",
	"2002:a00:1::1", "2002:c000:201::1", "fc00::1", "fd00::1",
	"fd00:7066::2", "fd00:7066::3", "fd00:ec2::254", "fe80::1", "fe80::2",
	"fec0::1", "ff02::1", "ff02::fb", "ff0e::1", "4000::1",
};

/* Every one of them, TCP, UDP and echo; then what is public still works. */
static unsigned int probe(struct rig *r)
{
	static const int protocols[] = { IPPROTO_TCP, IPPROTO_UDP,
					 IPPROTO_ICMP };
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
		for (size_t p = 0; p < ARRAY_SIZE(protocols); p++) {
			struct frame_buf b;

			/* the gateway answers to echoes itself */
			if (protocols[p] == IPPROTO_ICMP &&
			    strstr("10.0.2.2 fd00:7066::2", forbidden[i]))
				continue;
			frame_make(&b, forbidden[i], protocols[p], PORT,
				   "probe", 5);
			rig_transmit(r, &b);
			n++;
			while (rig_receive(r, 0)) {
				uint8_t *ip = r->got + ETHER_HEADER;

				if (get16(r->got + 12) != ETHERTYPE4)
					continue;
				/* refused, or nothing */
				assert_int_equal(ip[9], IPPROTO_ICMP);
				assert_int_equal(ip[IP4_HEADER], 3);
			}
		}
	return n;
}

static void drain(struct rig *r)
{
	while (rig_receive(r, 100))
		continue;
}

static void nothing_forbidden_is_reached(void **state)
{
	static const char *const policies[] = {
		"on", "off", "allow=0.0.0.0/0,[::]/0", "allow=example.org",
	};
	struct rig *r = *state;
	unsigned int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		rig_policy(r, policies[i]);
		n += probe(r);
		drain(r);
		assert_false(leaked(r));
	}
	print_message("%u probes of forbidden destinations\n", n);
	assert_true(n > 300);
	rig_policy(r, "on");
	a_public_address_is_reached(r, "192.0.2.1");
}

/* An address that the host has just got. */
static void the_hosts_new_address_is_its_own_at_once(void **state)
{
	struct rig *r = *state;
	struct frame_buf b;

	rig_policy(r, "on");
	frame_make(&b, "192.0.2.77", IPPROTO_UDP, PORT, "probe", 5);
	rig_transmit(r, &b);
	drain(r);
	assert_true(leaked(r));
	netns_add_address("192.0.2.77", 32);
	usleep(100000);
	rig_transmit(r, &b);
	assert_int_equal(rig_expect(r, IPPROTO_ICMP)[0], 3);
	assert_false(leaked(r));
}

static void off_fails_fast_and_ends_flows(void **state)
{
	struct rig *r = *state;
	uint64_t began;
	struct frame_buf b;
	uint32_t seq, ack;
	int fd;

	/* as it is before the first policy comes */
	began = now_ns();
	frame_make(&b, "192.0.2.1", IPPROTO_TCP, PORT, "", 0);
	rig_transmit(r, &b);
	assert_int_equal(rig_expect(r, IPPROTO_ICMP)[1], 13);
	assert_true(now_ns() - began < 1000000000);
	rig_policy(r, "on");
	fd = open_flow(r, "192.0.2.1", &seq, &ack);
	rig_policy(r, "off");
	send_data(r, "192.0.2.1", seq, ack, "more");
	assert_int_equal(rig_expect(r, IPPROTO_TCP)[13], TCP_RST);
	close(fd);
}

/* What a fork does: flows that this process has never seen. */
static void unknown_flows_are_reset(void **state)
{
	struct rig *r = *state;

	rig_policy(r, "on");
	send_data(r, "192.0.2.1", 123456, 654321, "more");
	assert_true(rig_expect(r, IPPROTO_TCP)[13] & TCP_RST);
	assert_false(leaked(r));
}

static void garbage_ends_control_and_changes_nothing(void **state)
{
	struct rig *r = *state;
	char c;

	rig_policy(r, "on");
	assert_int_equal(send(r->control, "garbage", 7, 0), 7);
	assert_int_equal(recv(r->control, &c, 1, 0), 0);
	a_public_address_is_reached(r, "192.0.2.1");
}

static void it_ends_with_its_wire(void **state)
{
	struct rig *r = *state;
	int status;

	close(r->wire);
	r->wire = -1;
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	assert_int_equal(status, 0);
	r->pid = -1;
}

/* A guest that takes nothing, while its peer sends: bounded, and it goes on. */
static void a_guest_that_takes_nothing_holds_up_itself(void **state)
{
	struct rig *r = *state;
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	struct pollfd p = { .fd = r->udp, .events = POLLIN };
	struct frame_buf b;
	char c;

	rig_policy(r, "on");
	frame_make(&b, "203.0.113.9", IPPROTO_UDP, PORT, "ping", 4);
	rig_transmit(r, &b);
	assert_int_equal(poll(&p, 1, 10000), 1);
	recvfrom(r->udp, &c, 1, 0, (struct sockaddr *)&from, &len);
	for (int i = 0; i < 2000; i++)
		sendto(r->udp, r, 1400, MSG_DONTWAIT, (struct sockaddr *)&from,
		       len);
	usleep(200000);
	drain(r);
	a_public_address_is_reached(r, "192.0.2.1");
}

static bool status_has(const struct rig *r, const char *want)
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)r->pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		found = found || strcmp(line, want) == 0;
	fclose(f);
	return found;
}

static void it_has_given_up_what_it_does_not_need(void **state)
{
	struct rig *r = *state;

	rig_policy(r, "on");	/* it runs */
	if (!status_has(r, "Seccomp:\t2\n"))
		skip();		/* a build with sanitizers */
	assert_true(status_has(r, "NoNewPrivs:\t1\n"));
	assert_true(status_has(r, "CapEff:\t0000000000000000\n"));
	assert_true(status_has(r, "CapPrm:\t0000000000000000\n"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(flows_reach_the_internet),
		T(datagrams_reach_the_internet),
		T(names_are_asked_of_the_hosts_resolver),
		T(names_of_a_list_are_asked_and_judged),
		T(nothing_forbidden_is_reached),
		T(the_hosts_new_address_is_its_own_at_once),
		T(off_fails_fast_and_ends_flows),
		T(unknown_flows_are_reset),
		T(garbage_ends_control_and_changes_nothing),
		T(it_ends_with_its_wire),
		T(a_guest_that_takes_nothing_holds_up_itself),
		T(it_has_given_up_what_it_does_not_need),
	};

	if (!netns_enter()) {
		printf("skipped: no network namespace can be made here\n");
		return 77;
	}
	netns_add_address("198.51.100.7", 24);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
