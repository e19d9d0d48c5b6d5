/* SPDX-License-Identifier: MIT */
/* tests/unit/test-opts.c - option tables, the command table, did-you-mean */
#include <stdio.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "common/suggest.h"
#include "tests/unit/unit.h"

struct inner {
	const char *image;
	struct opt_list env;
};

struct outer {
	bool tty;
	bool in;
	int verbose;
	uint64_t memory, wait, cpus;
	struct inner inner;
};

static const struct opt inner_table[] = {
	{ OPT_STRING, 0, "image", "IMAGE", "what it boots",
	  offsetof(struct inner, image) },
	{ OPT_LIST, 'e', "env", "K=V", "a variable",
	  offsetof(struct inner, env) },
	OPT_TABLE_END,
};

static const struct opt table[] = {
	{ OPT_FLAG, 't', "tty", NULL, "a terminal", offsetof(struct outer, tty) },
	{ OPT_FLAG, 'i', NULL, NULL, "input", offsetof(struct outer, in) },
	{ OPT_COUNT, 'v', "verbose", NULL, "more",
	  offsetof(struct outer, verbose) },
	{ OPT_SIZE, 'm', "memory", "SIZE", "memory",
	  offsetof(struct outer, memory) },
	{ OPT_TIME, 0, "wait", "TIME", "time", offsetof(struct outer, wait) },
	{ OPT_NUMBER, 0, "cpus", "N", "number", offsetof(struct outer, cpus) },
	OPT_INCLUDE(inner_table, struct outer, inner),
	OPT_TABLE_END,
};

static struct outer o;
static struct err err;
static char *operands[16];
static int split;

/* Parse a command line given as words; operands[] has what is left. */
static int parse(enum opts_mode mode, const char *const *words)
{
	struct opts_target target = { table, &o };
	int argc = 0;

	opts_free(table, &o);
	memset(&o, 0, sizeof(o));
	err = (struct err)ERR_INIT;
	for (; words[argc]; argc++)
		operands[argc] = (char *)words[argc];
	return opts_parse(&target, 1, mode, argc, operands, &split, &err);
}

#define PARSE(mode, ...) parse(mode, (const char *const[]){ __VA_ARGS__, NULL })

static void every_form_of_an_option(void **state)
{
	assert_int_equal(PARSE(OPTS_ANYWHERE, "-tivvv", "-m512M", "--wait=5s",
			       "--cpus", "4", "--image", "x", "-e", "A=1",
			       "--env=B", "-eC", "sb"), 1);
	assert_true(o.tty && o.in);
	assert_int_equal(o.verbose, 3);
	assert_true(o.memory == 512 * MIB && o.wait == 5000 && o.cpus == 4);
	assert_string_equal(o.inner.image, "x");
	assert_int_equal(o.inner.env.n, 3);
	assert_string_equal(o.inner.env.v[0], "A=1");
	assert_string_equal(o.inner.env.v[2], "C");
	assert_string_equal(operands[0], "sb");
	assert_int_equal(PARSE(OPTS_ANYWHERE, "-tm", "1G"), 0);
	assert_true(o.tty && o.memory == GIB);
}

static void options_end_where_they_should(void **state)
{
	assert_int_equal(PARSE(OPTS_ANYWHERE, "a", "-t", "b", "--", "-i"), 3);
	assert_int_equal(split, 2);
	assert_true(o.tty && !o.in);
	assert_string_equal(operands[2], "-i");
	assert_int_equal(PARSE(OPTS_LEADING, "-t", "sb", "-i", "--", "x"), 4);
	assert_true(o.tty && !o.in);
	assert_string_equal(operands[1], "-i");
	assert_int_equal(PARSE(OPTS_LEADING, "--", "-t"), 1);
	assert_false(o.tty);
	assert_int_equal(PARSE(OPTS_ANYWHERE, "-", "-t"), 1);
	assert_string_equal(operands[0], "-");
	assert_int_equal(PARSE(OPTS_ANYWHERE, "--image="), 0);
	assert_string_equal(o.inner.image, "");
}

static void mistakes_are_usage_errors(void **state)
{
	static const char *const bad[][3] = {
		{ "--nosuch" }, { "-x" },     { "-tx" },	{ "-m" },
		{ "--memory" }, { "--tty=1" }, { "--memory", "lots" },
		{ "--cpus=-1" }, { "--cpus=" }, { "---" },	{ "--=x" },
		{ "-\xff" },	{ "-tm" },    { "--wait", "1y" },
		{ "--cpus=0" }, { "-m0" },    { "--wait=0s" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (parse(OPTS_ANYWHERE, bad[i]) != -1)
			fail_msg("accepted: %s", bad[i][0]);
		assert_int_equal(err.code, ERR_USAGE);
		assert_true(err.msg[0] != '\0');
	}
}

static void near_options_are_suggested(void **state)
{
	assert_int_equal(PARSE(OPTS_ANYWHERE, "--memry", "1"), -1);
	assert_string_equal(err.hint, "did you mean \"--memory\"?");
	assert_int_equal(PARSE(OPTS_ANYWHERE, "--imgae=x"), -1);
	assert_string_equal(err.hint, "did you mean \"--image\"?");
	assert_int_equal(PARSE(OPTS_ANYWHERE, "--zzzzzz"), -1);
	assert_string_equal(err.hint, "");
	assert_int_equal(PARSE(OPTS_ANYWHERE, "-tty"), -1);
	assert_string_equal(err.hint, "did you mean \"--tty\"?");
}

static void distances_are_edits(void **state)
{
	assert_int_equal(suggest_distance("", ""), 0);
	assert_int_equal(suggest_distance("create", "craete"), 1);
	assert_int_equal(suggest_distance("create", "creat"), 1);
	assert_int_equal(suggest_distance("kitten", "sitting"), 3);
	assert_int_equal(suggest_distance("", "abc"), 3);
	assert_true(suggest_distance("x", "0123456789012345678901234567890123"
				     "45678901234567890123456789") > 50);
}

static void the_synopsis_names_all(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	opts_synopsis(f, "run", table, "SB [--] CMD...");
	fclose(f);
	assert_string_equal(text, "podflare run [-t] [-i] [-v] [-m SIZE] "
			    "[--wait TIME] [--cpus N] [--image IMAGE] "
			    "[-e K=V]... SB [--] CMD...\n");
	free(text);
}

static void a_usage_is_no_wider_than_asked(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	opts_usage(f, "run", table, "SB [--] CMD...", 60);
	fclose(f);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 60);
	free(text);
}

