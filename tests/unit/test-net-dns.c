/* SPDX-License-Identifier: MIT */
/* tests/unit/test-net-dns.c - questions for names, and their answers */
#include "runner/net/dns.h"
#include "runner/net/packet.h"
#include "tests/unit/unit.h"

#define WWW "\3www\7example\3org"	/* and the NUL that ends it */

/* A question with these bytes as its name (the last NUL is sizeof's). */
static size_t make(uint8_t *m, const char *name, size_t len, uint16_t type)
{
	memset(m, 0, 12);
	put16(m, 0x1234);
	put16(m + 2, 0x0100);
	put16(m + 4, 1);
	memcpy(m + 12, name, len);
	put16(m + 12 + len, type);
	put16(m + 14 + len, 1);
	return 16 + len;
}

/* As the sanitizer sees it: a copy that ends where it ends. */
static int read_exact(const uint8_t *m, size_t len, struct dns_question *q,
		      enum dns_rcode *rcode)
{
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	memcpy(copy, m, len);
	rc = dns_read_question(copy, len, q, rcode);
	free(copy);
	return rc;
}

static void questions_are_read(void **state)
{
	struct dns_question q;
	enum dns_rcode rcode;
	uint8_t m[DNS_MAX];
	size_t len = make(m, "\3wWw\7EXAMPLE\3org", 17, DNS_AAAA);

	assert_int_equal(read_exact(m, len, &q, &rcode), 0);
	assert_string_equal(q.name, "www.example.org");
	assert_int_equal(q.type, DNS_AAAA);
	assert_int_equal(q.id, 0x1234);
	assert_true(q.recurse);
	/* with EDNS's record, which is not looked at */
	put16(m + 10, 1);
	memcpy(m + len, "\0\0\x29\x10\0\0\0\0\0\0\0", 11);
	assert_int_equal(read_exact(m, len + 11, &q, &rcode), 0);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(read_exact(m, cut, &q, &rcode), -1);
}

static void other_messages_are_refused(void **state)
{
	struct dns_question q;
	enum dns_rcode rcode;
	uint8_t m[DNS_MAX];
	static const struct { size_t at; uint16_t v; } bad[] = {
		{ 2, 0x8100 },			/* an answer */
		{ 2, 0x0900 }, { 2, 0x2100 }, { 2, 0x7900 },	/* opcodes */
		{ 4, 0 }, { 4, 2 }, { 4, 0xffff },	/* questions */
		{ 6, 1 }, { 8, 1 }, { 10, 2 },	/* records */
		{ 31, 3 }, { 31, 255 },	/* classes */
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t len = make(m, WWW, sizeof(WWW), DNS_A);

		put16(m + bad[i].at, bad[i].v);
		assert_int_equal(read_exact(m, len, &q, &rcode), -1);
		assert_int_equal(rcode, bad[i].at == 2 && bad[i].v & 0x8000 ?
				 DNS_OK : DNS_FORMAT);
	}
}

/* Whether a question for this name is for one of the list. */
static bool listed(const struct netpolicy *p, const char *name, size_t len)
{
	struct dns_question q;
	enum dns_rcode rcode;
	uint8_t m[1024];
	size_t size = make(m, name, len, DNS_A);

	if (read_exact(m, size, &q, &rcode) < 0)
		return false;
	for (uint32_t i = 0; i < p->nr; i++)
		if (netpolicy_name_matches(&p->rules[i], q.name))
			return true;
	return false;
}

