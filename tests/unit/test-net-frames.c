/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-net-frames.c - frames that are none, or mean another thing, and
 * what a guest is told
 *
 * Frames in plain memory; no socket is opened.
 */
#include <netinet/in.h>

#include "runner/net/reply.h"
#include "tests/unit/net-frame.h"
#include "tests/unit/unit.h"

static int setup(void **state)
{
	struct filter *f = calloc(1, sizeof(*f));

	f->v6 = true;
	f->policy.mode = NETPOLICY_ON;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void expect(struct filter *f, const struct frame_buf *b,
		   enum filter_action action, enum filter_reason reason)
{
	struct filter_verdict v = frame_judge(f, b);

	if (v.action != action || v.reason != reason)
		fail_msg("action %d (%s), not %d (%s)", v.action,
			 filter_reason_text(v.reason), action,
			 filter_reason_text(reason));
}

static const struct { const char *to; int protocol; } good[] = {
	{ "8.8.8.8", IPPROTO_TCP }, { "8.8.8.8", IPPROTO_UDP },
	{ "8.8.8.8", IPPROTO_ICMP }, { "2606:4700::1111", IPPROTO_TCP },
	{ "2606:4700::1111", IPPROTO_UDP }, { "fd00:7066::2", IPPROTO_ICMP },
};

static void each_frame_that_is_cut_is_dropped(void **state)
{
	struct filter *f = *state;
	struct frame_buf b;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		frame_make(&b, good[i].to, good[i].protocol, 443, "data", 4);
		expect(f, &b, FILTER_PASS, FILTER_OK);
		/* padding behind it is no harm */
		b.len += 10;
		expect(f, &b, FILTER_PASS, FILTER_OK);
		for (b.len -= 11; b.len > 0; b.len--)
			assert_int_equal(frame_judge(f, &b).action,
					 FILTER_DROP);
		expect(f, &b, FILTER_DROP, FILTER_RUNT);
	}
}

static void lengths_that_do_not_agree_are_dropped(void **state)
{
	struct filter *f = *state;
	struct frame_buf b;

	for (unsigned int total = 0; total < 48; total++) {
		frame_make(&b, "8.8.8.8", IPPROTO_UDP, 443, "12345678901234567890",
			   20);
		put16(b.ip + 2, (uint16_t)total);
		assert_int_equal(frame_judge(f, &b).action, FILTER_DROP);
	}
	frame_make(&b, "8.8.8.8", IPPROTO_UDP, 443, "data", 4);
	put16(b.ip + 2, 33);
	expect(f, &b, FILTER_DROP, FILTER_RUNT);
	for (unsigned int len = 0; len < 70000; len += len < 20 ? 1 : 1001) {
		frame_make(&b, "8.8.8.8", IPPROTO_UDP, 443, "data", 4);
		put16(b.l4 + 4, (uint16_t)len);
		if (len != 12)
			expect(f, &b, FILTER_DROP, FILTER_HEADER);
	}
	/* TCP's header is shorter than it can be, or longer than all there is */
	for (unsigned int words = 0; words < 16; words++) {
		frame_make(&b, "8.8.8.8", IPPROTO_TCP, 443, "12345678", 8);
		b.l4[12] = (uint8_t)(words << 4);
		expect(f, &b, words < 5 || words > 7 ? FILTER_DROP : FILTER_PASS,
		       words < 5 || words > 7 ? FILTER_HEADER : FILTER_OK);
	}
}