static const char *found(const char *name)
{
	const struct cmd *c;

	err = (struct err)ERR_INIT;
	c = cmd_find(cmd_table, "", name, &err);
	return c ? c->name : "";
}

static void commands_are_found_by_unique_prefix(void **state)
{
	assert_string_equal(found("create"), "create");
	assert_string_equal(found("cre"), "create");
	assert_string_equal(found("cp"), "cp");
	assert_string_equal(found("vers"), "version");
	assert_string_equal(found("c"), "");
	assert_non_null(strstr(err.hint, "create"));
	assert_non_null(strstr(err.hint, "console"));
	assert_string_equal(found("craete"), "");
	assert_string_equal(err.hint, "did you mean \"create\"?");
	assert_string_equal(found(""), "");
	assert_string_equal(found("createx"), "");
	assert_int_equal(err.code, ERR_USAGE);
}

/* Commands that would do something real when all words happen to fit. */
static bool is_real(const char *word)
{
	static const char *const real[] = { "machine", "image", "doctor",
					    "help", "dial-stdio" };
	struct err ignored = ERR_INIT;
	const struct cmd *c = cmd_find(cmd_table, "", word, &ignored);

	for (size_t i = 0; c && i < ARRAY_SIZE(real); i++)
		if (!strcmp(c->name, real[i]))
			return true;
	return false;
}

static char *random_word(unsigned int *seed, char *buf, size_t size)
{
	static const char *const words[] = {
		"create", "run", "exec", "ls", "rm", "show", "cp", "logs",
		"pause", "resume", "shell", "console", "version", "-", "--",
		"-i", "-t", "-it", "-e", "-d", "-f", "-q", "-v", "-h", "--json",
		"--help", "--memory", "--memory=1G", "--cpus", "--tail", "4",
		"--timeout=1s", "sb", "sb:x", "x:y:z", ".", "/.", "..", "",
		"K=V", "=", "---", "--=", "-n", "--name=a", "--label",
		"--dump-options", "--version", "--config",
	};
	size_t len = (size_t)rand_r(seed) % (size - 1);

	if (rand_r(seed) % 8)
		return (char *)words[(size_t)rand_r(seed) % ARRAY_SIZE(words)];
	for (size_t i = 0; i < len; i++)
		buf[i] = (char)(1 + rand_r(seed) % 255);
	buf[len] = '\0';
	return buf;
}

static void ten_thousand_random_command_lines(void **state)
{
	unsigned int seed = 20260101;
	int null = dup(STDOUT_FILENO);

	assert_non_null(freopen("/dev/null", "w", stdout));
	setenv("PODFLARE_HOST", "unix:/nonexistent/s", 1);
	setenv("PODFLARE_MACHINE", "never", 1);
	for (int i = 0; i < 10000; i++) {
		struct globals g = { 0 };
		struct err e = ERR_INIT;
		char buf[8][24];
		char *argv[9];
		int argc = rand_r(&seed) % 8;
		bool skip = false;
		int rc;

		for (int j = 0; j < argc; j++) {
			argv[j] = random_word(&seed, buf[j], sizeof(buf[j]));
			skip |= is_real(argv[j]);
		}
		argv[argc] = NULL;
		if (skip)
			continue;
		rc = cmd_main(&g, argc, argv, NULL, &e);
		assert_true(rc >= 0 || e.code != ERR_NONE);
		assert_true(rc >= 0 || e.msg[0]);
		setenv("PODFLARE_HOST", "unix:/nonexistent/s", 1);
	}
	fflush(stdout);
	dup2(null, STDOUT_FILENO);
	close(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_of_an_option),
		cmocka_unit_test(options_end_where_they_should),
		cmocka_unit_test(mistakes_are_usage_errors),
		cmocka_unit_test(near_options_are_suggested),
		cmocka_unit_test(distances_are_edits),
		cmocka_unit_test(the_synopsis_names_all),
		cmocka_unit_test(a_usage_is_no_wider_than_asked),
		cmocka_unit_test(commands_are_found_by_unique_prefix),
		cmocka_unit_test(ten_thousand_random_command_lines),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	opts_free(table, &o);
	return rc;
}