/* Ways around a list of names. */
static void names_that_are_not_on_the_list(void **state)
{
#define N(s) { s, sizeof(s) }
	static const struct { const char *name; size_t len; } bad[] = {
		N(""), N("\3org"), N("\7example"), N("\7example\3or"),
		N("\3www\7example\3com"), N("\10example1\3org"),
		N("\12badexample\3org"), N("\4bwww\7example\3org\4evil"),
		N("\3www\7example\3org\4evil\3net"), N("\7example\3org\3www"),
		N("\3www\13example.org"), N("\17www.example.org"),
		N("\13example.org"), N("\7example\4.org"), N("\7example\4org."),
		N("\7example\3org\1."), N("\1.\7example\3org"),
		N("\1*\7example\3org"), N("\3www\7ex*mple\3org"),
		N("\3www\10example\0\3org"), N("\4www\0\7example\3org"),
		N("\7example\4org\0"), N("\1\0\7example\3org"),
		N("\7exampl\xc3\3org"), N("\10ex\xc3\xa4mple\3org"),
		N("\3www\7exampl\xe5\3org"), N("\3www\7example\3or\xe7"),
		N("\3www\7example\3org "), N("\3www\7example\4org "),
		N("\3www\7example\4 org"), N("\3www\10 example\3org"),
		N("\4www \7example\3org"), N("\4 www\7example\3org"),
		N("\3www\7example\4org\n"), N("\3www\7example\4org\r"),
		N("\3www\7example\4org\t"), N("\4ww\nw\7example\3org"),
		N("\3www\7example\4org/"), N("\3w/w\7example\3org"),
		N("\3w\\w\7example\3org"), N("\3w:w\7example\3org"),
		N("\3w@w\7example\3org"), N("\3w%w\7example\3org"),
		N("\3w'w\7example\3org"), N("\3w\"w\7example\3org"),
		N("\3w;w\7example\3org"), N("\3w,w\7example\3org"),
		N("\1-\7example\3org"), N("\4-www\7example\3org"),
		N("\4www-\7example\3org"), N("\3\x7f\x7f\x7f\7example\3org"),
		N("\3127\0010\0010\0011"), N("\00210\0010\0010\0011"),
		N("\12" "2130706433"), N("\12" "0x7f000001"), N("\0040177\0011"),
		N("\3169\3254\3169\3254"), N("\0011"), N("\00210\0011"),
		N("\3www\7example\3org\0010"), N("\7example\3org\0030x7"),
		N("\11localhost"), N("\3www\11localhost"),
		N("\10metadata\6google\10internal"), N("\4host\5local"),
		N("\7example\3org\7example\3com"),
		N("\3www\7examp1e\3org"), N("\3www\7exarnple\3org"),
		N("\3www\10exammple\3org"), N("\3www\6exmple\3org"),
		N("\3org\7example\3www"), N("\3www\3org"), N("\3www\7example"),
		N("\6api\0\0\0\3com"), N("\3api\7example\3com\3net"),
		N("\4xapi\7example\3com"), N("\3ap1\7example\3com"),
		N("\1x\3api\7example\3com"), N("\7example\3com"),
		/* compression has no place in a question */
		{ "\300\014", 2 }, { "\3www\300\014", 6 },
		{ "\300\0", 2 }, { "\300\377", 2 }, { "\3www\300\020", 6 },
		{ "\7example\300\024\0", 11 }, { "\3www\7example\3org\300\014", 18 },
		/* labels that are longer than they can be */
		{ "\100aaa", 5 }, { "\200aaa", 5 }, { "\277aaa", 5 },
		{ "\377", 1 }, { "\77a", 3 }, { "\3ww", 3 },
		{ "\3www\7example\3org", 16 - 1 },	/* without its end */
	};
	struct netpolicy p;

	assert_int_equal(netpolicy_parse(&p, "allow=*.example.org,"
					 "api.example.com", NULL), 0);
	assert_true(listed(&p, WWW, sizeof(WWW)));
	assert_true(listed(&p, "\3API\7example\3com", 17));
	assert_true(listed(&p, "\1a\1b\7example\3org", 17));
	assert_true(ARRAY_SIZE(bad) > 85);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (listed(&p, bad[i].name, bad[i].len))
			fail_msg("name %zu: %s", i, bad[i].name);
}

static void names_as_long_as_they_can_be(void **state)
{
	struct dns_question q;
	enum dns_rcode rcode;
	uint8_t m[1024];
	char name[300];
	size_t at = 0;

	/* 3 labels of 63 and one of 61: 253 characters */
	for (int i = 0; i < 4; i++) {
		int n = i < 3 ? 63 : 61;

		name[at++] = (char)n;
		memset(name + at, 'a', (size_t)n);
		at += (size_t)n;
	}
	name[at++] = 0;
	assert_int_equal(read_exact(m, make(m, name, at, DNS_A), &q, &rcode),
			 0);
	assert_int_equal(strlen(q.name), 253);
	assert_true(dns_make_question(&q, 1, m) <= DNS_MAX);
	name[192] = 62;
	name[at - 1] = 'a';
	name[at++] = 0;
	assert_int_equal(read_exact(m, make(m, name, at, DNS_A), &q, &rcode),
			 -1);
}

static const struct dns_question www = {
	.id = 7, .type = DNS_A, .recurse = true, .name = "www.example.org",
};

