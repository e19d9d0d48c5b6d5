/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-snapshot.c - snapshots, with VMMs that are played
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/runner-fork.h"
#include "tests/unit/unit.h"

#define SNAPSHOTS "data/podflare/snapshots"

static json_t *snap_params(const char *sandbox, const char *name)
{
	json_t *p = by_name(sandbox);

	if (name)
		json_object_set_new(p, "name", json_string(name));
	return p;
}

/* snapshot.create; its id, in static storage. */
static const char *snap(const char *sandbox, const char *name)
{
	static char id[16];
	struct conn c;
	json_t *r;

	conn_open(&c, false);
	r = conn_ok(&c, "snapshot.create", snap_params(sandbox, name));
	snprintf(id, sizeof(id), "%s", text_of(r, "id"));
	json_decref(r);
	conn_close(&c);
	return id;
}

static void snap_rm(const char *name)
{
	call_ok("snapshot.rm", json_pack("{s:s}", "snapshot", name));
}

static json_t *from(const char *name, const char *snapshot)
{
	return json_pack("{s:s, s:s}", "name", name, "from", snapshot);
}

static size_t listed(void)
{
	struct conn c;
	json_t *r;
	size_t n;

	conn_open(&c, false);
	r = conn_ok(&c, "snapshot.list", NULL);
	n = json_array_size(json_object_get(r, "snapshots"));
	json_decref(r);
	conn_close(&c);
	return n;
}

/* The call's error's message; static storage. */
static const char *fails(const char *method, json_t *params, const char *code)
{
	static char text[1024];
	struct conn c;
	json_t *e;

	conn_open(&c, false);
	e = conn_fail(&c, method, params, code);
	snprintf(text, sizeof(text), "%s",
		 json_string_value(json_object_get(e, "message")));
	json_decref(e);
	conn_close(&c);
	return text;
}

static void assert_says(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("no \"%s\" in: %s", what, text);
}

static bool no_snapshots(void *arg)
{
	return host_count(SNAPSHOTS) == 0;
}

static void done(void)
{
	assert_int_equal(listed(), 0);
	host_wait(no_snapshots, NULL);
	assert_nothing_left();
}

static bool is_saving(void *arg)
{
	return host_count(SNAPSHOTS) == 1 && host_vmms() == 2;
}

static void saves_memory(void)
{
	host_wait(is_saving, NULL);
	poll(NULL, 0, 300);
}

static void its_sandbox_goes_on(void **state)
{
	char pid[32];
	const char *id;

	create("f", 170);
	snprintf(pid, sizeof(pid), "%s", sandbox_text("f", "pid"));
	id = snap("f", NULL);
	assert_true(sandbox_is("f", "running"));
	assert_string_equal(sandbox_text("f", "pid"), pid);
	assert_int_equal(host_vmms(), 1);
	call_ok("exec.list", by_name("f"));
	/* state, memory, meta.json, one layer */
	assert_int_equal(host_count(host_path(SNAPSHOTS "/%s", id) +
				    strlen(host_dir) + 1), 4);
	assert_int_equal(listed(), 1);
	snap("f", NULL);
	assert_int_equal(listed(), 2);
	call_ok("snapshot.show", json_pack("{s:s}", "snapshot", "f-1"));
	call_ok("snapshot.show", json_pack("{s:s}", "snapshot", "f-2"));
	snap_rm("f-1");
	snap_rm("f-2");
	rm("f");
	done();
}

static bool console_has(const char *name, const char *what)
{
	struct conn c;
	json_t *r;
	bool found;

	conn_open(&c, false);
	r = conn_ok(&c, "sandbox.logs", by_name(name));
	found = strstr(text_of(r, "console"), what);
	json_decref(r);
	conn_close(&c);
	return found;
}

