/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-import-bad.c - files that are damaged, or made to harm
 */
#include <stdio.h>

#include "common/crc32.h"
#include "common/snapfile.h"
#include "tests/unit/runner-export.h"
#include "tests/unit/unit.h"

/* Where the records are. Return: how many. */
static size_t find_records(const struct buf *b, size_t *at, size_t max)
{
	const struct snapfile_header *h = (const void *)b->data;
	size_t pos = sizeof(*h) + h->meta_len + 4, n = 0;

	while (pos < b->len && n < max) {
		struct snapfile_record r;

		memcpy(&r, b->data + pos, sizeof(r));
		at[n++] = pos;
		pos += sizeof(r) + r.len + 4;
	}
	assert_int_equal(pos, b->len);
	return n;
}

static void one_flipped_bit_anywhere_is_found(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP_BUF struct buf bad = BUF_INIT;
	size_t at[512], n;
	unsigned int seed = 1;

	file_make(170, &b);
	n = find_records(&b, at, ARRAY_SIZE(at));
	assert_true(n > 5);
	bad.max = b.max;
	buf_append(&bad, b.data, b.len);
	for (unsigned int i = 0; i < 240; i++) {
		size_t pos = i < 28 ? i : (size_t)rand_r(&seed) % b.len;
		uint8_t bit = (uint8_t)(1u << i % 8);

		/* heads of records, each byte */
		if (i >= 60 && i < 180)
			pos = at[i % n] + i % 20;
		pos %= b.len;
		bad.data[pos] ^= bit;
		file_damaged(&bad, &b);
		bad.data[pos] ^= bit;
	}
	assert_true(file_none(NULL));
	assert_int_equal(host_vmms(), 0);
	file_import_ok(&bad, NULL);
	file_snap_rm("good");
	file_done();
}

static void cut_short_anywhere_it_is_refused(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t at[512], n;

	file_make(170, &b);
	n = find_records(&b, at, ARRAY_SIZE(at));
	for (size_t i = 0; i < n + 20; i++) {
		struct buf cut = b;

		cut.len = i < n ? at[i] : b.len * (i - n) / 20;
		file_says(file_damaged(&cut, &b), "cut short, at byte");
	}
	/* nor may anything come behind it */
	buf_append(&b, "x", 1);
	file_says(file_damaged(&b, &b), "bytes behind its end");
	file_done();
}

/* Write the sums anew: a file that was made to do harm. */
static void sign(struct buf *b)
{
	static struct crc32 crc;
	const struct snapfile_header *h = (const void *)b->data;
	size_t pos = sizeof(*h) + h->meta_len;
	uint32_t sum;

	crc32_begin(&crc);
	crc32_add(&crc, b->data, pos);
	for (;;) {
		struct snapfile_record r;

		sum = crc32_value(&crc);
		memcpy(b->data + pos, &sum, sizeof(sum));
		pos += sizeof(sum);
		if (pos + sizeof(r) > b->len)
			return;
		memcpy(&r, b->data + pos, sizeof(r));
		if (r.len > b->len - pos - sizeof(r) - 4)
			return;
		crc32_add(&crc, b->data + pos, sizeof(r) + r.len);
		pos += sizeof(r) + r.len;
	}
}

