/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-vmm.c - podflare-vmm as its runner sees it
 *
 * The real program, a tiny guest, any /dev/kvm; skipped (77) without one.
 */
#include "tests/unit/vmm-rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "runner/vmm/isolate.h"
#include "runner/vmm/kvm.h"

static void boot(struct vmm_rig *r)
{
	if (vmm_rig_configure(r) != 0)
		fail_msg("%s", r->reply.detail);
	vmm_rig_expect_log(r, "hi\n");
}

static void type(struct vmm_rig *r, const char *text)
{
	int fd = vmm_rig_console(r);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static unsigned int count_fds(struct vmm_rig *r)
{
	char path[64];
	unsigned int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)r->pid);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void a_guest_boots_and_prints(void **state)
{
	struct vmm_rig *r = *state;

	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
	assert_int_equal(r->reply.status.state, CTL_STATE_NEW);
	boot(r);
	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
	assert_int_equal(r->reply.status.state, CTL_STATE_RUNNING);
	assert_int_equal(r->reply.status.vcpus, 1);
	assert_int_equal(r->reply.status.ram, 128ULL << 20);
	assert_int_equal(r->reply.status.agent_up, 0);
	assert_true(r->reply.status.uptime_ns > 0);
}

static void the_largest_guest_boots(void **state)
{
	struct vmm_rig *r = *state;

	r->config.vcpus = CTL_MAX_VCPUS;
	r->config.ram = CTL_RAM_MAX;
	boot(r);
}

static void power_off_ends_it(void **state)
{
	struct vmm_rig *r = *state;

	boot(r);
	type(r, "q");
	assert_int_equal(vmm_rig_end(r), CTL_EXIT_POWEROFF);
}

static void a_reset_ends_it(void **state)
{
	struct vmm_rig *r = *state;

	boot(r);
	type(r, "r");
	assert_int_equal(vmm_rig_end(r), CTL_EXIT_RESET);
}

static void a_crash_ends_it_with_a_word_about_where(void **state)
{
	struct vmm_rig *r = *state;
	enum ctl_exit_reason reason;

	boot(r);
	type(r, "!");
	reason = vmm_rig_end(r);
	assert_true(reason == CTL_EXIT_SHUTDOWN || reason == CTL_EXIT_KVM);
	assert_non_null(strstr(r->exit.detail, "vCPU 0"));
}

static void quit_ends_it(void **state)
{
	struct vmm_rig *r = *state;

	boot(r);
	assert_int_equal(vmm_rig_request(r, CTL_QUIT), 0);
	assert_int_equal(vmm_rig_end(r), CTL_EXIT_QUIT);
}

static void sigterm_ends_it_and_no_other_signal(void **state)
{
	struct vmm_rig *r = *state;

	boot(r);
	kill(r->pid, SIGHUP);
	kill(r->pid, SIGINT);
	kill(r->pid, SIGPIPE);
	kill(r->pid, SIGUSR1);
	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
	kill(r->pid, SIGTERM);
	assert_int_equal(vmm_rig_end(r), CTL_EXIT_QUIT);
}

static void the_console_goes_both_ways(void **state)
{
	struct vmm_rig *r = *state;
	char buf[16] = { 0 };
	int fd;

	boot(r);
	fd = vmm_rig_console(r);
	assert_int_equal(write(fd, "abc", 3), 3);
	assert_int_equal(recv(fd, buf, 3, MSG_WAITALL), 3);
	assert_string_equal(buf, "abc");
	close(fd);
	vmm_rig_expect_log(r, "hi\nabc");
}

static void a_paused_guest_answers_after_resume(void **state)
{
	struct vmm_rig *r = *state;
	char buf[16];
	int fd;

	boot(r);
	fd = vmm_rig_console(r);
	for (int round = 0; round < 10; round++) {
		assert_int_equal(vmm_rig_request(r, CTL_PAUSE), 0);
		assert_int_equal(r->reply.status.state, CTL_STATE_PAUSED);
		assert_int_equal(vmm_rig_request(r, CTL_PAUSE), 0);
		assert_int_equal(write(fd, "x", 1), 1);
		usleep(5000);
		assert_int_equal(recv(fd, buf, 1, MSG_DONTWAIT), -1);
		assert_int_equal(vmm_rig_request(r, CTL_RESUME), 0);
		assert_int_equal(r->reply.status.state, CTL_STATE_RUNNING);
		assert_int_equal(recv(fd, buf, 1, 0), 1);
	}
	close(fd);
	assert_int_equal(vmm_rig_request(r, CTL_PAUSE), 0);
	assert_int_equal(vmm_rig_request(r, CTL_QUIT), 0);
	assert_int_equal(vmm_rig_end(r), CTL_EXIT_QUIT);
}

