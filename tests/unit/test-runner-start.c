/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-start.c - how podflared starts, or does not
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/runner-host.h"
#include "tests/unit/unit.h"

static void write_root(const char *name, const char *text)
{
	FILE *f = fopen(host_path("root/%s", name), "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static json_t *create_fails(const char *code)
{
	struct conn c;
	json_t *e;

	conn_open(&c, false);
	e = conn_fail(&c, "sandbox.create", NULL, code);
	conn_close(&c);
	assert_int_equal(host_count("data/podflare/sandboxes"), 0);
	return e;
}

static const char *hint_of(const json_t *e)
{
	return json_string_value(json_object_get(json_object_get(e, "data"),
						 "hint"));
}

static void test_second_runner_is_refused(void **state)
{
	pid_t first = host_runner;
	char *line = host_start();

	assert_non_null(line);
	assert_non_null(strstr(line, "error exists "));
	free(line);
	host_runner = first;
	call_ok("runner.info", NULL);
}

/* As from cron, where XDG_RUNTIME_DIR is not set: it must not take up, and end,
 * the sandboxes of the one that runs. */
static void test_second_runner_in_another_runtime_folder(void **state)
{
	pid_t first = host_runner;
	char pid[24], *line;

	call_ok("sandbox.create", json_pack("{s:s}", "name", "kept"));
	assert_int_equal(mkdir(host_path("other"), 0700), 0);
	setenv("XDG_RUNTIME_DIR", host_path("other"), 1);
	line = host_start();
	if (!line)
		host_end(SIGTERM);
	setenv("XDG_RUNTIME_DIR", host_path("runtime"), 1);
	host_runner = first;
	assert_non_null(line);
	assert_non_null(strstr(line, "error exists "));
	assert_non_null(strstr(line, host_path("runtime/podflare")));
	snprintf(pid, sizeof(pid), "kill %d;", (int)first);
	assert_non_null(strstr(line, pid));
	free(line);
	assert_true(sandbox_is("kept", "running"));
	call_ok("sandbox.rm", by_name("kept"));
}

static void test_no_kvm_device(void **state)
{
	json_t *e;

	unlink(host_path("root/dev/kvm"));
	e = create_fails("kvm");
	assert_non_null(strstr(hint_of(e), "modprobe"));
	json_decref(e);
	write_root("proc/cpuinfo", "x\nflags\t: fpu svm_lock\n");
	e = create_fails("kvm");
	assert_non_null(strstr(hint_of(e), "emulated machine"));
	json_decref(e);
	write_root("dev/kvm", "");
	e = create_fails("kvm");
	assert_non_null(strstr(hint_of(e), "emulated machine"));
	json_decref(e);
}

static void test_info_tells_about_kvm(void **state)
{
	struct conn c;
	json_t *r, *kvm;

	conn_open(&c, false);
	r = conn_ok(&c, "runner.info", NULL);
	kvm = json_object_get(r, "kvm");
	assert_true(json_is_false(json_object_get(kvm, "ok")));
	assert_true(json_string_length(json_object_get(kvm, "hint")) > 0);
	json_decref(r);
	write_root("proc/cpuinfo", "x\nflags\t: fpu svm\n");
	r = conn_ok(&c, "runner.info", NULL);
	kvm = json_object_get(r, "kvm");
	assert_true(json_is_true(json_object_get(kvm, "ok")));
	json_decref(r);
	conn_close(&c);
}

static void test_kvm_permission(void **state)
{
	json_t *e;

	if (geteuid() == 0)
		skip();
	chmod(host_path("root/dev/kvm"), 0);
	e = create_fails("kvm");
	assert_non_null(strstr(hint_of(e), "usermod -aG kvm"));
	json_decref(e);
	chmod(host_path("root/dev/kvm"), 0600);
}

static void test_no_vmm_and_no_init(void **state)
{
	json_t *e;

	rename(host_path("libexec/init.cpio"), host_path("libexec/x"));
	e = create_fails("not_found");
	assert_non_null(strstr(json_string_value(json_object_get(e, "message")),
			       "init.cpio"));
	json_decref(e);
	rename(host_path("libexec/x"), host_path("libexec/init.cpio"));
	rename(host_path("libexec/podflare-vmm"), host_path("libexec/x"));
	close(open(host_path("libexec/podflare-vmm"),
		   O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	json_decref(create_fails("permission"));
	unlink(host_path("libexec/podflare-vmm"));
	rename(host_path("libexec/x"), host_path("libexec/podflare-vmm"));
	call_ok("sandbox.create", json_pack("{s:s}", "name", "back"));
	call_ok("sandbox.rm", by_name("back"));
}

/* With the limit on file sizes as a disk that is full: the disk's layer cannot
 * be made. */
static void test_layer_cannot_be_written(void **state)
{
	struct rlimit old, low = { 1 << 20, 1 << 20 };
	struct conn c;

	call_ok("sandbox.create", json_pack("{s:s}", "name", "warm"));
	call_ok("sandbox.rm", by_name("warm"));
	host_end(SIGTERM);
	getrlimit(RLIMIT_FSIZE, &old);
	low.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &low);
	assert_null(host_start());
	setrlimit(RLIMIT_FSIZE, &old);
	conn_open(&c, false);
	conn_request(&c, "sandbox.create", NULL);
	json_decref(conn_reply(&c, c.id));
	conn_close(&c);
	assert_int_equal(host_count("data/podflare/sandboxes"), 0);
	assert_int_equal(host_vmms(), 0);
	host_end(SIGTERM);
	assert_null(host_start());
}

static void test_full_disk_refuses_to_start(void **state)
{
	char *line;

	if (geteuid() != 0)
		skip();
	host_end(SIGTERM);
	mkdir(host_path("small"), 0700);
	if (mount("none", host_path("small"), "tmpfs", 0, "size=1m") < 0)
		skip();
	setenv("XDG_DATA_HOME", host_path("small"), 1);
	line = host_start();
	assert_non_null(line);
	assert_non_null(strstr(line, "error no_space "));
	assert_non_null(strchr(line, '\x1f'));
	free(line);
	umount(host_path("small"));
	setenv("XDG_DATA_HOME", host_path("data"), 1);
	assert_null(host_start());
}

static void test_create_on_a_small_disk(void **state)
{
	if (geteuid() != 0)
		skip();
	host_end(SIGTERM);
	if (mount("none", host_path("small"), "tmpfs", 0, "size=32m") < 0)
		skip();
	setenv("XDG_DATA_HOME", host_path("small"), 1);
	assert_null(host_start());
	call_fail("sandbox.create", NULL, "not_found");	/* no image */
	host_end(SIGTERM);
	umount(host_path("small"));
	setenv("XDG_DATA_HOME", host_path("data"), 1);
	assert_null(host_start());
}

static void test_log_is_rotated(void **state)
{
	struct stat st;

	host_end(SIGTERM);
	assert_int_equal(truncate(host_path("state/podflare/podflared.log"),
				  5 << 20), 0);
	assert_null(host_start());
	assert_int_equal(stat(host_path("state/podflare/podflared.log"), &st),
			 0);
	assert_true(st.st_size < 100000);
	assert_int_equal(stat(host_path("state/podflare/podflared.log.1"),
			      &st), 0);
}

static void test_stale_files_are_removed(void **state)
{
	host_end(SIGKILL);
	mkdir(host_path("data/podflare/sandboxes/.rm-0123456789ab"), 0700);
	mkdir(host_path("data/podflare/sandboxes/0123456789ab"), 0700);
	mkdir(host_path("data/podflare/images/.tmp-put-x"), 0700);
	close(open(host_path("data/podflare/disks/.tmp-x"),
		   O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	close(open(host_path("runtime/podflare/vm/x.sock"),
		   O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_null(host_start());
	assert_int_equal(host_count("data/podflare/sandboxes"), 0);
	assert_int_equal(host_count("data/podflare/images"), 2);
	assert_int_equal(host_count("data/podflare/disks"), 1);
	assert_int_equal(host_count("runtime/podflare/vm"), 0);
}

static void test_open_runtime_folder_is_refused(void **state)
{
	char *line;

	host_end(SIGTERM);
	chmod(host_path("runtime/podflare"), 0755);
	line = host_start();
	assert_non_null(line);
	assert_non_null(strstr(line, "error permission "));
	free(line);
	chmod(host_path("runtime/podflare"), 0700);
	assert_null(host_start());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second_runner_is_refused),
		cmocka_unit_test(test_second_runner_in_another_runtime_folder),
		cmocka_unit_test(test_no_kvm_device),
		cmocka_unit_test(test_info_tells_about_kvm),
		cmocka_unit_test(test_kvm_permission),
		cmocka_unit_test(test_no_vmm_and_no_init),
		cmocka_unit_test(test_layer_cannot_be_written),
		cmocka_unit_test(test_full_disk_refuses_to_start),
		cmocka_unit_test(test_create_on_a_small_disk),
		cmocka_unit_test(test_log_is_rotated),
		cmocka_unit_test(test_stale_files_are_removed),
		cmocka_unit_test(test_open_runtime_folder_is_refused),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
