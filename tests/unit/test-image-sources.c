/* SPDX-License-Identifier: MIT */
/* tests/unit/test-image-sources.c - choosing among the host's apt sources */
#include "tests/unit/unit.h"

#include <string.h>

#include "cli/image-apt.h"
#include "cli/image-sources.h"
#include "cli/image-tools.h"

static const struct sources_want bookworm = { .suite = "bookworm" };

static void expect(const char *text, bool lines,
		   const struct sources_want *want, int found,
		   const char *result)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	assert_int_equal(sources_select(text, lines, want, &out), found);
	if (result)
		assert_string_equal(out.len ? buf_str(&out) : "", result);
}

static void test_deb822(void **state)
{
	expect("Types: deb deb-src\n"
	       "# a comment\n"
	       "URIs: http://a.example/debian\n"
	       "Suites: bookworm trixie bookworm-updates\n"
	       "Components: main\n"
	       "Signed-By:\n -----BEGIN\n .\n x\n"
	       "\n\n"
	       "Types: deb\nURIs: http://b.example\nSuites: bookwormy\n", false,
	       &bookworm, 1,
	       "Types: deb\nSuites: bookworm bookworm-updates\n"
	       "URIs: http://a.example/debian\nComponents: main\n"
	       "Signed-By:\n -----BEGIN\n .\n x\n\n");
}

static void test_deb822_left_out(void **state)
{
	expect("Types: deb-src\nURIs: u\nSuites: bookworm\n", false, &bookworm,
	       0, "");
	expect("Types: deb\nEnabled: no\nURIs: u\nSuites: bookworm\n", false,
	       &bookworm, 0, "");
	expect("Types: deb\nURIs: u\n", false, &bookworm, 0, "");
	expect("", false, &bookworm, 0, "");
	expect("\n\n\n", false, &bookworm, 0, "");
	expect("garbage", false, &bookworm, 0, "");
}

static void test_suites_on_several_lines(void **state)
{
	expect("types: deb\nURIs: u\nsuites: x\n bookworm\n", false, &bookworm,
	       1, NULL);
}

static void test_one_line_format(void **state)
{
	expect("# deb http://no bookworm main\n"
	       "deb [arch=amd64 signed-by=/k.gpg trusted=yes] http://a/debian"
	       " bookworm main contrib # why\n"
	       "deb-src http://a/debian bookworm main\n"
	       "deb http://b bookworm/updates main\n"
	       "deb http://c ./\n"
	       "  deb\thttp://d\tbookworm\tmain\n"
	       "deb\ndeb [\ndeb [x] y", true, &bookworm, 3,
	       "Types: deb\nSuites: bookworm\nURIs: http://a/debian\n"
	       "Components: main contrib \nSigned-By: /k.gpg\n"
	       "Trusted: yes\n\n"
	       "Types: deb\nSuites: bookworm/updates\nURIs: http://b\n"
	       "Components: main\n\n"
	       "Types: deb\nSuites: bookworm\nURIs: http://d\n"
	       "Components: main\n\n");
}

static void test_alias(void **state)
{
	const struct sources_want want = { .suite = "bookworm",
					   .alias = "stable" };

	expect("deb http://a stable main\ndeb http://a stable-updates main\n",
	       true, &want, 2, NULL);
}

/* Another release's sources, with the suites renamed. */
static void test_instead(void **state)
{
	const struct sources_want want = { .suite = "bookworm",
					   .instead = "trixie" };

	expect("Types: deb\nURIs: u\nSuites: trixie trixie-security sid\n",
	       false, &want, 1,
	       "Types: deb\nSuites: bookworm bookworm-security\nURIs: u\n\n");
}

static void test_scrub(void **state)
{
	CLEANUP_BUF struct buf out = BUF_INIT;

	sources_scrub("Types: deb\nURIs: http://me:pw@a.example/x@y\n"
		      " file:/srv https://b.example\nSuites: s\n\n"
		      "Types: deb\nURIs: file:/srv/debian\nSuites: s\n\n"
		      "Types: deb\nURIs: copy:/x cdrom:[y]\n", &out);
	assert_string_equal(buf_str(&out),
			    "Types: deb\nURIs: http://a.example/x@y\n"
			    " https://b.example\nSuites: s\n\n");
}

static void test_kernel_dependency(void **state)
{
	char name[40];

	assert_int_equal(apt_kernel_dependency(
		"\nDepends: x (>= 1), linux-image-6.1.0-1-cloud-amd64 (= 6.1)\n",
		name, sizeof(name)), 0);
	assert_string_equal(name, "linux-image-6.1.0-1-cloud-amd64");
	assert_int_equal(apt_kernel_dependency("Depends: x\n", name,
					       sizeof(name)), -1);
	assert_int_equal(apt_kernel_dependency(
		"linux-image-0123456789012345678901234567890123456789", name,
		sizeof(name)), -1);
}

static void test_subids(void **state)
{
	static const char text[] = "root:1:2\nann:100000:65536\n1001:200000:"
				   "65536\nbob:300000:100\nmax\n:1:99999";

	assert_true(tools_has_subids(text, "ann", 5));
	assert_true(tools_has_subids(text, "eve", 1001));
	assert_false(tools_has_subids(text, "bob", 5));
	assert_false(tools_has_subids(text, "an", 5));
	assert_false(tools_has_subids(text, "max", 5));
	assert_false(tools_has_subids("", "ann", 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deb822),
		cmocka_unit_test(test_deb822_left_out),
		cmocka_unit_test(test_suites_on_several_lines),
		cmocka_unit_test(test_one_line_format),
		cmocka_unit_test(test_alias),
		cmocka_unit_test(test_instead),
		cmocka_unit_test(test_scrub),
		cmocka_unit_test(test_kernel_dependency),
		cmocka_unit_test(test_subids),
	};

	return cmocka_run_group_tests_name("image-sources", tests, NULL, NULL);
}
