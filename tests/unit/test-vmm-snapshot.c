/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-vmm-snapshot.c - a real podflare-vmm into files and back
 *
 * A tiny guest on any /dev/kvm; skipped (77) without one.  It counts what is
 * typed, as in test-vmm-fork.c.
 */
#include "tests/unit/vmm-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crc32.h"
#include "common/savedfmt.h"
#include "runner/vmm/kvm.h"
#include "runner/vmm/statefile.h"

struct saved {
	struct vmm_rig *r;	/* a VMM that runs */
	int state, memory;
};

static int setup(void **state)
{
	struct saved *s = calloc(1, sizeof(*s));
	void *rig;

	assert_int_equal(vmm_rig_setup(&rig), 0);
	s->r = rig;
	s->state = vmm_rig_file(s->r, "state");
	s->memory = vmm_rig_file(s->r, "memory");
	vmm_rig_guest(s->r, vmm_rig_counter, vmm_rig_counter_len);
	s->r->config.net_mac[0] = 2;
	s->r->config.net_mtu = 1500;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct saved *s = *state;
	void *rig = s->r;

	close(s->state);
	close(s->memory);
	vmm_rig_teardown(&rig);
	free(s);
	return 0;
}

static void type(struct vmm_rig *r, const char *text)
{
	int fd = vmm_rig_console(r);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void boot(struct saved *s)
{
	if (vmm_rig_configure(s->r) != 0)
		fail_msg("%s", s->r->reply.detail);
	vmm_rig_expect_log(s->r, "hi\n");
	type(s->r, "xx");
	vmm_rig_expect_log(s->r, "AB");
	assert_int_equal(vmm_rig_request(s->r, CTL_PAUSE), 0);
}

/* Return: the reply's error. */
static int save(struct saved *s, int state, int memory, int template)
{
	struct ctl_save msg = { .has_template = template >= 0 };
	int fds[4] = { state, memory, -1, template };
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)s->r->pid);
	fds[2] = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fds[2] >= 0);
	rc = vmm_rig_exchange(s->r, &msg, sizeof(msg), CTL_SAVE, fds,
			      template >= 0 ? 4 : 3);
	close(fds[2]);
	return rc;
}

/* Into a new VMM, in place of the old one. Return: the reply's error. */
static int restore(struct saved *s, int state, int memory, int template)
{
	struct ctl_restore msg = {
		.console_max = 65536, .has_template = template >= 0,
	};
	int fds[6], n = 0;

	vmm_rig_restart(s->r);
	fds[n++] = s->r->kvm;
	fds[n++] = s->r->log;
	fds[n++] = s->r->record;
	fds[n++] = state;
	fds[n++] = memory;
	if (template >= 0)
		fds[n++] = template;
	return vmm_rig_exchange(s->r, &msg, sizeof(msg), CTL_RESTORE, fds,
				(size_t)n);
}

/* As `gc --check` sees them: alike. */
static void expect_whole(int state, int memory, int template)
{
	struct err err = ERR_INIT;

	if (saved_format_check(state, memory, template, NULL, NULL, &err) < 0)
		fail_msg("%s", err.msg);
}

static void expect_damaged(int state, int memory, int template)
{
	struct err err = ERR_INIT;

	assert_int_equal(saved_format_check(state, memory, template, NULL,
					    NULL, &err), -1);
	assert_int_not_equal(err.code, ERR_NONE);
}

static void a_machine_goes_on_from_files(void **state)
{
	struct saved *s = *state;

	boot(s);
	assert_int_equal(save(s, s->state, s->memory, -1), 0);
	/* it was not touched by it */
	assert_int_equal(vmm_rig_request(s->r, CTL_RESUME), 0);
	type(s->r, "x");
	vmm_rig_expect_log(s->r, "ABC");
	if (restore(s, s->state, s->memory, -1) != 0)
		fail_msg("%s", s->r->reply.detail);
	assert_int_equal(s->r->reply.status.state, CTL_STATE_HELD);
	assert_int_equal(s->r->reply.status.ram, 128 * MIB);
	assert_int_equal(vmm_rig_request(s->r, CTL_RESUME), 0);
	type(s->r, "xx");
	vmm_rig_expect_log(s->r, "CD");
}

static void again_and_again(void **state)
{
	struct saved *s = *state;
	char want[3] = "C";

	boot(s);
	for (int i = 0; i < 5; i++) {
		char name[16];
		int st, mem;

		snprintf(name, sizeof(name), "state%d", i);
		st = vmm_rig_file(s->r, name);
		snprintf(name, sizeof(name), "memory%d", i);
		mem = vmm_rig_file(s->r, name);
		assert_int_equal(save(s, st, mem, -1), 0);
		assert_int_equal(restore(s, st, mem, -1), 0);
		assert_int_equal(vmm_rig_request(s->r, CTL_RESUME), 0);
		type(s->r, "x");
		want[0] = (char)('C' + i);
		vmm_rig_expect_log(s->r, want);
		assert_int_equal(vmm_rig_request(s->r, CTL_PAUSE), 0);
		close(st);
		close(mem);
	}
}