static void options_and_fragments_are_dropped(void **state)
{
	static const uint16_t bits[] = { 0x2000, 0x2001, 0x0001, 0x1fff, 0x8000,
					 0x00b9, 0x3fff };
	struct filter *f = *state;
	struct frame_buf b;

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
		frame_make(&b, "8.8.8.8", IPPROTO_TCP, 443, "", 0);
		put16(b.ip + 6, bits[i]);
		frame_sum(&b);
		expect(f, &b, FILTER_DROP, FILTER_FRAGMENT);
	}
	put16(b.ip + 6, 0x4000);
	expect(f, &b, FILTER_PASS, FILTER_OK);
	/* a source route; any option */
	for (uint8_t words = 6; words < 16; words++) {
		static const uint8_t data[60];

		frame_make(&b, "8.8.8.8", IPPROTO_TCP, 443, data, 60);
		b.ip[0] = 0x40 | words;
		expect(f, &b, FILTER_DROP, FILTER_OPTIONS);
	}
	b.ip[0] = 0x44;
	expect(f, &b, FILTER_DROP, FILTER_HEADER);
	b.ip[0] = 0x65;
	expect(f, &b, FILTER_DROP, FILTER_HEADER);
}

static void extension_headers_are_dropped(void **state)
{
	struct filter *f = *state;
	struct frame_buf b;

	frame_make(&b, "2606:4700::1111", IPPROTO_TCP, 443, "", 0);
	for (int next = 0; next < 256; next++) {
		struct filter_verdict v;

		if (next == IPPROTO_TCP || next == IPPROTO_UDP ||
		    next == IPPROTO_ICMPV6)
			continue;
		b.ip[6] = (uint8_t)next;
		v = frame_judge(f, &b);
		assert_int_equal(v.action, FILTER_DROP);
		if (next == IPPROTO_FRAGMENT)
			assert_int_equal(v.reason, FILTER_FRAGMENT);
	}
	/* IPv4's ICMP has no place here, nor the other way round */
	frame_make(&b, "8.8.8.8", IPPROTO_ICMP, 0, "", 0);
	b.ip[9] = IPPROTO_ICMPV6;
	expect(f, &b, FILTER_DROP, FILTER_PROTOCOL);
}

static void other_kinds_of_frames_are_dropped(void **state)
{
	static const uint16_t types[] = { 0, 60, 1500, 0x0801, 0x0805, 0x8100,
					  0x88a8, 0x8847, 0x8863, 0x8864, 0x888e,
					  0x88cc, 0x9100, 0xffff };
	struct filter *f = *state;
	struct frame_buf b;

	frame_make(&b, "8.8.8.8", IPPROTO_TCP, 443, "", 0);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		put16(b.b + 12, types[i]);
		expect(f, &b, FILTER_DROP, FILTER_ETHERTYPE);
	}
	for (int protocol = 0; protocol < 256; protocol++) {
		frame_make(&b, "8.8.8.8", IPPROTO_UDP, 443, "", 0);
		b.ip[9] = (uint8_t)protocol;
		if (protocol != IPPROTO_UDP)
			assert_int_equal(frame_judge(f, &b).action,
					 FILTER_DROP);
	}
	frame_make(&b, "2606:4700::1111", IPPROTO_TCP, 443, "", 0);
	f->v6 = false;
	expect(f, &b, FILTER_DROP, FILTER_ETHERTYPE);
}

static void a_guest_has_its_own_address_alone(void **state)
{
	static const char *const from[] = {
		"0.0.0.0", "127.0.0.1", "10.0.2.2", "10.0.2.3", "10.0.2.14",
		"10.0.2.16", "8.8.8.8", "255.255.255.255", "224.0.0.1",
		"192.168.1.1",
	};
	static const char *const from6[] = {
		"::", "::1", "fe80::1", "fd00:7066:0:1::f", "2001:db8::1",
		"ff02::1", "::ffff:10.0.2.15",
	};
	struct filter *f = *state;
	struct frame_buf b;

	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		struct addr a = frame_addr(from[i]);

		frame_make(&b, "8.8.8.8", IPPROTO_UDP, 443, "", 0);
		memcpy(b.ip + 12, a.b, 4);
		frame_sum(&b);
		expect(f, &b, FILTER_DROP, FILTER_SOURCE);
	}
	for (size_t i = 0; i < ARRAY_SIZE(from6); i++) {
		struct addr a = frame_addr(from6[i]);

		frame_make(&b, "2606:4700::1111", IPPROTO_UDP, 443, "", 0);
		memcpy(b.ip + 8, a.b, 16);
		frame_sum(&b);
		expect(f, &b, FILTER_DROP, FILTER_SOURCE);
	}
}

