/* SPDX-License-Identifier: MIT */
/* tests/unit/test-netpolicy.c - the text of a network policy */
#include "common/netpolicy.h"
#include "tests/unit/unit.h"

static void parse(struct netpolicy *p, const char *text)
{
	struct err err = ERR_INIT;

	if (netpolicy_parse(p, text, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	assert_true(netpolicy_check(p));
}

static void modes(void **state)
{
	struct netpolicy p;

	parse(&p, "on");
	assert_int_equal(p.mode, NETPOLICY_ON);
	parse(&p, "off");
	assert_int_equal(p.mode, NETPOLICY_OFF);
	parse(&p, "allow=example.org");
	assert_int_equal(p.mode, NETPOLICY_ALLOW);
	assert_int_equal(p.nr, 1);
}

static void items(void **state)
{
	struct netpolicy p;

	parse(&p, "allow=Example.ORG,*.example.net:443,192.0.2.7,"
		  "192.0.2.0/24:8000-8080,[2001:db8::1],[2001:db8::]/32:22,"
		  "1password.example,a_b.example");
	assert_int_equal(p.nr, 8);
	assert_int_equal(p.rules[0].kind, NETPOLICY_NAME);
	assert_string_equal(p.rules[0].name, "example.org");
	assert_int_equal(p.rules[0].last, 65535);
	assert_int_equal(p.rules[1].kind, NETPOLICY_SUFFIX);
	assert_string_equal(p.rules[1].name, "example.net");
	assert_int_equal(p.rules[1].first, 443);
	assert_int_equal(p.rules[1].last, 443);
	assert_int_equal(p.rules[2].kind, NETPOLICY_NET4);
	assert_int_equal(p.rules[2].length, 32);
	assert_int_equal(p.rules[3].length, 24);
	assert_int_equal(p.rules[3].first, 8000);
	assert_int_equal(p.rules[3].last, 8080);
	assert_int_equal(p.rules[4].kind, NETPOLICY_NET6);
	assert_int_equal(p.rules[4].length, 128);
	assert_int_equal(p.rules[5].length, 32);
	assert_int_equal(p.rules[5].first, 22);
}

/* Whatever is not understood wholly is an error, and an error is "off". */
static void anything_else_is_an_error(void **state)
{
	static const char *const bad[] = {
		"", "On", "ON", "yes", "on ", " on", "on,off", "allow", "allow=",
		"allow=,", "allow=a.org,", "allow=,a.org", "allow=a.org,,b.org",
		"allow= a.org", "allow=a.org ", "allow=*", "allow=*.",
		"allow=*a.org", "allow=a.*.org", "allow=**.a.org",
		"allow=.a.org", "allow=a.org.", "allow=a..org", "allow=-a.org",
		"allow=a-.org", "allow=a.org/24", "allow=a.org:0",
		"allow=a.org:65536", "allow=a.org:", "allow=a.org:x",
		"allow=a.org:1-", "allow=a.org:-1", "allow=a.org:9-8",
		"allow=a.org:1-2-3", "allow=a.org:+1", "allow=a.org:80:81",
		"allow=a/b", "allow=http://a.org", "allow=a.org@b.org",
		"allow=b\xc3\xbc" "cher.example", "allow=a\\.org",
		"allow=a.org\n", "allow=a.org\tb",
		/* addresses in odd notations */
		"allow=1", "allow=1.2", "allow=1.2.3", "allow=1.2.3.4.5",
		"allow=256.1.1.1", "allow=01.2.3.4", "allow=1.2.3.04",
		"allow=0x7f.0.0.1", "allow=0x7f000001", "allow=2130706433",
		"allow=a.1", "allow=a.0x7f", "allow=1.2.3.4.", "allow=1.2.3.4/",
		"allow=1.2.3.4/33", "allow=1.2.3.4/-1", "allow=1.2.3.4/24",
		"allow=1.2.3.0/24/24", "allow=1.2.3.4:443/32",
		"allow=1.2.3.0/255.255.255.0", "allow=2001:db8::1", "allow=::1",
		"allow=[2001:db8::1", "allow=[]", "allow=[1.2.3.4]",
		"allow=[2001:db8::1]443", "allow=[2001:db8::1]/129",
		"allow=[2001:db8::1]/32", "allow=[fe80::1%eth0]",
		"allow=[2001:db8::g]",
	};
	struct netpolicy p, off = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;

		memset(&p, 0xff, sizeof(p));
		if (netpolicy_parse(&p, bad[i], &err) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_memory_equal(&p, &off, sizeof(p));
		assert_int_equal(err.code, ERR_USAGE);
	}
}

static void lists_are_bounded(void **state)
{
	char text[8000] = "allow=a.org";
	struct netpolicy p;
	struct err err = ERR_INIT;

	for (int i = 1; i < NETPOLICY_RULES_MAX; i++)
		strcat(text, ",a.org");
	parse(&p, text);
	assert_int_equal(p.nr, NETPOLICY_RULES_MAX);
	strcat(text, ",a.org");
	assert_int_equal(netpolicy_parse(&p, text, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_int_equal(p.mode, NETPOLICY_OFF);
	/* names */
	strcpy(text, "allow=");
	for (int i = 0; i < 126; i++)
		strcat(text, "a.");
	strcat(text, "b");
	parse(&p, text);
	strcat(text, "b");
	assert_int_equal(netpolicy_parse(&p, text, &err), -1);
	memset(text, 'a', 5000);
	text[5000] = '\0';
	memcpy(text, "allow=", 6);
	assert_int_equal(netpolicy_parse(&p, text, &err), -1);
	text[6 + 64] = '\0';
	assert_int_equal(netpolicy_parse(&p, text, &err), -1);
	text[6 + 63] = '\0';
	parse(&p, text);
}

static void names_match_by_whole_labels(void **state)
{
	static const struct { const char *item, *name; bool matches; } cases[] = {
		{ "example.org", "example.org", true },
		{ "example.org", "www.example.org", false },
		{ "example.org", "badexample.org", false },
		{ "example.org", "example.org.evil.net", false },
		{ "example.org", "example.or", false },
		{ "*.example.org", "www.example.org", true },
		{ "*.example.org", "a.b.example.org", true },
		{ "*.example.org", "example.org", false },
		{ "*.example.org", "badexample.org", false },
		{ "*.example.org", "www.example.org.evil.net", false },
		{ "*.example.org", "wwwexample.org", false },
		{ "*.example.org", ".example.org", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[64] = "allow=";
		struct netpolicy p;

		strcat(text, cases[i].item);
		parse(&p, text);
		if (netpolicy_name_matches(&p.rules[0], cases[i].name) !=
		    cases[i].matches)
			fail_msg("%s, %s", cases[i].item, cases[i].name);
	}
}

static void what_comes_over_a_socket_is_checked(void **state)
{
	struct netpolicy good, p, off = { 0 };

	parse(&good, "allow=a.org,1.2.3.0/24:80");
#define BAD(change) \
	do { \
		p = good; \
		change; \
		assert_false(netpolicy_check(&p)); \
		assert_memory_equal(&p, &off, sizeof(p)); \
	} while (0)
	BAD(p.mode = 3);
	BAD(p.mode = UINT32_MAX);
	BAD(p.nr = NETPOLICY_RULES_MAX + 1);
	BAD(p.nr = 3);
	BAD(p.rules[0].kind = 9);
	BAD(memset(p.rules[0].name, 'a', sizeof(p.rules[0].name)));
	BAD(p.rules[0].name[0] = '\0');
	BAD(p.rules[1].length = 33);
	BAD(p.rules[1].length = 23);
	BAD(p.rules[1].addr[15] = 1);
	BAD(p.rules[1].last = 79);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(items),
		cmocka_unit_test(anything_else_is_an_error),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(names_match_by_whole_labels),
		cmocka_unit_test(what_comes_over_a_socket_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
