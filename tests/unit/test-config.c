/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-config.c - the user's config.yaml
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config.h"
#include "tests/unit/unit.h"

static struct config c;
static struct err e;

static int parse(const char *text)
{
	e = (struct err)ERR_INIT;
	return config_parse("f.yaml", text, strlen(text), &c, &e);
}

static void assert_pool(size_t i, const char *image, unsigned int size)
{
	assert_true(i < c.nr_pools);
	assert_string_equal(c.pools[i].image, image);
	assert_int_equal(c.pools[i].size, size);
}

static void what_says_nothing_are_the_defaults(void **state)
{
	static const char *const texts[] = {
		"", "\n\n", "# a comment\n", "  # one\r\n\r\n", "---\n",
		"{}", "pool:\n", "pool: {}\n", "# no end of line",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		c.nr_pools = 7;
		assert_int_equal(parse(texts[i]), 0);
		assert_int_equal(c.nr_pools, 0);
	}
}

static void pools_are_read(void **state)
{
	const char *digest = "sha256-0123456789abcdef0123456789abcdef"
			     "0123456789abcdef0123456789abcdef";
	char text[256];

	assert_int_equal(parse("pool: {default: 2}\n"), 0);
	assert_int_equal(c.nr_pools, 1);
	assert_pool(0, "default", 2);
	assert_int_equal(parse("# mine\npool:\n  a.b-c: 0\n  \"x\": 64\n"), 0);
	assert_int_equal(c.nr_pools, 2);
	assert_pool(0, "a.b-c", 0);
	assert_pool(1, "x", 64);
	snprintf(text, sizeof(text), "pool: {%s: 1}", digest);
	assert_int_equal(parse(text), 0);
	assert_pool(0, digest, 1);
}