static void sandboxes_are_made_of_it(void **state)
{
	struct conn c;
	json_t *r, *o;

	create("f", 170);
	snap("f", "good");
	rm("f");
	for (int i = 0; i < 3; i++) {
		char name[8];

		snprintf(name, sizeof(name), "c%d", i);
		conn_open(&c, false);
		r = conn_ok(&c, "sandbox.create", from(name, "good"));
		assert_string_equal(text_of(r, "state"), "running");
		assert_int_equal(json_integer_value(
			json_object_get(r, "memory")), MIB_(170));
		o = json_object_get(r, "origin");
		assert_string_equal(text_of(o, "how"), "snapshot");
		assert_string_equal(text_of(o, "parent_name"), "good");
		assert_int_equal(json_array_size(json_object_get(o, "steps")),
				 5);
		json_decref(r);
		conn_close(&c);
		call_ok("exec.list", by_name(name));
		assert_true(console_has(name, "hello, copy"));
	}
	/* they do not need it */
	snap_rm("good");
	host_end(SIGKILL);
	assert_null(host_start());
	call_ok("exec.list", by_name("c0"));
	rm("c0");
	rm("c1");
	rm("c2");
	done();
}

static void what_is_the_snapshots_is_not_asked_for(void **state)
{
	json_t *p;

	create("f", 170);
	snap("f", "good");
	p = from("c", "good");
	json_object_set_new(p, "memory", json_integer(MIB_(512)));
	assert_says(fails("sandbox.create", p, "usage"), "memory");
	fails("sandbox.create", from("c", "nosuch"), "not_found");
	fails("sandbox.create", from("f", "good"), "exists");
	rm("f");
	snap_rm("good");
	done();
}

static void names(void **state)
{
	create("f", 170);
	snap("f", "good");
	assert_says(fails("snapshot.create", snap_params("f", "good"),
			  "exists"), "snapshot good: exists already");
	fails("snapshot.create", snap_params("f", "../x"), "usage");
	fails("snapshot.create", snap_params("g", "x"), "not_found");
	fails("snapshot.rm", json_pack("{s:s}", "snapshot", "x"), "not_found");
	fails("snapshot.show", json_pack("{s:s}", "snapshot", ""),
	      "not_found");
	rm("f");
	snap_rm("good");
	done();
}