static void a_flood_does_not_fill_the_disk(void **state)
{
	struct vmm_rig *r = *state;
	struct stat st;

	boot(r);
	type(r, "f");
	for (int i = 0; i < 50; i++) {
		usleep(10000);
		assert_int_equal(fstat(r->log, &st), 0);
		assert_true(st.st_size <= 65536);
	}
	assert_int_equal(vmm_rig_request(r, CTL_QUIT), 0);
	assert_int_equal(vmm_rig_end(r), CTL_EXIT_QUIT);
}

static void a_new_connection_replaces_the_old(void **state)
{
	struct vmm_rig *r = *state;
	int old = dup(r->sock);
	char byte;

	boot(r);
	close(r->sock);
	r->sock = -1;
	vmm_rig_connect(r);
	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
	assert_int_equal(recv(old, &byte, 1, 0), 0);
	close(old);
}

static void it_outlives_its_clients(void **state)
{
	struct vmm_rig *r = *state;
	unsigned int before;

	boot(r);
	/* let go of what came with the configuration */
	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
	before = count_fds(r);
	for (int i = 0; i < 50; i++) {
		struct ctl_connect c = {
			.h = { CTL_MAGIC, CTL_CONNECT, 1 },
			.port = 1024, .timeout_ms = 60000,
		};
		struct ctl_header h = { CTL_MAGIC, CTL_CONSOLE, 2 };

		/* gone before the answer */
		send(r->sock, &c, sizeof(c), MSG_NOSIGNAL);
		send(r->sock, &h, sizeof(h), MSG_NOSIGNAL);
		vmm_rig_connect(r);
	}
	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
	assert_int_equal(r->reply.status.connections, 0);
	assert_int_equal(r->reply.status.state, CTL_STATE_RUNNING);
	assert_int_equal(count_fds(r), before);
}

static void a_client_that_goes_during_configuration_changes_nothing(void **state)
{
	struct vmm_rig *r = *state;
	int fds[] = { r->kvm, r->kernel, r->log, r->record };

	r->config.h = (struct ctl_header){ CTL_MAGIC, CTL_CONFIG, 1 };
	assert_true(fdpass_send(r->sock, &r->config, sizeof(r->config), fds,
				4) > 0);
	vmm_rig_connect(r);
	vmm_rig_expect_log(r, "hi\n");
	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
	assert_int_equal(r->reply.status.state, CTL_STATE_RUNNING);
}

static void messages_of_another_form_close_the_connection(void **state)
{
	struct vmm_rig *r = *state;
	struct ctl_config c = { .h = { CTL_MAGIC, CTL_STATUS, 1 } };
	struct ctl_header h;

	assert_int_equal(vmm_rig_send_raw(r, "x", 1), 0);
	vmm_rig_connect(r);
	h = (struct ctl_header){ CTL_MAGIC + 1, CTL_STATUS, 1 };
	assert_int_equal(vmm_rig_send_raw(r, &h, sizeof(h)), 0);
	vmm_rig_connect(r);
	h = (struct ctl_header){ CTL_MAGIC, 99, 1 };
	assert_int_equal(vmm_rig_send_raw(r, &h, sizeof(h)), 0);
	vmm_rig_connect(r);
	h = (struct ctl_header){ CTL_MAGIC, CTL_CONFIG, 1 };
	assert_int_equal(vmm_rig_send_raw(r, &h, sizeof(h)), 0);
	vmm_rig_connect(r);
	assert_int_equal(vmm_rig_send_raw(r, &c, sizeof(c)), 0);
	vmm_rig_connect(r);
	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
}

static void without_a_guest_there_is_nothing_to_pause(void **state)
{
	struct vmm_rig *r = *state;

	assert_int_equal(vmm_rig_request(r, CTL_PAUSE), ENXIO);
	assert_int_equal(vmm_rig_request(r, CTL_CONSOLE), ENXIO);
	assert_int_equal(vmm_rig_request(r, CTL_RESUME), ENXIO);
	boot(r);
	assert_int_not_equal(vmm_rig_configure(r), 0);
	assert_non_null(strstr(r->reply.detail, "already"));
	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
	assert_int_equal(r->reply.status.state, CTL_STATE_RUNNING);
}

static void impossible_guests_are_refused(void **state)
{
	struct vmm_rig *r = *state;
	struct ctl_config good = r->config;

	r->config.ram = 64 << 20;
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	assert_non_null(strstr(r->reply.detail, "128 MiB to 16 GiB"));
	r->config = good;
	r->config.vcpus = 9;
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	r->config = good;
	r->config.guest_cid = 2;
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	r->config = good;
	r->config.nr_disks = 1;
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	r->config.disks[0].kind = CTL_DISK_RAW;
	r->config.disks[0].nr_fds = 1;
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	assert_non_null(strstr(r->reply.detail, "5 are needed"));
	r->config.disks[0].nr_fds = 0xffffffff;
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	r->config = good;
	r->config.nr_initrds = 0xffffffff;
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	r->config = good;
	memset(r->config.cmdline, 'x', sizeof(r->config.cmdline));
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	/* none of these ended it */
	r->config = good;
	boot(r);
}