static void hostile_records_are_refused(void **state)
{
	/* member, value: of the record of each number */
	static const struct {
		unsigned int record;
		enum { TYPE, LEN, AT, DATA } member;
		uint64_t value;
	} t[] = {
		{ 0, TYPE, 0 }, { 0, TYPE, 99 }, { 0, TYPE, SNAPFILE_DATA },
		{ 0, TYPE, SNAPFILE_END }, { 0, AT, 0 }, { 0, AT, 77 },
		{ 0, AT, SNAPFILE_MEMORY }, { 0, AT, SNAPFILE_DISK },
		{ 0, AT, UINT64_MAX }, { 0, LEN, UINT32_MAX },
		{ 0, LEN, 1 << 20 }, { 0, DATA, 0 }, { 0, DATA, UINT64_MAX },
		{ 0, DATA, 8 << 20 },
		{ 1, AT, 1 }, { 1, AT, UINT64_MAX }, { 1, AT, 1 << 30 },
		{ 1, AT, UINT64_MAX - 3 }, { 1, LEN, 0 },
		{ 1, TYPE, SNAPFILE_FILE },
		{ 2, DATA, 1 << 20 }, { 2, DATA, UINT64_MAX },
		{ 3, AT, UINT64_MAX - 4096 }, { 3, AT, 170 << 20 },
		{ 4, DATA, 64 << 20 }, { 4, DATA, UINT64_MAX },
		{ 4, AT, SNAPFILE_STATE },
	};
	CLEANUP_BUF struct buf b = BUF_INIT;
	size_t at[512];

	file_make(170, &b);
	find_records(&b, at, ARRAY_SIZE(at));
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		CLEANUP_BUF struct buf bad = { .max = b.max };
		struct snapfile_record r;
		uint8_t *to;

		buf_append(&bad, b.data, b.len);
		to = bad.data + at[t[i].record];
		memcpy(&r, to, sizeof(r));
		switch (t[i].member) {
		case TYPE:
			r.type = (uint32_t)t[i].value;
			break;
		case LEN:
			r.len = (uint32_t)t[i].value;
			break;
		case AT:
			r.at = t[i].value;
			break;
		case DATA:
			memcpy(to + sizeof(r), &t[i].value,
			       sizeof(t[i].value));
			break;
		}
		memcpy(to, &r, sizeof(r));
		sign(&bad);
		file_says(file_damaged(&bad, &b),
			    "snapshot good: cannot be imported: ");
		assert_true(file_none(NULL));
	}
	/* the end's count */
	b.data[b.len - 12] ^= 1;
	sign(&b);
	file_says(file_damaged(&b, &b), "damaged");
	b.data[b.len - 12] ^= 1;
	sign(&b);
	file_import_ok(&b, NULL);
	file_snap_rm("good");
	file_done();
}

/* The description with one member changed. */
static json_t *lying(const struct buf *b, const char *key, json_t *value)
{
	json_t *p = file_params(b, NULL);
	json_t *meta = json_loads(text_of(p, "meta"), 0, NULL);
	char *text;

	if (value)
		json_object_set_new(meta, key, value);
	else
		json_object_del(meta, key);
	text = json_dumps(meta, JSON_COMPACT);
	json_object_set_new(p, "meta", json_string(text));
	free(text);
	json_decref(meta);
	return p;
}

static void descriptions_that_lie_are_refused(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct {
		const char *key;
		json_t *value;
		const char *says;
	} t[] = {
		{ "podflare", json_string("9.9"), "made by podflare 9.9" },
		{ "podflare", json_integer(1), "damaged" },
		{ "image_digest", json_string("sha256-0123"), "damaged" },
		{ "image_digest", json_string(
			"sha256-000000000000000000000000000000000000000000000"
			"0000000000000000000"), "is not here" },
		{ "image", json_string("../../etc"), "damaged" },
		{ "image", json_string("\x1b[31m"), "damaged" },
		{ "kernel", NULL, "damaged" },
		{ "cpus", json_integer(9), "damaged" },
		{ "cpus", json_integer(0), "damaged" },
		{ "memory", json_integer(MIB_(170) + 4096), "damaged" },
		{ "memory", json_integer(MIB_(64)), "damaged" },
		{ "memory", json_integer(INT64_MAX), "damaged" },
		{ "memory", json_integer(-1), "damaged" },
		{ "disk", json_integer(MIB_(1)), "damaged" },
		{ "disk", json_integer(MIB_(8192) + 512), "damaged" },
		{ "disk", json_integer(MIB_(1 << 20)), "damaged" },
		{ "idle_timeout_ms", json_integer(5), "damaged" },
		{ "env", json_pack("{s:s}", "A=B", "x"), "damaged" },
		{ "env", json_string("x"), "damaged" },
		{ "labels", json_pack("{s:i}", "x", 1), "damaged" },
		{ "more", json_true(), "damaged" },
		{ "name", json_string("../x"), "damaged" },
		{ "created", json_string("a long time ago, as I was told"),
		  "damaged" },
		/* and what the file does not have */
		{ "memory", json_integer(MIB_(172)), "damaged" },
		{ "disk", json_integer(MIB_(4096)), "damaged" },
		{ "disk_only", json_true(), "damaged" },
		{ "cpus", json_integer(2), "damaged" },
	};

	file_make(170, &b);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		file_says(file_import_fails(&b, lying(&b, t[i].key, t[i].value)),
			    t[i].says);
		assert_true(file_none(NULL));
	}
	file_says(file_import_fails(&b, json_pack("{s:s}", "meta", "{")),
		    "damaged");
	file_says(file_import_fails(&b, json_pack("{s:s}", "meta", "")),
		    "damaged");
	file_done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_flipped_bit_anywhere_is_found),
		cmocka_unit_test(cut_short_anywhere_it_is_refused),
		cmocka_unit_test(hostile_records_are_refused),
		cmocka_unit_test(descriptions_that_lie_are_refused),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