/* An answer with an alias and addresses, all names compressed. */
static size_t make_answer(uint8_t *m, uint16_t id)
{
	static const uint8_t records[] = {
		0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 16,
		0xc0, 16, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7,
		0xc0, 16, 0, 28, 0, 1, 0, 0, 0, 5, 0, 16, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 1,
		0xc0, 16, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, 1,
	};
	size_t len = dns_make_question(&www, id, m);

	put16(m + 2, 0x8180);
	put16(m + 6, 4);
	memcpy(m + len, records, sizeof(records));
	return len + sizeof(records);
}

static int answer_exact(const uint8_t *m, size_t len, uint16_t id,
			struct dns_answer *a)
{
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	memcpy(copy, m, len);
	rc = dns_read_answer(copy, len, &www, id, a);
	free(copy);
	return rc;
}

static void of_answers_the_addresses_are_read(void **state)
{
	struct dns_answer a;
	uint8_t m[DNS_MAX];
	size_t len = make_answer(m, 99);

	assert_int_equal(answer_exact(m, len, 99, &a), 0);
	assert_int_equal(a.nr, 2);
	assert_int_equal(a.ttl, 30);
	assert_memory_equal(a.addrs[0].b, "\xc0\0\2\7", 4);
	assert_int_equal(answer_exact(m, len, 98, &a), -1);
	m[13] ^= 1;	/* another question */
	assert_int_equal(answer_exact(m, len, 99, &a), -1);
	m[13] ^= 1;
	put16(m + 2, 0x0100);
	assert_int_equal(answer_exact(m, len, 99, &a), -1);
	put16(m + 2, 0x8183);
	assert_int_equal(answer_exact(m, len, 99, &a), 0);
	assert_int_equal(a.rcode, DNS_NO_NAME);
	put16(m + 2, 0x8185);
	assert_int_equal(answer_exact(m, len, 99, &a), 0);
	assert_int_equal(a.rcode, DNS_FAILED);
	put16(m + 2, 0x8180);
	for (size_t cut = 0; cut < len; cut++) {
		answer_exact(m, cut, 99, &a);
		assert_true(a.nr < 2);
	}
}

static void what_the_guest_gets_is_made_anew(void **state)
{
	struct dns_answer a = { .nr = DNS_ADDRS, .ttl = 60 }, back;
	uint8_t m[DNS_MAX];
	size_t len;

	for (unsigned int i = 0; i < DNS_ADDRS; i++)
		a.addrs[i] = addr_v4(0xc0000200u + i);
	len = dns_make_answer(&www, &a, m);
	assert_true(len <= DNS_MAX);
	assert_int_equal(get16(m), 7);
	assert_int_equal(dns_read_answer(m, len, &www, 7, &back), 0);
	assert_int_equal(back.nr, DNS_ADDRS);
	assert_int_equal(back.ttl, 60);
	assert_true(addr_equal(&back.addrs[23], &a.addrs[23]));
	/* an error without a name */
	a = (struct dns_answer){ .rcode = DNS_REFUSED };
	len = dns_make_answer(&(struct dns_question){ .id = 3 }, &a, m);
	assert_int_equal(len, 12);
	assert_int_equal(get16(m + 2), 0x8085);
}

static void fuzz(void **state)
{
	uint64_t seed = 0xd5;
	uint8_t m[DNS_MAX];

	for (int i = 0; i < 100000; i++) {
		struct dns_question q;
		enum dns_rcode rcode;
		struct dns_answer a;
		size_t len = make_answer(m, 99);

		for (int n = i % 6; n >= 0; n--) {
			seed = seed * 6364136223846793005ULL + 1;
			m[(seed >> 33) % len] = (uint8_t)(seed >> 55);
		}
		if (answer_exact(m, (seed >> 40) % (len + 1), 99, &a) == 0)
			assert_true(a.nr <= DNS_ADDRS);
		read_exact(m, (seed >> 41) % (len + 1), &q, &rcode);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_are_read),
		cmocka_unit_test(other_messages_are_refused),
		cmocka_unit_test(names_that_are_not_on_the_list),
		cmocka_unit_test(names_as_long_as_they_can_be),
		cmocka_unit_test(of_answers_the_addresses_are_read),
		cmocka_unit_test(what_the_guest_gets_is_made_anew),
		cmocka_unit_test(fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