static ino_t inode(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static void of_one_that_is_frozen_the_files_are_shared(void **state)
{
	char sb[16];
	const char *id;

	create("f", 170);
	snprintf(sb, sizeof(sb), "%s", sandbox_text("f", "id"));
	call_ok("sandbox.freeze", by_name("f"));
	id = snap("f", NULL);
	assert_true(sandbox_is("f", "frozen"));
	assert_int_equal(host_vmms(), 0);
	assert_int_equal(inode(host_path("data/podflare/sandboxes/%s/memory",
					 sb)),
			 inode(host_path(SNAPSHOTS "/%s/memory", id)));
	call_ok("exec.list", by_name("f"));
	call_ok("sandbox.create", from("c", "f-1"));
	call_ok("exec.list", by_name("c"));
	rm("f");
	snap_rm("f-1");
	call_ok("exec.list", by_name("c"));
	rm("c");
	done();
}

static void failures_leave_nothing(void **state)
{
	static const struct {
		int mode;
		const char *code, *says;
	} t[] = {
		{ 180, "no_space", "fake: no space left" },
		{ 182, "unavailable", "has ended" },
		{ 150, "no_memory", "fake: no memory" },
		{ 166, "no_memory", "fake: this one failed" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		create("f", t[i].mode);
		assert_says(fails("snapshot.create", snap_params("f", NULL),
				  t[i].code), t[i].says);
		assert_int_equal(listed(), 0);
		host_wait(no_snapshots, NULL);
		host_wait(one_left, NULL);
		assert_true(sandbox_is("f", "running"));
		call_ok("exec.list", by_name("f"));
		call_ok("sandbox.pause", by_name("f"));
		rm("f");
		done();
	}
}

static void a_client_that_goes_away_leaves_nothing(void **state)
{
	struct conn c;

	create("f", 184);
	conn_open(&c, false);
	conn_request(&c, "snapshot.create", by_name("f"));
	saves_memory();
	conn_close(&c);
	host_wait(no_snapshots, NULL);
	host_wait(one_left, NULL);
	rm("f");
	done();
}

static void a_killed_runner_leaves_nothing(void **state)
{
	struct conn c;

	create("f", 184);
	conn_open(&c, false);
	conn_request(&c, "snapshot.create", by_name("f"));
	saves_memory();
	fails("snapshot.rm", json_pack("{s:s}", "snapshot", "f-1"), "busy");
	fails("sandbox.create", from("c", "f-1"), "busy");
	host_end(SIGKILL);
	conn_close(&c);
	assert_null(host_start());
	assert_int_equal(listed(), 0);
	assert_true(no_snapshots(NULL));
	assert_true(one_left(NULL));
	call_ok("exec.list", by_name("f"));
	rm("f");
	done();
}

static void its_sandbox_may_go_meanwhile(void **state)
{
	struct conn c;
	json_t *r;
	int64_t id;

	create("f", 184);
	conn_open(&c, false);
	id = conn_request(&c, "snapshot.create", by_name("f"));
	saves_memory();
	rm("f");
	r = conn_reply(&c, id);
	assert_non_null(json_object_get(r, "result"));
	json_decref(r);
	conn_close(&c);
	call_ok("sandbox.create", from("c", "f-1"));
	rm("c");
	snap_rm("f-1");
	done();
}

static void it_survives_its_runner(void **state)
{
	create("f", 170);
	snap("f", NULL);
	host_end(SIGKILL);
	assert_null(host_start());
	assert_int_equal(listed(), 1);
	call_ok("sandbox.create", from("c", "f-1"));
	rm("c");
	rm("f");
	snap_rm("f-1");
	done();
}

static void a_copy_that_cannot_be_made_leaves_nothing(void **state)
{
	static const int modes[] = { 188, 190, 192, 194 };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct conn c;
		json_t *r;

		create("f", modes[i]);
		snap("f", NULL);
		rm("f");
		conn_open(&c, false);
		r = conn_reply(&c, conn_request(&c, "sandbox.create",
						from("c", "f-1")));
		assert_non_null(json_object_get(r, "error"));
		json_decref(r);
		conn_close(&c);
		assert_nothing_left();
		assert_int_equal(listed(), 1);
		snap_rm("f-1");
		done();
	}
}

static void a_damaged_one_is_listed_and_can_be_removed(void **state)
{
	const char *id;
	FILE *f;

	create("f", 170);
	id = snap("f", NULL);
	rm("f");
	host_end(SIGTERM);
	f = fopen(host_path(SNAPSHOTS "/%s/meta.json", id), "we");
	fputs("{\"name\":\"f-1\"}", f);
	fclose(f);
	assert_null(host_start());
	assert_int_equal(listed(), 1);
	assert_says(fails("sandbox.create", from("c", "f-1"), "io"), "damaged");
	snap_rm("f-1");
	done();
}

static void what_cannot_be_saved_says_why(void **state)
{
	create("f", 170);
	call_ok("sandbox.pause", by_name("f"));
	assert_says(fails("snapshot.create", snap_params("f", NULL), "state"),
		    "is paused");
	rm("f");
	done();
}

static void its_image_is_not_removed(void **state)
{
	create("f", 170);
	snap("f", NULL);
	rm("f");
	assert_says(fails("image.rm", json_pack("{s:s}", "image", "default"),
			  "busy"), "used by snapshot f-1");
	snap_rm("f-1");
	done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_sandbox_goes_on),
		cmocka_unit_test(sandboxes_are_made_of_it),
		cmocka_unit_test(what_is_the_snapshots_is_not_asked_for),
		cmocka_unit_test(names),
		cmocka_unit_test(of_one_that_is_frozen_the_files_are_shared),
		cmocka_unit_test(failures_leave_nothing),
		cmocka_unit_test(a_client_that_goes_away_leaves_nothing),
		cmocka_unit_test(a_killed_runner_leaves_nothing),
		cmocka_unit_test(its_sandbox_may_go_meanwhile),
		cmocka_unit_test(it_survives_its_runner),
		cmocka_unit_test(a_copy_that_cannot_be_made_leaves_nothing),
		cmocka_unit_test(a_damaged_one_is_listed_and_can_be_removed),
		cmocka_unit_test(what_cannot_be_saved_says_why),
		cmocka_unit_test(its_image_is_not_removed),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