static void urgent_data_is_dropped(void **state)
{
	struct filter *f = *state;
	struct frame_buf b;

	for (unsigned int flags = 0; flags < 256; flags++) {
		frame_tcp(&b, "8.8.8.8", 80, (uint8_t)flags, 5);
		if (flags & TCP_URG)
			expect(f, &b, FILTER_DROP, FILTER_URGENT);
		else
			expect(f, &b, FILTER_PASS, FILTER_OK);
	}
}

static void of_icmp_only_echoes_pass(void **state)
{
	struct filter *f = *state;
	struct frame_buf b;

	for (unsigned int type = 0; type < 256; type++) {
		frame_make(&b, "8.8.8.8", IPPROTO_ICMP, 0, "data", 4);
		b.l4[0] = (uint8_t)type;
		assert_int_equal(frame_judge(f, &b).action == FILTER_PASS,
				 type == 8);
		frame_make(&b, "fd00:7066::2", IPPROTO_ICMP, 0, "data", 4);
		b.l4[0] = (uint8_t)type;
		assert_int_equal(frame_judge(f, &b).action == FILTER_PASS,
				 type == 128);
		/* pings of IPv6 go no further than to the router */
		frame_make(&b, "2606:4700::1111", IPPROTO_ICMP, 0, "data", 4);
		b.l4[0] = (uint8_t)type;
		assert_int_equal(frame_judge(f, &b).action, type == 128 ?
				 FILTER_REFUSE : FILTER_DROP);
	}
	frame_make(&b, "10.0.2.2", IPPROTO_ICMP, 0, "data", 4);
	expect(f, &b, FILTER_PASS, FILTER_OK);
}

static void arp_is_for_the_wire(void **state)
{
	static const uint8_t ask[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0x70, 0x66, 0, 0, 1,
		8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0x70, 0x66, 0, 0, 1,
		10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2,
	};
	struct filter *f = *state;
	struct frame_buf b = { .len = sizeof(ask) };

	memcpy(b.b, ask, sizeof(ask));
	expect(f, &b, FILTER_PASS, FILTER_OK);
	/* with the network off, too: or nothing would fail fast */
	f->policy.mode = NETPOLICY_OFF;
	expect(f, &b, FILTER_PASS, FILTER_OK);
	for (size_t len = 14; len < sizeof(ask); len++) {
		b.len = len;
		expect(f, &b, FILTER_DROP, FILTER_RUNT);
	}
	b.len = sizeof(ask);
	for (size_t at = 14; at < 32; at++) {
		if (at >= 22 && at < 28)	/* its MAC address */
			continue;
		b.b[at] ^= 0x40;
		expect(f, &b, FILTER_DROP, FILTER_ARP);
		b.b[at] ^= 0x40;
	}
}

static void neighbours_are_asked_on_the_wire_alone(void **state)
{
	static const uint8_t body[16];
	struct filter *f = *state;
	struct frame_buf b;

	frame_make(&b, "ff02::1:ff00:2", IPPROTO_ICMP, 0, body, 16);
	b.l4[0] = ICMP6_SOLICIT;
	b.ip[7] = 255;
	memset(b.ip + 8, 0, 16);	/* is my address free? */
	frame_sum(&b);
	expect(f, &b, FILTER_PASS, FILTER_OK);
	b.ip[7] = 254;
	expect(f, &b, FILTER_DROP, FILTER_SOURCE);
	b.ip[7] = 255;
	b.ip[25] = 0x05;		/* ff05: the site's */
	expect(f, &b, FILTER_DROP, FILTER_SOURCE);
	frame_make(&b, "2606:4700::1111", IPPROTO_ICMP, 0, body, 16);
	b.l4[0] = ICMP6_SOLICIT;
	b.ip[7] = 255;
	expect(f, &b, FILTER_DROP, FILTER_PROTOCOL);
	frame_make(&b, "fd00:7066::2", IPPROTO_ICMP, 0, body, 15);
	b.l4[0] = ICMP6_SOLICIT;
	b.ip[7] = 255;
	assert_int_not_equal(frame_judge(f, &b).action, FILTER_PASS);
}

