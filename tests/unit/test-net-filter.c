/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-net-filter.c - destinations that a guest must not reach
 *
 * Frames in plain memory; no socket is opened.
 */
#include <netinet/in.h>
#include <stdio.h>

#include "tests/unit/net-frame.h"
#include "tests/unit/unit.h"

static const int protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
static const uint16_t ports[] = { 22, 53, 80, 443 };

/* Never to be reached, whatever a list says. */
static const char *const never[] = {
	"0.0.0.0", "0.0.0.1", "0.1.2.3", "0.255.255.255",
	"127.0.0.1", "127.0.0.0", "127.0.0.53", "127.1.2.3", "127.255.255.255",
	"169.254.0.0", "169.254.0.1", "169.254.169.254", "169.254.170.2",
	"169.254.255.255", "100.100.100.200", "168.63.129.16",
	"192.0.0.0", "192.0.0.1", "192.0.0.170", "192.0.0.192", "192.0.0.255",
	"192.88.99.1", "192.88.99.255",
	"10.0.2.0", "10.0.2.1", "10.0.2.2", "10.0.2.3", "10.0.2.4",
	"10.0.2.15", "10.0.2.16", "10.0.2.255",
	"224.0.0.0", "224.0.0.1", "224.0.0.251", "232.1.1.1",
	"239.255.255.250", "239.255.255.255",
	"240.0.0.0", "240.0.0.1", "254.1.2.3", "255.0.0.0",
	"255.255.255.254", "255.255.255.255",
	"::", "::1", "::2", "::127.0.0.1", "::10.0.0.1", "::8.8.8.8",
	"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
	"::ffff:192.168.1.1", "::ffff:8.8.8.8", "::ffff:0.0.0.0",
	"::ffff:0:127.0.0.1", "0:0:0:1::1", "100::1", "1::1", "1fff::1",
	"64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254",
	"64:ff9b::192.168.0.1", "64:ff9b::100.64.0.1", "64:ff9b::0.0.0.0",
	"64:ff9b::198.51.100.7",	/* the host's, wrapped */
	"64:ff9b:1::8.8.8.8", "64:ff9b:0:0:0:1::1", "64:ff9b:1:fffe::10.0.0.1",
	"2001::1", "2001:0:53aa:64c:0:0:f5ff:fffe", "2001:0:ffff::1",
	"2001:10::1", "2001:1f:ffff::1", "2001:20::1", "2001:2f:ffff::1",
	"2002::1", "2002:7f00:1::1", "2002:a00:1::1", "2002:a9fe:a9fe::1",
	"2002:c0a8:101::1", "2002:808:808::1",
	"2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	"4000::1", "5f00::1", "8000::1", "c000::1", "e000::1",
	"f000::1", "fbff::1",
	"fd00:7066::", "fd00:7066::1", "fd00:7066::2", "fd00:7066::3",
	"fd00:7066::f", "fd00:7066::ffff:ffff:ffff:ffff",
	"fd00:ec2::254", "fd00:ec2::1", "fd20:ce::254",
	"fe00::1", "fe80::", "fe80::1", "fe80::2", "fe80::5054:ff:fe12:3456",
	"febf:ffff::1", "fec0::1", "feff::1",
	"ff00::1", "ff01::1", "ff02::1", "ff02::2", "ff02::fb", "ff02::1:2",
	"ff05::2", "ff0e::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	/* the host's own, below */
	"198.51.100.7", "198.51.100.255", "10.99.0.1", "2001:db8:5::7",
	"fd12:3456::7",
};

/* Reached when a list names them, or a part of their range. */
static const char *const private[] = {
	"10.0.0.0", "10.0.0.1", "10.0.1.255", "10.0.3.0", "10.1.2.3",
	"10.255.255.255", "172.16.0.0", "172.16.0.1", "172.20.30.40",
	"172.31.255.255", "192.168.0.0", "192.168.0.1", "192.168.1.1",
	"192.168.255.255", "100.64.0.0", "100.64.0.1", "100.100.100.199",
	"100.100.100.201", "100.127.255.255", "198.18.0.1", "198.19.255.255",
	"fc00::1", "fd00::1", "fd00:7066:0:1::1", "fd00:ec3::254", "fdff::1",
	"2001:2::1", "2001:2:0:ffff::1",
};

/* Just outside of those, and the usual. */
static const char *const public[] = {
	"1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0",
	"100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
	"168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0",
	"172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.0",
	"192.0.2.1", "192.88.98.255", "192.88.100.0", "192.167.255.255",
	"192.169.0.0", "198.17.255.255", "198.20.0.0", "198.51.100.6",
	"198.51.100.8", "203.0.113.1", "223.255.255.255",
	"2000::1", "2001:1::1", "2001:3::1", "2001:30::1", "2001:db8::1",
	"2001:db8:5::8", "2001:4860:4860::8888", "2003::1", "2606:4700::1111",
	"3fff:ffff::1", "64:ff9b::8.8.8.8", "64:ff9b::198.51.100.6",
};

