/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/runner-fork.c - what the tests of forks share
 */
#include "tests/unit/runner-fork.h"

#include <stdio.h>

#include "tests/unit/unit.h"

bool none_left(void *arg)
{
	return host_vmms() == 0 && host_count("data/podflare/sandboxes") == 0 &&
	       host_count("data/podflare/points") == 0 &&
	       host_count("runtime/podflare/vm") == 0;
}

void assert_nothing_left(void)
{
	host_wait(none_left, NULL);
}

bool one_left(void *arg)
{
	return host_vmms() == 1 && host_count("data/podflare/sandboxes") == 1 &&
	       host_count("data/podflare/points") == 0 &&
	       host_count("runtime/podflare/vm") == 1;
}

void create(const char *name, int mib)
{
	call_ok("sandbox.create", json_pack("{s:s, s:I}", "name", name,
					    "memory", MIB_(mib)));
}

void rm(const char *name)
{
	call_ok("sandbox.rm", by_name(name));
}

/* sandbox.fork, its result. */
json_t *fork_ok(const char *name, int n)
{
	struct conn c;
	json_t *r;

	conn_open(&c, false);
	r = conn_ok(&c, "sandbox.fork", json_pack("{s:s, s:i}", "sandbox",
						  name, "n", n));
	conn_close(&c);
	return r;
}

void fork_drop(const char *name, int n)
{
	json_decref(fork_ok(name, n));
}

/* sandbox.fork with @params, its error's message; static storage. */
const char *fork_fails(json_t *params, const char *code)
{
	static char text[1024];
	struct conn c;
	json_t *e;

	conn_open(&c, false);
	e = conn_fail(&c, "sandbox.fork", params, code);
	snprintf(text, sizeof(text), "%s",
		 json_string_value(json_object_get(e, "message")));
	json_decref(e);
	conn_close(&c);
	return text;
}

json_t *of_n(const char *name, int n)
{
	return json_pack("{s:s, s:i}", "sandbox", name, "n", n);
}

const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

json_t *child(const json_t *r, size_t i)
{
	return json_array_get(json_object_get(r, "children"), i);
}

const char *child_error(const json_t *r, size_t i)
{
	return text_of(json_object_get(child(r, i), "error"), "code");
}