static uint64_t blocks(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

/* What is as in the template is not written again. */
static void only_what_differs_is_written(void **state)
{
	struct saved *s = *state;
	int st = vmm_rig_file(s->r, "state2"), mem = vmm_rig_file(s->r, "mem2");
	int st3 = vmm_rig_file(s->r, "state3"), m3 = vmm_rig_file(s->r, "mem3");

	boot(s);
	assert_int_equal(save(s, s->state, s->memory, -1), 0);
	/* a machine that has all of it as pages of its own */
	assert_int_equal(vmm_rig_request(s->r, CTL_RESUME), 0);
	type(s->r, "x");
	vmm_rig_expect_log(s->r, "ABC");
	assert_int_equal(vmm_rig_request(s->r, CTL_PAUSE), 0);
	assert_int_equal(save(s, st3, m3, s->memory), 0);
	assert_true(blocks(m3) <= 64 * KIB);
	/* one that is mapped from the template */
	assert_int_equal(restore(s, s->state, s->memory, -1), 0);
	assert_int_equal(vmm_rig_request(s->r, CTL_RESUME), 0);
	type(s->r, "xx");
	vmm_rig_expect_log(s->r, "CD");
	assert_int_equal(vmm_rig_request(s->r, CTL_PAUSE), 0);
	assert_int_equal(save(s, st, mem, s->memory), 0);
	assert_true(blocks(mem) > 0 && blocks(mem) <= 64 * KIB);
	expect_whole(st, mem, s->memory);
	expect_whole(st3, m3, s->memory);
	expect_damaged(st, mem, -1);
	assert_int_equal(restore(s, st, mem, s->memory), 0);
	assert_int_equal(vmm_rig_request(s->r, CTL_RESUME), 0);
	type(s->r, "x");
	vmm_rig_expect_log(s->r, "E");
	close(st);
	close(mem);
	close(st3);
	close(m3);
}

/* Nothing of the file that RAM was mapped from gets lost. */
static void a_template_may_be_another_file(void **state)
{
	struct saved *s = *state;
	int st = vmm_rig_file(s->r, "state2"), mem = vmm_rig_file(s->r, "mem2");
	int st3 = vmm_rig_file(s->r, "state3"), m3 = vmm_rig_file(s->r, "mem3");

	boot(s);
	assert_int_equal(save(s, s->state, s->memory, -1), 0);
	assert_int_equal(vmm_rig_request(s->r, CTL_RESUME), 0);
	type(s->r, "xx");
	vmm_rig_expect_log(s->r, "CD");
	assert_int_equal(vmm_rig_request(s->r, CTL_PAUSE), 0);
	assert_int_equal(save(s, st, mem, -1), 0);
	/* its RAM is the second file, its template the first */
	assert_int_equal(restore(s, st, mem, -1), 0);
	assert_int_equal(save(s, st3, m3, s->memory), 0);
	assert_int_equal(restore(s, st3, m3, s->memory), 0);
	assert_int_equal(vmm_rig_request(s->r, CTL_RESUME), 0);
	type(s->r, "x");
	vmm_rig_expect_log(s->r, "E");
	close(st);
	close(mem);
	close(st3);
	close(m3);
}

static void flip(int fd, off_t at)
{
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

static void expect_refused(struct saved *s, const char *why)
{
	expect_damaged(s->state, s->memory, -1);
	assert_int_not_equal(restore(s, s->state, s->memory, -1), 0);
	if (!strstr(s->r->reply.detail, why))
		fail_msg("not \"%s\": %s", why, s->r->reply.detail);
}

static void damage_is_found(void **state)
{
	struct saved *s = *state;
	struct stat st;

	boot(s);
	assert_int_equal(save(s, s->state, s->memory, -1), 0);
	assert_int_equal(fstat(s->state, &st), 0);
	expect_whole(s->state, s->memory, -1);
	for (off_t at = 0; at < st.st_size; at += st.st_size / 23) {
		flip(s->state, at);
		expect_refused(s, "state: ");
		flip(s->state, at);
	}
	/* the counter; the kernel's code */
	flip(s->memory, 32 * (off_t)MIB);
	expect_refused(s, "memory file: damaged at 32 MiB");
	flip(s->memory, 32 * (off_t)MIB);
	flip(s->memory, 0x1000000 + 20);
	expect_refused(s, "memory file: damaged at 16 MiB");
	flip(s->memory, 0x1000000 + 20);
	assert_int_equal(ftruncate(s->memory, 64 * (off_t)MIB), 0);
	expect_refused(s, "memory file: ");
	assert_int_equal(ftruncate(s->state, st.st_size - 100), 0);
	expect_refused(s, "state: ");
	assert_int_equal(ftruncate(s->state, 0), 0);
	expect_refused(s, "state: not a machine's state");
}

static void damage_of_the_template_is_found(void **state)
{
	struct saved *s = *state;
	int st = vmm_rig_file(s->r, "state2"), mem = vmm_rig_file(s->r, "mem2");

	boot(s);
	assert_int_equal(save(s, s->state, s->memory, -1), 0);
	assert_int_equal(save(s, st, mem, s->memory), 0);
	flip(s->memory, 0x1000000 + 20);
	expect_damaged(st, mem, s->memory);
	assert_int_not_equal(restore(s, st, mem, s->memory), 0);
	if (!strstr(s->r->reply.detail, "template: damaged at 16 MiB"))
		fail_msg("%s", s->r->reply.detail);
	flip(s->memory, 0x1000000 + 20);
	assert_int_equal(restore(s, st, mem, s->memory), 0);
	/* one that was made without a template */
	expect_damaged(s->state, s->memory, s->memory);
	assert_int_not_equal(restore(s, s->state, s->memory, s->memory), 0);
	close(st);
	close(mem);
}

/* Change the section, with right checksums. @param off counted from its data,
 * taken modulo its length */
static void lie(int fd, unsigned int nr, uint64_t off, uint8_t value)
{
	static uint8_t file[STATEFILE_MAX];
	struct statefile_header *h = (void *)file;
	ssize_t len = pread(fd, file, sizeof(file), 0);
	struct statefile_section *sec = (void *)(h + 1);

	assert_true(len > 0);
	for (nr %= h->sections; nr > 0; nr--)
		sec = (void *)((uint8_t *)(sec + 1) +
			       ALIGN_UP((size_t)sec->length, 8));
	if (sec->length == 0)
		return;
	((uint8_t *)(sec + 1))[off % sec->length] = value;
	sec->crc = crc32_of(sec + 1, sec->length);
	assert_int_equal(pwrite(fd, file, (size_t)len, 0), len);
}

static uint32_t random_of(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 33);
}

/* Any state at all: it is refused, or a guest runs that is none, and the VMM
 * goes on serving. */
static void lies_are_survived(void **state)
{
	static const uint8_t bytes[] = { 0, 1, 0x7f, 0x80, 0xff };
	struct saved *s = *state;
	struct ctl_exit end;
	unsigned int accepted = 0;
	uint64_t seed = 11;
	int rc;

	boot(s);
	assert_int_equal(save(s, s->state, s->memory, -1), 0);
	for (unsigned int i = 0; i < 150; i++) {
		int st = vmm_rig_file(s->r, "lie");
		uint8_t copy[64 * KIB];
		ssize_t n;

		for (off_t at = 0; (n = pread(s->state, copy, sizeof(copy),
					      at)) > 0; at += n)
			assert_int_equal(pwrite(st, copy, (size_t)n, at), n);
		for (unsigned int k = 0; k < 1 + i % 3; k++) {
			uint64_t r = random_of(&seed);

			lie(st, i + k, i % 2 ? r % 64 : r,
			    bytes[(r >> 8) % ARRAY_SIZE(bytes)]);
		}
		rc = restore(s, st, s->memory, -1);
		assert_int_not_equal(rc, -1);
		if (rc == 0) {
			accepted++;
			vmm_rig_request(s->r, CTL_RESUME);
			vmm_rig_request(s->r, CTL_PAUSE);
			/* -1: the guest has ended, which is its right */
			vmm_rig_request(s->r, CTL_STATUS);
		}
		if (pread(s->r->record, &end, sizeof(end), 0) > 0)
			assert_int_not_equal(end.reason, CTL_EXIT_BUG);
		assert_int_equal(ftruncate(st, 0), 0);
		close(st);
		unlinkat(s->r->dirfd, "lie", 0);
	}
	assert_true(accepted > 10);
}

static void a_running_guest_is_not_saved(void **state)
{
	struct saved *s = *state;

	boot(s);
	assert_int_equal(vmm_rig_request(s->r, CTL_RESUME), 0);
	assert_int_not_equal(save(s, s->state, s->memory, -1), 0);
	assert_non_null(strstr(s->r->reply.detail, "not paused"));
}

/* A full disk: the machine is as it was. */
static void a_failed_save_changes_nothing(void **state)
{
	struct saved *s = *state;
	int full = open("/dev/full", O_RDWR | O_CLOEXEC);

	boot(s);
	assert_int_equal(save(s, full, s->memory, -1), ENOSPC);
	assert_int_equal(vmm_rig_request(s->r, CTL_RESUME), 0);
	type(s->r, "x");
	vmm_rig_expect_log(s->r, "ABC");
	close(full);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_machine_goes_on_from_files),
		TEST(a_template_may_be_another_file),
		TEST(damage_of_the_template_is_found),
		TEST(again_and_again),
		TEST(only_what_differs_is_written),
		TEST(damage_is_found),
		TEST(lies_are_survived),
		TEST(a_running_guest_is_not_saved),
		TEST(a_failed_save_changes_nothing),
	};
	struct err err = ERR_INIT;
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0 || kvm_check(fd, &err) < 0) {
		printf("skipped: no usable /dev/kvm\n");
		return 77;
	}
	close(fd);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
