/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-requests.c - HELLO, INFO, POWEROFF; kept output */
#include <stdio.h>
#include <unistd.h>

#include "common/err.h"
#include "guest-init/backlog.h"
#include "tests/unit/agent-rig.h"
#include "tests/unit/unit.h"

static void hello(struct rig *r, uint32_t protocol, size_t entropy,
		  const char *name, struct reply *reply)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint8_t bytes[64] = { 7 };

	tlv_put_u32(&b, AGENT_T_PROTOCOL, protocol);
	if (entropy)
		tlv_put(&b, AGENT_T_ENTROPY, bytes, entropy);
	tlv_put_u64(&b, AGENT_T_REALTIME, 1234567890123456789);
	tlv_put_str(&b, AGENT_T_HOSTNAME, name);
	tlv_put_str(&b, 999, "from a newer host");
	rig_ask(r, AGENT_HELLO, &b, reply);
}

static void nothing_runs_before_the_greeting(void **state)
{
	struct reply reply;

	rig_sh(*state, "echo early", &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_STATE);
	reply_free(&reply);
	hello(*state, AGENT_PROTOCOL, 0, "x", &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	reply_free(&reply);
	rig_sh(*state, "echo early", &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	reply_free(&reply);
}

static void a_greeting_carries_entropy_clock_and_name(void **state)
{
	struct rig *r = *state;
	uint32_t before = r->seen->entropy, protocol = 0;
	char version[64] = "";
	struct reply reply;
	struct tlv t;
	size_t pos = 0;

	hello(r, AGENT_PROTOCOL, 64, "box-1", &reply);
	assert_int_equal(reply.type, AGENT_OK);
	while (tlv_next(reply.values.data, reply.values.len, &pos, &t) > 0) {
		if (t.tag == AGENT_T_PROTOCOL)
			protocol = tlv_u32(&t);
		if (t.tag == AGENT_T_VERSION)
			tlv_str(&t, version, sizeof(version));
	}
	assert_int_equal(protocol, AGENT_PROTOCOL);
	assert_string_equal(version, PACKAGE_VERSION);
	assert_int_equal(r->seen->entropy, before + 64);
	assert_int_equal(r->seen->realtime, 1234567890123456789);
	assert_string_equal(r->seen->hostname, "box-1");
	reply_free(&reply);
	/* and again, as after a fork */
	hello(r, AGENT_PROTOCOL, 64, "box-2", &reply);
	assert_int_equal(reply.type, AGENT_OK);
	assert_string_equal(r->seen->hostname, "box-2");
	reply_free(&reply);
	rig_sh(r, "echo now", &reply);
	assert_string_equal(buf_str(&reply.out), "now\n");
	reply_free(&reply);
}

static void another_protocol_is_refused(void **state)
{
	struct reply reply;

	hello(*state, AGENT_PROTOCOL + 1, 64, "x", &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_VERSION);
	reply_free(&reply);
}

static void a_hostname_too_long_is_refused(void **state)
{
	char name[200];
	struct reply reply;

	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	hello(*state, AGENT_PROTOCOL, 64, name, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	reply_free(&reply);
}

static void figures_can_be_asked_for(void **state)
{
	uint64_t total = 0, free_bytes = 0, disk = 0;
	char kernel[128] = "";
	struct reply reply;
	struct tlv t;
	size_t pos = 0;

	rig_ask(*state, AGENT_INFO, NULL, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	while (tlv_next(reply.values.data, reply.values.len, &pos, &t) > 0) {
		if (t.tag == AGENT_T_MEM_TOTAL)
			total = tlv_u64(&t);
		if (t.tag == AGENT_T_MEM_FREE)
			free_bytes = tlv_u64(&t);
		if (t.tag == AGENT_T_DISK_TOTAL)
			disk = tlv_u64(&t);
		if (t.tag == AGENT_T_KERNEL)
			tlv_str(&t, kernel, sizeof(kernel));
	}
	assert_true(total > free_bytes && free_bytes > 0 && disk > 0);
	assert_true(kernel[0] != '\0');
	reply_free(&reply);
}

static void power_off_is_acknowledged_first(void **state)
{
	struct rig *r = *state;
	struct reply reply;

	rig_ask(r, AGENT_POWEROFF, NULL, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	for (int i = 0; i < 500 && !r->seen->poweroffs; i++)
		usleep(10000);
	assert_int_equal(r->seen->poweroffs, 1);
	reply_free(&reply);
}

/* A plain model of the ring: all bytes, each with its type. */
struct model {
	uint8_t bytes[1 << 20], types[1 << 20];
	size_t len;
	size_t at;	/* while it is compared */
};

static void compare(void *arg, uint8_t type, const void *data, size_t len)
{
	struct model *m = arg;

	for (size_t i = 0; i < len; i++, m->at++) {
		assert_true(m->at < m->len);
		assert_int_equal(m->types[m->at], type);
		assert_int_equal(m->bytes[m->at], ((const uint8_t *)data)[i]);
	}
}

static void measure(void *arg, uint8_t type, const void *data, size_t len)
{
	*(size_t *)arg += len;
}

static void kept_output_is_the_newest_in_order(void **state)
{
	static struct model m;
	static uint8_t data[9000];
	struct backlog b;
	unsigned int seed = 12345;

	backlog_init(&b, 8192);
	for (int i = 0; i < 3000; i++) {
		uint8_t type = (uint8_t)(1 + (seed >> 16) % 2);
		size_t len, kept = 0;

		seed = seed * 1103515245 + 12345;
		len = (seed >> 16) % (i % 50 ? 60 : 9000);
		if (m.len + len > sizeof(m.bytes))
			m.len = 0, backlog_free(&b);
		for (size_t k = 0; k < len; k++) {
			data[k] = (uint8_t)(seed >> (k % 24));
			m.bytes[m.len] = data[k];
			m.types[m.len++] = type;
		}
		backlog_put(&b, type, data, len);
		backlog_replay(&b, measure, &kept);
		m.at = m.len - kept;
		backlog_replay(&b, compare, &m);
		assert_int_equal(m.at, m.len);
		assert_true(b.cap <= 8192);
		/* headers cost something, but not the larger part */
		assert_true(kept == m.len || kept > 8192 / 2);
	}
	backlog_free(&b);
}

int main(void)
{
	const struct CMUnitTest early[] = {
		cmocka_unit_test(nothing_runs_before_the_greeting),
		cmocka_unit_test(a_greeting_carries_entropy_clock_and_name),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_protocol_is_refused),
		cmocka_unit_test(a_hostname_too_long_is_refused),
		cmocka_unit_test(figures_can_be_asked_for),
		cmocka_unit_test(power_off_is_acknowledged_first),
		cmocka_unit_test(kept_output_is_the_newest_in_order),
	};
	int rc = cmocka_run_group_tests(early, rig_setup_ungreeted, rig_teardown);

	return rc + cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