static void names_are_asked_where_the_policy_says(void **state)
{
	static const char *const servers[] = { "10.0.2.3", "fd00:7066::3" };
	struct filter *f = *state;
	struct frame_buf b;

	for (size_t i = 0; i < 2; i++) {
		for (unsigned int port = 0; port < 300; port++) {
			bool dns = port == 53;

			f->policy.mode = NETPOLICY_ON;
			frame_make(&b, servers[i], IPPROTO_UDP, (uint16_t)port,
				   "q", 1);
			assert_int_equal(frame_judge(f, &b).action, dns ?
					 FILTER_PASS : FILTER_REFUSE);
			f->policy.mode = NETPOLICY_ALLOW;
			assert_int_equal(frame_judge(f, &b).action, dns ?
					 FILTER_DNS : FILTER_REFUSE);
			frame_make(&b, servers[i], IPPROTO_TCP, (uint16_t)port,
				   "q", 1);
			assert_int_equal(frame_judge(f, &b).action,
					 FILTER_REFUSE);
			f->policy.mode = NETPOLICY_ON;
			assert_int_equal(frame_judge(f, &b).action, dns ?
					 FILTER_PASS : FILTER_REFUSE);
		}
		/* another resolver */
		f->policy.mode = NETPOLICY_ALLOW;
		frame_make(&b, "8.8.8.8", IPPROTO_UDP, 53, "q", 1);
		expect(f, &b, FILTER_REFUSE, FILTER_NOT_ALLOWED);
	}
}

/* ---- answers ---- */

static size_t answer(struct filter *f, const struct frame_buf *b, uint8_t *out)
{
	struct filter_verdict v = frame_judge(f, b);
	size_t n = reply_build(b->b, &v, out);

	assert_true(n <= REPLY_MAX);
	if (n > 0) {
		assert_true(frame_sums_ok(out, n));
		assert_memory_equal(out, b->b + 6, 6);
	}
	return n;
}

static void refused_is_told_at_once(void **state)
{
	static const char big[1400];
	struct filter *f = *state;
	uint8_t out[REPLY_MAX], *ip = out + ETHER_HEADER;
	struct frame_buf b;

	f->policy.mode = NETPOLICY_OFF;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		for (size_t len = 0; len <= sizeof(big); len += 1400) {
			bool v6 = strchr(good[i].to, ':');
			const char *to = v6 ? "2606:4700::1111" : good[i].to;
			uint8_t *p = ip + (v6 ? IP6_HEADER : IP4_HEADER);
			size_t n;

			frame_make(&b, to, good[i].protocol, 443, big, len);
			n = answer(f, &b, out);
			assert_true(n > 0);
			assert_int_equal(p[0], v6 ? 1 : 3);
			assert_int_equal(p[1], v6 ? 1 : 13);
			/* it is about that packet */
			assert_memory_equal(p + 8, b.ip, 28);
		}
	/* nobody answers to groups, nor to what is no question */
	frame_make(&b, "224.0.0.251", IPPROTO_UDP, 5353, "", 0);
	assert_int_equal(answer(f, &b, out), 0);
	frame_make(&b, "10.0.2.255", IPPROTO_UDP, 137, "", 0);
	assert_int_equal(answer(f, &b, out), 0);
	frame_make(&b, "ff02::fb", IPPROTO_UDP, 5353, "", 0);
	assert_int_equal(answer(f, &b, out), 0);
	frame_tcp(&b, "8.8.8.8", 80, TCP_RST | TCP_ACK, 0);
	assert_int_equal(answer(f, &b, out), 0);
	frame_make(&b, "8.8.8.8", IPPROTO_ICMP, 0, "", 0);
	b.l4[0] = 3;
	assert_int_equal(answer(f, &b, out), 0);
}

