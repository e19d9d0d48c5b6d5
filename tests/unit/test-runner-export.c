/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-export.c - snapshot.export, snapshot.import
 *
 * With VMMs that are played: the state of a machine is what they say it is.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/frame.h"
#include "tests/unit/runner-export.h"
#include "tests/unit/unit.h"

static void what_was_exported_is_imported(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP_BUF struct buf again = BUF_INIT;
	struct conn c;
	json_t *r;

	create("f", 170);
	file_snap("f", "good");
	rm("f");
	file_export("good", &b);
	call_fail("snapshot.import", file_params(&b, NULL), "exists");
	file_import_ok(&b, "other");
	file_snap_rm("good");
	file_import_ok(&b, NULL);
	/* state, memory, meta.json, one layer */
	conn_open(&c, false);
	r = conn_ok(&c, "snapshot.show", json_pack("{s:s}", "snapshot", "good"));
	assert_int_equal(host_count(host_path(SNAPSHOTS "/%s",
					      text_of(r, "id")) +
				    strlen(host_dir) + 1), 4);
	assert_string_equal(text_of(r, "sandbox_name"), "f");
	json_decref(r);
	conn_close(&c);
	call_ok("sandbox.create", json_pack("{s:s, s:s}", "name", "c", "from",
					    "other"));
	call_ok("exec.list", by_name("c"));
	rm("c");
	/* byte by byte the same but for the name */
	file_export("good", &again);
	assert_int_equal(again.len, b.len);
	assert_memory_equal(again.data, b.data, b.len);
	file_snap_rm("good");
	file_snap_rm("other");
	file_done();
}

static void it_survives_the_runner(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	file_make(170, &b);
	file_import_ok(&b, "x");
	host_end(SIGKILL);
	assert_null(host_start());
	call_ok("sandbox.create", json_pack("{s:s, s:s}", "name", "c", "from",
					    "x"));
	call_ok("exec.list", by_name("c"));
	rm("c");
	file_snap_rm("x");
	file_done();
}

static void a_disk_alone_is_carried_too(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	create("g", 170);
	file_snap("g", "good");
	rm("g");
	create("f", 170);
	kill(atoi(sandbox_text("f", "pid")), SIGKILL);
	while (!sandbox_is("f", "failed"))
		poll(NULL, 0, 5);
	call_ok("sandbox.reset", json_pack("{s:s, s:s}", "sandbox", "f",
					   "snapshot", "good"));
	rm("f");
	file_export("f-safety-1", &b);
	file_snap_rm("f-safety-1");
	file_snap_rm("good");
	file_import_ok(&b, NULL);
	call_ok("sandbox.create", json_pack("{s:s, s:s}", "name", "c", "from",
					    "f-safety-1"));
	call_ok("exec.list", by_name("c"));
	rm("c");
	file_snap_rm("f-safety-1");
	file_done();
}

static void what_the_vmm_refuses_is_not_imported(void **state)
{
	static const struct {
		int mode;
		const char *says;
	} t[] = {
		{ 188, "snapshot good: cannot be imported: memory file: "
		       "damaged" },
		{ 194, "state: of another CPU" },
		{ 196, "VMM" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		CLEANUP_BUF struct buf b = BUF_INIT;

		file_make(t[i].mode, &b);
		file_says(file_damaged(&b, &b), t[i].says);
		host_wait(file_none, NULL);
		assert_nothing_left();
	}
}

static bool comes(void *arg)
{
	return host_count(SNAPSHOTS) == 1;
}

static void begin(const struct buf *b, struct conn *c)
{
	json_t *r;

	conn_open(c, false);
	r = conn_reply(c, conn_request(c, "snapshot.import",
				       file_params(b, NULL)));
	assert_true(json_is_true(json_object_get(json_object_get(r, "result"),
						 "ready")));
	json_decref(r);
	frame_write(c->fd, AGENT_DATA, b->data, b->len / 2 % FRAME_DATA_MAX);
	host_wait(comes, NULL);
}

static void a_client_that_goes_away_leaves_nothing(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct conn c;

	file_make(170, &b);
	begin(&b, &c);
	call_fail("snapshot.show", json_pack("{s:s}", "snapshot", "good"),
		  "busy");
	conn_close(&c);
	file_done();
}

static void a_killed_runner_leaves_nothing(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct conn c;

	file_make(170, &b);
	begin(&b, &c);
	host_end(SIGKILL);
	conn_close(&c);
	assert_null(host_start());
	assert_true(file_none(NULL));
	/* and one that ends */
	begin(&b, &c);
	host_end(SIGTERM);
	conn_close(&c);
	assert_null(host_start());
	assert_true(file_none(NULL));
	file_done();
}

/* It does not take what comes. */
static void an_export_ends_with_its_client_or_runner(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int fd;

	create("f", 170);
	file_snap("f", "good");
	fd = file_open("good");
	close(fd);
	fd = file_open("good");
	/* the snapshot may go meanwhile */
	file_snap_rm("good");
	rm("f");
	b.max = 64 * MIB;
	assert_int_equal(file_read(fd, &b), AGENT_END);
	file_import_ok(&b, NULL);
	fd = file_open("good");
	host_end(SIGTERM);
	close(fd);
	assert_null(host_start());
	file_snap_rm("good");
	call_fail("snapshot.export", json_pack("{s:s}", "snapshot", "good"),
		  "not_found");
	file_done();
}

static void files_that_are_gone_or_cut_are_told(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct conn c;
	json_t *r;
	char path[256];

	create("f", 170);
	file_snap("f", "good");
	rm("f");
	conn_open(&c, false);
	r = conn_ok(&c, "snapshot.show", json_pack("{s:s}", "snapshot", "good"));
	snprintf(path, sizeof(path), "%s", host_path(SNAPSHOTS "/%s/",
						     text_of(r, "id")));
	json_decref(r);
	conn_close(&c);
	strcat(path, "disk.000.cow");
	assert_int_equal(truncate(path, 100000), 0);
	b.max = 64 * MIB;
	assert_int_equal(file_read(file_open("good"), &b), AGENT_ERROR);
	unlink(path);
	assert_int_equal(file_read(file_open("good"), &b), AGENT_ERROR);
	strcpy(strrchr(path, '/'), "/state");
	unlink(path);
	call_fail("snapshot.export", json_pack("{s:s}", "snapshot", "good"),
		  "not_found");
	file_snap_rm("good");
	file_done();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_exported_is_imported),
		cmocka_unit_test(it_survives_the_runner),
		cmocka_unit_test(a_disk_alone_is_carried_too),
		cmocka_unit_test(what_the_vmm_refuses_is_not_imported),
		cmocka_unit_test(a_client_that_goes_away_leaves_nothing),
		cmocka_unit_test(a_killed_runner_leaves_nothing),
		cmocka_unit_test(an_export_ends_with_its_client_or_runner),
		cmocka_unit_test(files_that_are_gone_or_cut_are_told),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