static int setup(void **state)
{
	static const char *const host[] = {
		"198.51.100.7", "198.51.100.255", "10.99.0.1", "2001:db8:5::7",
		"fd12:3456::7",
	};
	struct filter *f = calloc(1, sizeof(*f));

	f->v6 = true;
	f->policy.mode = NETPOLICY_ON;
	for (size_t i = 0; i < ARRAY_SIZE(host); i++) {
		struct addr a = frame_addr(host[i]);

		addr_host_add(&f->host, &a);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void set_policy(struct filter *f, const char *text)
{
	struct netpolicy p;
	struct err err = ERR_INIT;

	if (netpolicy_parse(&p, text, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(netpolicy_check(&p));
	filter_set_policy(f, &p);
}

/* Pings of the gateway, and questions to its name server, are for itself. */
static bool own_service(const char *to, int protocol, uint16_t port)
{
	if (strcmp(to, "10.0.2.2") == 0 || strcmp(to, "fd00:7066::2") == 0)
		return protocol == IPPROTO_ICMP;
	if (strcmp(to, "10.0.2.3") == 0 || strcmp(to, "fd00:7066::3") == 0)
		return protocol != IPPROTO_ICMP && port == 53;
	return false;
}

/* Every protocol and port, TCP with several flags. Return: how many probes. */
static unsigned int probe(struct filter *f, const char *to, bool passes)
{
	static const uint8_t flags[] = { TCP_SYN, TCP_ACK, TCP_SYN | TCP_ACK,
					 TCP_FIN | TCP_ACK, TCP_RST, 0 };
	struct filter_verdict v;
	struct frame_buf b;
	unsigned int n = 0;

	for (size_t p = 0; p < ARRAY_SIZE(protocols); p++)
		for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
			if (own_service(to, protocols[p], ports[i]))
				continue;
			frame_make(&b, to, protocols[p], ports[i], "data", 4);
			v = frame_judge(f, &b);
			if ((v.action == FILTER_PASS) !=
			    (passes && !(v.to.v6 && v.protocol ==
					 IPPROTO_ICMPV6)) ||
			    v.action == FILTER_DNS)
				fail_msg("%s, protocol %d, port %u: %s", to,
					 protocols[p], ports[i],
					 filter_reason_text(v.reason));
			n++;
		}
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		frame_tcp(&b, to, 8080, flags[i], 3);
		v = frame_judge(f, &b);
		assert_int_equal(v.action == FILTER_PASS, passes);
		n++;
	}
	return n;
}

static unsigned int probe_all(struct filter *f, const char *const *list,
			      size_t nr, bool passes)
{
	unsigned int n = 0;

	for (size_t i = 0; i < nr; i++)
		n += probe(f, list[i], passes);
	return n;
}

#define PROBE(f, list, passes) probe_all(f, list, ARRAY_SIZE(list), passes)

static void on_reaches_what_is_public(void **state)
{
	struct filter *f = *state;
	unsigned int n;

	PROBE(f, public, true);
	n = PROBE(f, never, false) + PROBE(f, private, false);
	print_message("%u probes of forbidden destinations\n", n);
	assert_true(n > 300);
}

static void off_reaches_nothing(void **state)
{
	struct filter *f = *state;
	struct frame_buf b;

	set_policy(f, "off");
	PROBE(f, public, false);
	PROBE(f, private, false);
	PROBE(f, never, false);
	/* no names either */
	frame_make(&b, "10.0.2.3", IPPROTO_UDP, 53, "x", 1);
	assert_int_equal(frame_judge(f, &b).action, FILTER_REFUSE);
	/* all zero is "off" */
	memset(&f->policy, 0, sizeof(f->policy));
	PROBE(f, public, false);
	/* and a mode that is none */
	f->policy.mode = 77;
	PROBE(f, public, false);
}

static void a_list_of_everything_opens_no_private_range(void **state)
{
	struct filter *f = *state;

	set_policy(f, "allow=0.0.0.0/0,[::]/0");
	PROBE(f, public, true);
	PROBE(f, private, false);
	PROBE(f, never, false);
}

static void a_list_can_name_private_ranges(void **state)
{
	struct filter *f = *state;

	set_policy(f, "allow=10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,"
		   "100.64.0.0/10,198.18.0.0/15,[fc00::]/7,[2001:2::]/48");
	PROBE(f, private, true);
	PROBE(f, never, false);
	PROBE(f, public, false);
	set_policy(f, "allow=10.1.2.3");
	probe(f, "10.1.2.3", true);
	probe(f, "10.1.2.2", false);
	probe(f, "10.1.2.4", false);
	/* a range that is partly private */
	set_policy(f, "allow=8.0.0.0/6");
	probe(f, "11.1.1.1", true);
	probe(f, "10.1.1.1", false);
}

static void nothing_forbidden_can_be_named(void **state)
{
	struct filter *f = *state;
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		struct addr a = frame_addr(never[i]);
		char plain[64];

		addr_text(&a, plain);
		snprintf(text, sizeof(text), a.v6 ? "allow=[%s]" : "allow=%s",
			 plain);
		set_policy(f, text);
		probe(f, never[i], false);
	}
}

static void a_list_is_for_its_ports(void **state)
{
	struct filter *f = *state;
	struct frame_buf b;

	set_policy(f, "allow=8.8.8.8:443,1.1.1.0/24:8000-8999");
	frame_make(&b, "8.8.8.8", IPPROTO_TCP, 443, "", 0);
	assert_int_equal(frame_judge(f, &b).action, FILTER_PASS);
	frame_make(&b, "8.8.8.8", IPPROTO_UDP, 443, "", 0);
	assert_int_equal(frame_judge(f, &b).action, FILTER_PASS);
	for (int port = 0; port < 65536; port += port < 9100 ? 1 : 97) {
		frame_make(&b, "8.8.8.8", IPPROTO_TCP, (uint16_t)port, "", 0);
		assert_int_equal(frame_judge(f, &b).action == FILTER_PASS,
				 port == 443);
		frame_make(&b, "1.1.1.200", IPPROTO_UDP, (uint16_t)port, "", 0);
		assert_int_equal(frame_judge(f, &b).action == FILTER_PASS,
				 port >= 8000 && port <= 8999);
	}
	frame_make(&b, "8.8.8.8", IPPROTO_ICMP, 0, "", 0);
	assert_int_equal(frame_judge(f, &b).reason, FILTER_NOT_ALLOWED);
	set_policy(f, "allow=8.8.8.8");
	assert_int_equal(frame_judge(f, &b).action, FILTER_PASS);
}

static void names_stand_for_what_the_stub_gave_out(void **state)
{
	const uint64_t now = 1000000000000ULL, second = 1000000000ULL;
	struct addr web = frame_addr("203.0.113.9"), a;
	struct filter *f = *state;

	set_policy(f, "allow=example.org:443,*.example.com");
	probe(f, "203.0.113.9", false);
	assert_true(filter_grant(f, &web, 0, 60, now));
	assert_int_equal(filter_destination(f, &web, 443, now), FILTER_OK);
	assert_int_equal(filter_destination(f, &web, 80, now),
			 FILTER_NOT_ALLOWED);
	assert_int_equal(filter_destination(f, &web, 0, now),
			 FILTER_NOT_ALLOWED);
	assert_true(filter_grant(f, &web, 1, 60, now));
	assert_int_equal(filter_destination(f, &web, 80, now), FILTER_OK);
	/* it ends, but not under a flow that lasts */
	assert_int_equal(filter_destination(f, &web, 80, now + 299 * second),
			 FILTER_OK);
	assert_int_equal(filter_destination(f, &web, 80, now + 350 * second),
			 FILTER_OK);
	assert_int_equal(filter_destination(f, &web, 80, now + 420 * second),
			 FILTER_NOT_ALLOWED);
	/* names that point into private space, or at the host */
	for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
		a = frame_addr(never[i]);
		assert_false(filter_grant(f, &a, 1, 60, now));
		probe(f, never[i], false);
	}
	for (size_t i = 0; i < ARRAY_SIZE(private); i++) {
		a = frame_addr(private[i]);
		assert_false(filter_grant(f, &a, 1, 60, now));
		probe(f, private[i], false);
	}
	/* the table is bounded, the newest are in it */
	for (uint32_t i = 0; i < 3 * FILTER_GRANTS; i++) {
		a = addr_v4(0xcb000000u + i);
		assert_true(filter_grant(f, &a, 1, 3600, now + i * second));
		assert_int_equal(filter_destination(f, &a, 80, now + i * second),
				 FILTER_OK);
	}
	/* another policy: none is left */
	set_policy(f, "allow=example.org,*.example.com");
	assert_int_equal(filter_destination(f, &a, 80, now),
			 FILTER_NOT_ALLOWED);
}

/* More addresses than we can remember: all might be the host's. */
static void too_many_addresses_of_the_host_forbid_all(void **state)
{
	struct filter *f = *state;
	struct addr a = frame_addr("203.0.113.77");

	while (!f->host.overflow)
		addr_host_add(&f->host, &a);
	PROBE(f, public, false);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(on_reaches_what_is_public),
		T(off_reaches_nothing),
		T(a_list_of_everything_opens_no_private_range),
		T(a_list_can_name_private_ranges),
		T(nothing_forbidden_can_be_named),
		T(a_list_is_for_its_ports),
		T(names_stand_for_what_the_stub_gave_out),
		T(too_many_addresses_of_the_host_forbid_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