static void mistakes_are_told_with_their_line(void **state)
{
	static const struct {
		const char *text, *message, *hint;
	} bad[] = {
		{ "pol: {}\n", "f.yaml:1: unknown key \"pol\"",
		  "did you mean \"pool\"?" },
		{ "\n\nzzzzzzzzz: 1\n", "f.yaml:3: unknown key",
		  "podflare-config(5)" },
		{ "pool: 3\n", "f.yaml:1: pool: must be a mapping", "" },
		{ "pool: [default]\n", "f.yaml:1: pool: must be", "" },
		{ "pool:\n  default: two\n", "f.yaml:2: pool: default: must be "
		  "a number", "" },
		{ "pool:\n  default: \"2\"\n", "f.yaml:2:", "" },
		{ "pool:\n  default: -1\n", "f.yaml:2:", "" },
		{ "pool:\n  default: 2.5\n", "f.yaml:2:", "" },
		{ "pool:\n  default:\n", "f.yaml:2:", "" },
		{ "pool:\n  default: {}\n", "f.yaml:2:", "" },
		{ "pool:\n  default: 65\n", "f.yaml:2: pool: default: must be "
		  "0 to 64, not 65", "" },
		{ "pool:\n  default: 99999999999999999999999\n",
		  "must be 0 to 64", "" },
		{ "pool:\n  ../x: 1\n", "f.yaml:2: pool: \"../x\" cannot", "" },
		{ "pool:\n  A: 1\n", "f.yaml:2:", "" },
		{ "pool:\n  sha256-12: 1\n", "", "" },
		{ "pool: {a: 1}\npool: {a: 2}\n", "f.yaml:2: key \"pool\" stands"
		  " twice", "" },
		{ "pool: {a: 1, a: 2}\n", "f.yaml:1: key \"a\" stands twice",
		  "" },
		{ "- pool\n", "f.yaml:1: must be a mapping", "" },
		{ "pool\n", "f.yaml:1: must be a mapping", "" },
		{ "pool: *x\n", "f.yaml:1: aliases", "" },
		{ "pool: &x {}\n", "f.yaml:1: anchors", "" },
		{ "pool: !!map {}\n", "f.yaml:1: tags", "" },
		{ "pool: {\n", "f.yaml:", "" },
		{ "\tpool: {}\n", "f.yaml:1: not YAML", "" },
		{ "pool: {}\n---\npool: {}\n", "a second document", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		c = (struct config){ .nr_pools = 1 };
		if (strstr(bad[i].text, "sha256-12")) {
			/* a name like any other */
			assert_int_equal(parse(bad[i].text), 0);
			continue;
		}
		assert_int_equal(parse(bad[i].text), -1);
		assert_int_equal(e.code, ERR_USAGE);
		if (!strstr(e.msg, bad[i].message) ||
		    !strstr(e.hint, bad[i].hint))
			fail_msg("%s: %s (%s)", bad[i].text, e.msg, e.hint);
		/* what was known is as it was */
		assert_int_equal(c.nr_pools, 1);
	}
}

static void it_is_bounded(void **state)
{
	static char text[CONFIG_BYTES_MAX + 100000];
	size_t n = 0;

	n = (size_t)sprintf(text, "pool:\n");
	for (int i = 0; i < CONFIG_POOLS_MAX; i++)
		n += (size_t)sprintf(text + n, "  i%d: 1\n", i);
	assert_int_equal(parse(text), 0);
	sprintf(text + n, "  one-more: 1\n");
	assert_int_equal(parse(text), -1);
	assert_non_null(strstr(e.msg, ":34: pool: too many"));
	memset(text, '\n', sizeof(text) - 1);
	assert_int_equal(parse(text), -1);
	assert_non_null(strstr(e.msg, "over 64 KiB"));
	memset(text, '[', CONFIG_BYTES_MAX);
	text[CONFIG_BYTES_MAX] = '\0';
	assert_int_equal(parse(text), -1);
	memset(text, '{', CONFIG_BYTES_MAX);
	assert_int_equal(parse(text), -1);
}

/* Whatever bytes there are: an answer, and no other end. */
static void any_bytes_are_survived(void **state)
{
	static const char good[] = "# mine\npool:\n  default: 2\n  a: {b: [1]}\n"
				   "x: &a !t 'q'\ny: *a\n%YAML 1.1\n--- |\n z\n";
	char text[sizeof(good)];

	srandom(7);
	for (int i = 0; i < 20000; i++) {
		size_t len = sizeof(good) - 1;

		memcpy(text, good, sizeof(good));
		for (int k = 0; k < 1 + i % 5; k++)
			text[(size_t)random() % len] = (char)random();
		if (i % 3 == 0)
			len = (size_t)random() % len;
		e = (struct err)ERR_INIT;
		if (config_parse("f.yaml", text, len, &c, &e) < 0)
			assert_true(e.code != 0 && e.msg[0]);
	}
}

static char dir[] = "/tmp/podflare-config-XXXXXX";
static char path[128];

static void write_file(const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int load(void)
{
	e = (struct err)ERR_INIT;
	return config_load(path, &c, &e);
}

static void files_of_all_kinds(void **state)
{
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/config.yaml", dir);
	c.nr_pools = 3;
	assert_int_equal(load(), 0);
	assert_int_equal(c.nr_pools, 0);
	write_file("pool: {default: 3}\n");
	assert_int_equal(load(), 0);
	assert_pool(0, "default", 3);
	write_file("pool: {default: x}\n");
	assert_int_equal(load(), -1);
	assert_non_null(strstr(e.msg, path));
	assert_pool(0, "default", 3);
	write_file("");
	assert_int_equal(load(), 0);
	assert_int_equal(c.nr_pools, 0);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(load(), -1);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(load(), -1);
	assert_non_null(strstr(e.msg, "not a regular file"));
	rmdir(path);
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_int_equal(load(), -1);
	unlink(path);
	assert_int_equal(symlink(path, path), 0);
	assert_int_equal(load(), -1);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_says_nothing_are_the_defaults),
		cmocka_unit_test(pools_are_read),
		cmocka_unit_test(mistakes_are_told_with_their_line),
		cmocka_unit_test(it_is_bounded),
		cmocka_unit_test(any_bytes_are_survived),
		cmocka_unit_test(files_of_all_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
