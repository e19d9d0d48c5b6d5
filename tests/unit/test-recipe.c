/* SPDX-License-Identifier: MIT */
/* tests/unit/test-recipe.c - recipes: what is taken, and how errors read */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/image-files.h"
#include "cli/recipe.h"
#include "common/yaml.h"

#define FROM "from: debian:bookworm\n"

static char dir[] = "/tmp/test-recipe-XXXXXX";
static char file[64];

static int parse(const char *text, struct recipe *r, struct err *err)
{
	*err = (struct err)ERR_INIT;
	return recipe_parse(file, text, strlen(text), r, err);
}

/* The message behind "FILE:", and a part of the hint. */
static void expect_error(const char *text, const char *message,
			 const char *hint)
{
	struct recipe r = RECIPE_INIT;
	struct err err;

	assert_int_equal(parse(text, &r, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_memory_equal(err.msg, file, strlen(file));
	assert_string_equal(err.msg + strlen(file) + 1, message);
	if (hint)
		assert_non_null(strstr(err.hint, hint));
	else
		assert_string_equal(err.hint, "");
}

static void test_whole_recipe(void **state)
{
	CLEANUP_RECIPE struct recipe r = RECIPE_INIT;
	struct err err;

	assert_int_equal(parse("name: web\n" FROM
			       "packages: [git, 'g++', libc6:amd64]\n"
			       "files:\n"
			       "- {src: a.txt, dest: /etc/b, mode: 0640,"
			       " owner: 'x:y'}\n"
			       "- {src: a.txt, dest: /opt/}\n"
			       "- {src: sub/, dest: /srv/}\n"
			       "run:\n- |\n  one\n  two\n- three\n"
			       "env: {A: 'b c', _X1: ''}\n"
			       "user: web:www-data\nworkdir: /srv\n"
			       "kernel: linux-image-amd64\n"
			       "warmup: ['true', {python: import x}]\n", &r,
			       &err), 0);
	assert_int_equal(r.warmup.n, 2);
	assert_string_equal(r.warmup.v[1], "import x");
	assert_string_equal(r.warmup_lang.v[0], "");
	assert_string_equal(r.warmup_lang.v[1], "python");
	assert_string_equal(r.name, "web");
	assert_string_equal(r.suite, "bookworm");
	assert_int_equal(r.packages.n, 3);
	assert_string_equal(r.packages.v[1], "g++");
	assert_int_equal(r.nr_files, 3);
	assert_int_equal(r.files[0].mode, 0640);
	assert_string_equal(r.files[0].owner, "x:y");
	assert_int_equal(r.files[0].line, 5);
	assert_string_equal(r.files[1].dest, "/opt/a.txt");
	assert_int_equal(r.files[1].mode, RECIPE_MODE_KEEP);
	assert_string_equal(r.files[2].dest, "/srv");
	assert_string_equal(r.run.v[0], "one\ntwo\n");
	assert_string_equal(r.env.v[0], "A=b c");
	assert_string_equal(r.env.v[1], "_X1=");
	assert_string_equal(r.user, "web:www-data");
	assert_string_equal(r.kernel_package, "linux-image-amd64");
}

static void test_defaults(void **state)
{
	CLEANUP_RECIPE struct recipe r = RECIPE_INIT;
	struct err err;

	assert_int_equal(parse(FROM, &r, &err), 0);
	assert_null(r.name);
	assert_string_equal(r.user, "root");
	assert_string_equal(r.kernel_package, RECIPE_KERNEL);
}

static void test_kernel_file(void **state)
{
	CLEANUP_RECIPE struct recipe r = RECIPE_INIT;
	struct err err;

	assert_int_equal(parse(FROM "kernel: {path: a.txt, modules: sub}\n", &r,
			       &err), 0);
	assert_null(r.kernel_package);
	assert_non_null(strstr(r.kernel_path, "/a.txt"));
	assert_non_null(strstr(r.kernel_modules, "/sub"));
}

static void test_unknown_keys(void **state)
{
	expect_error(FROM "pakages: [a]\n", "2: unknown key \"pakages\"",
		     "did you mean \"packages\"?");
	expect_error(FROM "zzzzzz: 1\n", "2: unknown key \"zzzzzz\"",
		     "podflare-image(5)");
	expect_error(FROM "files:\n- src: a.txt\n  dst: /x\n",
		     "4: unknown key \"dst\"", "did you mean \"dest\"?");
	expect_error(FROM "warmup: [{pithon: x}]\n",
		     "2: warmup: unknown key \"pithon\"", "python: CODE");
	expect_error(FROM "kernel: {pkg: x}\n", "2: unknown key \"pkg\"", "");
}

static void test_twice(void **state)
{
	expect_error("name: a\n" FROM "name: b\n",
		     "3: key \"name\" stands twice (line 1)", NULL);
	expect_error(FROM "env:\n  A: 1\n  A: 2\n",
		     "4: key \"A\" stands twice (line 3)", NULL);
}

static void test_values(void **state)
{
	expect_error("name: x\n", "1: \"from\" is missing",
		     "from: debian:bookworm");
	expect_error("from: fedora\n", "1: from: is not debian:SUITE", "");
	expect_error("from: 'debian:../x'\n", "1: from: is not debian:SUITE",
		     "");
	expect_error(FROM "name: Big\n", "2: name: a name has a-z, 0-9, _ . - "
		     "and at most 63 of them", NULL);
	expect_error(FROM "packages: git\n",
		     "2: packages: must be a list, not a text", NULL);
	expect_error(FROM "packages:\n",
		     "2: packages: must be a list, not empty", NULL);
	expect_error(FROM "packages: [a, --x]\n",
		     "2: packages: \"--x\" is not a package's name", NULL);
	expect_error(FROM "packages: ['a,b']\n",
		     "2: packages: \"a,b\" is not a package's name", NULL);
	expect_error(FROM "run: [[a]]\n", "2: run: must be a text, not a list",
		     NULL);
	expect_error(FROM "run: ['']\n", "2: run: is empty", NULL);
	expect_error(FROM "env: [a]\n", "2: env: must be a mapping, not a list",
		     NULL);
	expect_error(FROM "env: {A-B: c}\n",
		     "2: env: \"A-B\" is not a variable's name", NULL);
	expect_error(FROM "user: -x\n", "2: user: is not USER or USER:GROUP",
		     NULL);
	expect_error(FROM "workdir: srv\n", "2: workdir: must begin with /",
		     NULL);
	expect_error(FROM "kernel: {package: a, path: a.txt}\n",
		     "2: kernel: give one of \"package\" and \"path\"", NULL);
	expect_error(FROM "kernel: '-x'\n",
		     "2: kernel: is not a package's name", NULL);
}

static void test_file_values(void **state)
{
	expect_error(FROM "files:\n- dest: /x\n",
		     "3: files: \"src\" is missing", NULL);
	expect_error(FROM "files:\n- src: a.txt\n",
		     "3: files: \"dest\" is missing", NULL);
	expect_error(FROM "files:\n- src: a.txt\n  dest: x\n",
		     "4: dest: must begin with /", NULL);
	expect_error(FROM "files:\n- src: a.txt\n  dest: /a/../../x\n",
		     "4: dest: must not hold ..", NULL);
	expect_error(FROM "files:\n- src: a.txt\n  dest: /x\n  mode: 0888\n",
		     "5: mode: is not an octal mode like 0755", NULL);
	expect_error(FROM "files: [x]\n",
		     "2: files: must be a mapping, not a text", NULL);
}

static void test_missing_source(void **state)
{
	char message[128];

	snprintf(message, sizeof(message),
		 "3: src: %s/nope: No such file or directory", dir);
	expect_error(FROM "files:\n- src: nope\n  dest: /x\n", message, NULL);
}

static void test_not_plain_yaml(void **state)
{
	expect_error("name: &a x\n" FROM,
		     "1: anchors (&name) are not allowed", NULL);
	expect_error("name: *a\n" FROM, "1: aliases (*name) are not allowed",
		     NULL);
	expect_error("*a : x\n", "1: aliases (*name) are not allowed", NULL);
	expect_error("name: !!str x\n" FROM, "1: tags (!name) are not allowed",
		     NULL);
	expect_error(FROM "--- \na: b\n", "2: a second document is not allowed",
		     NULL);
	expect_error("- a\n", "1: a recipe is a mapping of keys, not a list",
		     NULL);
	expect_error("{[a]: b}\n", "1: a key must be a text", NULL);
	expect_error("name: \"a\\0b\"\n", "1: a NUL byte is not allowed", NULL);
	expect_error("# nothing\n", "1: the file is empty", NULL);
}

static void test_broken_yaml(void **state)
{
	struct recipe r = RECIPE_INIT;
	struct err err;

	assert_int_equal(parse("a: [b\nc: d\n", &r, &err), -1);
	assert_non_null(strstr(err.msg, ":2: not YAML: "));
	assert_int_equal(parse("a: \"\xff\xfe\"\n", &r, &err), -1);
	assert_non_null(strstr(err.msg, "not YAML: "));
}

static void test_bounds(void **state)
{
	char deep[64] = "a: ", *big = calloc(1, NODE_BYTES_MAX + 2);
	struct recipe r = RECIPE_INIT;
	struct err err;

	memset(deep + 3, '[', NODE_DEPTH_MAX + 1);
	expect_error(deep, "1: nested more than 16 deep", NULL);
	memset(big, '#', NODE_BYTES_MAX + 1);
	assert_int_equal(recipe_parse(file, big, NODE_BYTES_MAX + 1, &r, &err),
			 -1);
	assert_non_null(strstr(err.msg, "over 1 MiB"));
	free(big);
}

static void digest(const char *text, char out[65])
{
	CLEANUP_RECIPE struct recipe r = RECIPE_INIT;
	struct err err;

	assert_int_equal(parse(text, &r, &err), 0);
	assert_int_equal(files_input_digest(&r, out, &err), 0);
}

/* The same input gives the same digest, any other another. */
static void test_input_digest(void **state)
{
	static const char files[] = FROM "files: [{src: a.txt, dest: /x}]\n";
	char a[65], b[65], path[80];
	FILE *f;

	digest(FROM "run: [a, b]\n", a);
	digest("# hello\n" FROM "run:\n- a\n- b\n", b);
	assert_string_equal(a, b);
	digest(FROM "run: ['a\n\nb']\n", b);
	assert_string_not_equal(a, b);
	digest(FROM "packages: [a, b]\n", b);
	assert_string_not_equal(a, b);
	digest(files, a);
	digest(files, b);
	assert_string_equal(a, b);
	snprintf(path, sizeof(path), "%s/a.txt", dir);
	f = fopen(path, "w");
	fputs("other\n", f);
	fclose(f);
	digest(files, b);
	assert_string_not_equal(a, b);
	memcpy(a, b, sizeof(a));
	chmod(path, 0755);
	digest(files, b);
	assert_string_not_equal(a, b);
}

/* The recipe that comes with podflare is right. */
static void test_default_recipe(void **state)
{
	CLEANUP_RECIPE struct recipe r = RECIPE_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(recipe_load("default", &r, &err), 0);
	assert_string_equal(r.name, "default");
	assert_true(r.packages.n > 5);
}

static void test_load_errors(void **state)
{
	CLEANUP_RECIPE struct recipe r = RECIPE_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(recipe_load("/nonexistent.yaml", &r, &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.hint, "podflare image build default"));
	err = (struct err)ERR_INIT;
	assert_int_equal(recipe_load(dir, &r, &err), -1);
	assert_non_null(strstr(err.msg, "Is a directory"));
	err = (struct err)ERR_INIT;
	assert_int_equal(recipe_load("/dev/null", &r, &err), -1);
	assert_string_equal(err.msg, "/dev/null:1: the file is empty");
}

static int setup(void **state)
{
	char path[80];
	FILE *f;

	if (!mkdtemp(dir))
		return -1;
	snprintf(file, sizeof(file), "%s/r.yaml", dir);
	snprintf(path, sizeof(path), "%s/sub", dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/a.txt", dir);
	f = fopen(path, "w");
	return f ? fclose(f) : -1;
}

static int teardown(void **state)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/a.txt", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/sub", dir);
	rmdir(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_recipe),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_kernel_file),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_file_values),
		cmocka_unit_test(test_missing_source),
		cmocka_unit_test(test_not_plain_yaml),
		cmocka_unit_test(test_broken_yaml),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_input_digest),
		cmocka_unit_test(test_default_recipe),
		cmocka_unit_test(test_load_errors),
	};

	return cmocka_run_group_tests_name("recipe", tests, setup, teardown);
}