static void open_flows_are_reset(void **state)
{
	struct filter *f = *state;
	uint8_t out[REPLY_MAX], *tcp = out + ETHER_HEADER + IP4_HEADER;
	struct frame_buf b;

	f->policy.mode = NETPOLICY_OFF;
	frame_tcp(&b, "8.8.8.8", 80, TCP_ACK, 100);
	assert_int_equal(answer(f, &b, out), 54);
	assert_int_equal(get16(tcp), 80);
	assert_int_equal(get16(tcp + 2), 40000);
	assert_int_equal(get32(tcp + 4), 5000);
	assert_int_equal(tcp[13], TCP_RST);
	/* one that acknowledges nothing */
	frame_tcp(&b, "8.8.8.8", 80, TCP_FIN, 100);
	assert_int_equal(answer(f, &b, out), 54);
	assert_int_equal(get32(tcp + 8), 1101);
	assert_int_equal(tcp[13], TCP_RST | TCP_ACK);
	frame_tcp(&b, "2606:4700::1111", 80, TCP_SYN | TCP_ACK, 0);
	assert_int_equal(answer(f, &b, out), 74);
}

static void datagrams_are_answered(void **state)
{
	static const char *const to[] = { "10.0.2.3", "fd00:7066::3" };
	uint8_t out[600], data[500];
	struct frame_buf b;

	memset(data, 0x5a, sizeof(data));
	for (size_t i = 0; i < 2; i++)
		for (size_t len = 0; len < sizeof(data); len++) {
			size_t n;

			frame_make(&b, to[i], IPPROTO_UDP, 53, "q", 1);
			n = reply_udp(b.b, data, len, out);
			assert_int_equal(n, (size_t)(b.l4 - b.b) + 8 + len);
			assert_true(frame_sums_ok(out, n));
		}
}

/* Any bytes: nothing is read behind the end (see frame_judge()), and what is
 * passed on goes where it may. */
static void fuzz(void **state)
{
	struct filter *f = *state;
	uint8_t out[REPLY_MAX];
	uint64_t seed = 0x5eed;
	unsigned int passed = 0;

	for (unsigned int i = 0; i < 300000; i++) {
		struct frame_buf b;
		struct filter_verdict v;

		frame_make(&b, good[i % 6].to, good[i % 6].protocol, 443,
			   "0123456789abcdef", i % 17);
		for (unsigned int n = i % 5; n > 0; n--) {
			seed = seed * 6364136223846793005ULL + 1;
			b.b[(seed >> 33) % b.len] = (uint8_t)(seed >> 55);
		}
		if (i % 7 == 0)
			b.len = (seed >> 40) % (b.len + 1);
		v = frame_judge(f, &b);
		assert_true(v.reason < FILTER_REASONS);
		if (v.action == FILTER_PASS)
			passed++;
		if (v.action == FILTER_PASS && !v.to.v6 && v.protocol)
			assert_true(addr_classify(&v.to) == ADDR_PUBLIC ||
				    v.to.b[0] == 10);
		else if (v.action == FILTER_REFUSE)
			answer(f, &b, out);
	}
	assert_true(passed > 60000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(each_frame_that_is_cut_is_dropped),
		T(lengths_that_do_not_agree_are_dropped),
		T(options_and_fragments_are_dropped),
		T(extension_headers_are_dropped),
		T(other_kinds_of_frames_are_dropped),
		T(a_guest_has_its_own_address_alone),
		T(urgent_data_is_dropped),
		T(of_icmp_only_echoes_pass),
		T(arp_is_for_the_wire),
		T(neighbours_are_asked_on_the_wire_alone),
		T(names_are_asked_where_the_policy_says),
		T(refused_is_told_at_once),
		T(open_flows_are_reset),
		T(datagrams_are_answered),
		T(fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
