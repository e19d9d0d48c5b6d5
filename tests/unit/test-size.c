/* SPDX-License-Identifier: MIT */
/* tests/unit/test-size.c - sizes and durations, read and written */
#include <stdio.h>

#include "cli/size.h"
#include "tests/unit/unit.h"

static void sizes_are_powers_of_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },		 { "4096", 4096 },
		{ "1k", 1024 },		 { "1K", 1024 },
		{ "1KB", 1024 },	 { "1kib", 1024 },
		{ "512M", 512 * MIB },	 { "512MiB", 512 * MIB },
		{ "8G", 8 * GIB },	 { "1.5G", GIB + GIB / 2 },
		{ "0.25k", 256 },	 { "2T", 2048 * GIB },
		{ "12B", 12 },		 { "9223372036854775807",
					   INT64_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct err err = ERR_INIT;
		uint64_t v = 1;

		assert_int_equal(size_parse(good[i].text, &v, &err), 0);
		assert_true(v == good[i].bytes);
	}
}

static void what_is_no_size_is_a_usage_error_with_a_hint(void **state)
{
	static const char *const bad[] = {
		"",    "M",    "-1",   "+1",  " 1",  "1 ",   "1 M", "lots", "1X",
		"1MM", "1Mi",  "1.5",  "1.",  ".5G", "1..5G", "0x10", "1e3",
		"9223372036854775808", "99999999999999999999999", "16000P",
		"1,5G", "1iB",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		uint64_t v;

		if (size_parse(bad[i], &v, &err) != -1)
			fail_msg("accepted: \"%s\"", bad[i]);
		assert_int_equal(err.code, ERR_USAGE);
		assert_non_null(strstr(err.hint, "512M"));
	}
}

static void durations_add_up(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {
		{ "30", 30000 },      { "30s", 30000 },	  { "5m", 300000 },
		{ "250ms", 250 },     { "1h30m", 5400000 }, { "2d", 172800000 },
		{ "0.5s", 500 },      { "1w", 604800000 }, { "1.5h", 5400000 },
		{ "0", 0 },	      { "1m1s1ms", 61001 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct err err = ERR_INIT;
		uint64_t v = 1;

		assert_int_equal(duration_parse(good[i].text, &v, &err), 0);
		assert_true(v == good[i].ms);
	}
}

static void what_is_no_duration_is_a_usage_error(void **state)
{
	static const char *const bad[] = { "",	 "s",	 "1y",	"-1s", "1s ",
					   "1h30", "m5", "1.s", "1ss",
					   "99999999999999999999s",
					   "9223372036854775807w" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = ERR_INIT;
		uint64_t v;

		if (duration_parse(bad[i], &v, &err) != -1)
			fail_msg("accepted: \"%s\"", bad[i]);
		assert_int_equal(err.code, ERR_USAGE);
	}
}

static void numbers_are_plain(void **state)
{
	static const char *const bad[] = { "", "-1", "1.5", "1.0", "1a", "0x1",
					   "18446744073709551616" };
	uint64_t v;

	assert_int_equal(number_parse("42", &v, NULL), 0);
	assert_true(v == 42);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(number_parse(bad[i], &v, NULL), -1);
}

static void sizes_and_times_read_well(void **state)
{
	char t[SIZE_TEXT];

	assert_string_equal(size_format(0, t), "0 B");
	assert_string_equal(size_format(1023, t), "1023 B");
	assert_string_equal(size_format(512 * MIB, t), "512 MiB");
	assert_string_equal(size_format(GIB + GIB / 2, t), "1.5 GiB");
	assert_string_equal(size_format(GIB - 1, t), "1.0 GiB");
	assert_string_equal(size_format(UINT64_MAX, t), "16 EiB");
	assert_string_equal(duration_format(850, t), "850 ms");
	assert_string_equal(duration_format(12000, t), "12 s");
	assert_string_equal(duration_format(300000, t), "5 min");
	assert_string_equal(age_format("1970-01-01T00:01:00Z", 70, t), "10 s");
	assert_string_equal(age_format("1970-01-01T00:01:00Z", 0, t), "0 s");
	assert_string_equal(age_format("yesterday", 70, t), "");
	duration_format(UINT64_MAX, t);
	assert_true(strlen(t) < SIZE_TEXT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_powers_of_1024),
		cmocka_unit_test(what_is_no_size_is_a_usage_error_with_a_hint),
		cmocka_unit_test(durations_add_up),
		cmocka_unit_test(what_is_no_duration_is_a_usage_error),
		cmocka_unit_test(numbers_are_plain),
		cmocka_unit_test(sizes_and_times_read_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