static void a_file_that_is_no_kernel_is_named(void **state)
{
	struct vmm_rig *r = *state;

	assert_int_equal(ftruncate(r->kernel, 0), 0);
	assert_int_equal(pwrite(r->kernel, "not a kernel", 12, 0), 12);
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	assert_string_equal(r->reply.detail, "kernel: neither a bzImage nor an "
			    "x86-64 ELF file");
	assert_int_equal(vmm_rig_end(r), CTL_EXIT_SETUP);
	assert_string_equal(r->exit.detail, r->reply.detail);
}

static void a_file_that_is_no_kvm_is_named(void **state)
{
	struct vmm_rig *r = *state;
	int fds[] = { open("/dev/null", O_RDWR | O_CLOEXEC), r->kernel, r->log,
		      r->record };

	assert_int_not_equal(vmm_rig_configure_with(r, fds, 4), 0);
	assert_non_null(strstr(r->reply.detail, "kvm: not a KVM device"));
	close(fds[0]);
	assert_int_equal(vmm_rig_end(r), CTL_EXIT_SETUP);
}

static void a_disk_that_is_none_is_named(void **state)
{
	struct vmm_rig *r = *state;
	int fds[] = { r->kvm, r->kernel, r->log, r->record, r->dirfd };

	r->config.nr_disks = 1;
	r->config.disks[0].kind = CTL_DISK_RAW;
	r->config.disks[0].nr_fds = 1;
	assert_int_not_equal(vmm_rig_configure_with(r, fds, 5), 0);
	assert_non_null(strstr(r->reply.detail, "disk 1"));
	assert_int_equal(vmm_rig_end(r), CTL_EXIT_SETUP);
}

static void a_crash_of_the_vmm_itself_leaves_a_record(void **state)
{
	struct vmm_rig *r = *state;
	struct ctl_exit record;
	int status;

	boot(r);
	kill(r->pid, SIGSEGV);
	status = vmm_rig_wait(r);
	assert_int_equal(status & 0x7f, SIGSEGV);
	assert_int_equal(pread(r->record, &record, sizeof(record), 0),
			 sizeof(record));
	assert_int_equal(record.reason, CTL_EXIT_BUG);
	assert_non_null(strstr(record.detail, "signal 11"));
}

static void every_thread_is_isolated(void **state)
{
	struct vmm_rig *r = *state;
	char path[64], buf[4096];
	struct dirent *e;
	DIR *d;

	boot(r);
	if (!isolate_built())
		skip();
	snprintf(path, sizeof(path), "/proc/%d/task", (int)r->pid);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d))) {
		CLEANUP_FILE FILE *f = NULL;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.10s/status",
			 (int)r->pid, e->d_name);
		f = fopen(path, "re");
		assert_non_null(f);
		buf[fread(buf, 1, sizeof(buf) - 1, f)] = 0;
		assert_non_null(strstr(buf, "NoNewPrivs:\t1"));
		assert_non_null(strstr(buf, "Seccomp:\t2"));
	}
	closedir(d);
}

static void connecting_to_a_silent_guest_times_out(void **state)
{
	struct vmm_rig *r = *state;
	struct ctl_connect c = {
		.h = { CTL_MAGIC, CTL_CONNECT, 7 },
		.port = 1024, .timeout_ms = 50,
	};

	boot(r);
	assert_int_equal(vmm_rig_send_raw(r, &c, sizeof(c)), 1);
	assert_int_equal(r->reply.h.seq, 7);
	assert_int_equal(r->reply.error, ETIMEDOUT);
	assert_int_equal(r->reply_fd, -1);
}

int main(void)
{
#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, vmm_rig_setup, vmm_rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_guest_boots_and_prints),
		TEST(the_largest_guest_boots),
		TEST(power_off_ends_it),
		TEST(a_reset_ends_it),
		TEST(a_crash_ends_it_with_a_word_about_where),
		TEST(quit_ends_it),
		TEST(sigterm_ends_it_and_no_other_signal),
		TEST(the_console_goes_both_ways),
		TEST(a_paused_guest_answers_after_resume),
		TEST(a_flood_does_not_fill_the_disk),
		TEST(a_new_connection_replaces_the_old),
		TEST(it_outlives_its_clients),
		TEST(a_client_that_goes_during_configuration_changes_nothing),
		TEST(messages_of_another_form_close_the_connection),
		TEST(without_a_guest_there_is_nothing_to_pause),
		TEST(impossible_guests_are_refused),
		TEST(a_file_that_is_no_kernel_is_named),
		TEST(a_file_that_is_no_kvm_is_named),
		TEST(a_disk_that_is_none_is_named),
		TEST(a_crash_of_the_vmm_itself_leaves_a_record),
		TEST(every_thread_is_isolated),
		TEST(connecting_to_a_silent_guest_times_out),
	};
	struct err err = ERR_INIT;
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0 || kvm_check(fd, &err) < 0) {
		printf("skipped: no usable /dev/kvm\n");
		return 77;
	}
	close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
