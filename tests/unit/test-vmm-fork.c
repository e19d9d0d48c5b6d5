/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-vmm-fork.c - live forks of a real podflare-vmm
 *
 * A tiny guest, vmm_rig_counter, on any /dev/kvm; skipped (77) without one.
 */
#include "tests/unit/vmm-rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cowfmt.h"
#include "common/fdpass.h"
#include "common/loop.h"
#include "common/path.h"
#include "runner/vmm/kvm.h"

#define CHILDREN 8
#define DISK (64 * MIB)

/* A VMM that was forked. It has a rig's shape, so that a rig's functions work,
 * and is no child of ours. */
struct copy {
	struct vmm_rig r;
	int listen, vmm_log;
	bool used;
};

struct nest {
	struct vmm_rig *r;		/* the first one */
	struct copy copies[CHILDREN];
	struct ctl_forked answer;
	int layers;			/* made so far */
};

static int nest_setup(void **state)
{
	struct nest *n = calloc(1, sizeof(*n));
	void *rig;

	assert_int_equal(vmm_rig_setup(&rig), 0);
	n->r = rig;
	vmm_rig_guest(n->r, vmm_rig_counter, vmm_rig_counter_len);
	*state = n;
	return 0;
}

static void copy_free(struct copy *c)
{
	if (!c->used)
		return;
	if (c->r.pid > 0)
		kill(c->r.pid, SIGKILL);
	if (c->r.sock >= 0)
		close(c->r.sock);
	close(c->r.log);
	close(c->r.record);
	close(c->r.dirfd);
	close(c->vmm_log);
	c->used = false;
}

static int nest_teardown(void **state)
{
	struct nest *n = *state;
	void *rig = n->r;

	for (int i = 0; i < CHILDREN; i++)
		copy_free(&n->copies[i]);
	vmm_rig_teardown(&rig);
	free(n);
	return 0;
}

/* Files for child @i, in a folder of its own. */
static void copy_prepare(struct nest *n, int i)
{
	struct copy *c = &n->copies[i];
	struct err err = ERR_INIT;
	char name[16];

	copy_free(c);
	snprintf(name, sizeof(name), "%d", i);
	path_remove_tree(n->r->dirfd, name, &err);
	assert_int_equal(mkdirat(n->r->dirfd, name, 0700), 0);
	*c = (struct copy){ .used = true };
	c->r.dirfd = openat(n->r->dirfd, name, O_DIRECTORY | O_CLOEXEC);
	c->r.sock = c->r.reply_fd = -1;
	c->r.log = vmm_rig_file(&c->r, "log");
	c->r.record = vmm_rig_file(&c->r, "record");
	c->vmm_log = vmm_rig_file(&c->r, "vmm.log");
	c->listen = path_bind_unix(c->r.dirfd, "control", SOCK_SEQPACKET, &err);
	assert_true(c->listen >= 0);
}

static int new_layer(struct nest *n)
{
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "layer%d", n->layers++);
	fd = vmm_rig_file(n->r, name);
	assert_int_equal(cow_format_create(fd, DISK, NULL), 0);
	return fd;
}

/* Fork @from into copies @first to @first + @count - 1, connect to those that
 * were made. @disks: writable ones. Return: 0, or the error. */
static int fork_into(struct nest *n, struct vmm_rig *from, int first, int count,
		     const uint32_t *flags, int disks)
{
	struct ctl_fork f = { .n = (uint32_t)count };
	int fds[CTL_MAX_FDS], nfds = 0, rc;

	for (int d = 0; d < disks; d++)
		fds[nfds++] = new_layer(n);
	for (int i = first; i < first + count; i++) {
		struct copy *c = &n->copies[i];

		copy_prepare(n, i);
		f.flags[i - first] = flags ? flags[i - first] : 0;
		fds[nfds++] = c->listen;
		fds[nfds++] = c->r.log;
		fds[nfds++] = c->r.record;
		fds[nfds++] = c->vmm_log;
		for (int d = 0; d < disks; d++)
			fds[nfds++] = new_layer(n);
	}
	rc = vmm_rig_fork(from, &f, fds, (size_t)nfds, &n->answer);
	for (int i = first; i < first + count; i++) {
		struct copy *c = &n->copies[i];

		close(c->listen);
		if (rc == 0 && n->answer.error[i - first] == 0)
			c->r.pid = (pid_t)n->answer.pid[i - first];
		if (c->r.pid > 0)
			vmm_rig_connect(&c->r);
	}
	return rc;
}

static void boot(struct nest *n)
{
	if (vmm_rig_configure(n->r) != 0)
		fail_msg("%s", n->r->reply.detail);
	vmm_rig_expect_log(n->r, "hi\n");
}

static void fork_ok(struct nest *n, struct vmm_rig *from, int first, int count,
		    const uint32_t *flags)
{
	if (fork_into(n, from, first, count, flags, 0) != 0)
		fail_msg("%s", from->reply.detail);
	for (int i = 0; i < count; i++)
		if (n->answer.error[i])
			fail_msg("%d: %s", i, n->answer.detail);
}

static void type(struct vmm_rig *r, const char *text)
{
	int fd = vmm_rig_console(r);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Once it has nothing else to do. */
static unsigned int count_fds(struct vmm_rig *r)
{
	char path[64];
	unsigned int n = 0;
	DIR *d;

	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)r->pid);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void wait_first_exit(struct vmm_rig *r)
{
	do
		assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
	while (r->reply.status.first_exit_ns == 0);
}

static void wait_gone(pid_t pid)
{
	for (int i = 0; i < 5000 && kill(pid, 0) == 0; i++)
		usleep(2000);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
}

static void children_go_on_from_the_instant(void **state)
{
	struct nest *n = *state;

	boot(n);
	type(n->r, "xx");
	vmm_rig_expect_log(n->r, "AB");
	fork_ok(n, n->r, 0, 3, NULL);
	assert_true(n->answer.pause_ns > 0);
	type(&n->copies[0].r, "x");
	vmm_rig_expect_log(&n->copies[0].r, "C");
	type(&n->copies[0].r, "xx");
	vmm_rig_expect_log(&n->copies[0].r, "CDE");
	type(n->r, "xxxx");
	vmm_rig_expect_log(n->r, "ABCDEF");
	type(&n->copies[2].r, "x");
	vmm_rig_expect_log(&n->copies[2].r, "C");
}

static void a_child_says_who_it_is(void **state)
{
	struct nest *n = *state;
	struct err err = ERR_INIT;
	pid_t pid;

	boot(n);
	fork_ok(n, n->r, 0, 2, NULL);
	for (int i = 0; i < 2; i++) {
		struct vmm_rig *r = &n->copies[i].r;

		assert_int_equal(fdpass_check_peer(r->sock, &pid, &err), 0);
		assert_int_equal(pid, r->pid);
		assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
		assert_int_equal(r->reply.status.state, CTL_STATE_RUNNING);
		assert_int_equal(r->reply.status.ram, 128ULL << 20);
		wait_first_exit(r);
	}
	assert_int_not_equal(n->copies[0].r.pid, n->copies[1].r.pid);
}

static void a_held_copy_waits_and_can_be_forked(void **state)
{
	static const uint32_t hold[] = { CTL_FORK_HOLD };
	struct nest *n = *state;
	struct vmm_rig *held = &n->copies[0].r;

	boot(n);
	type(n->r, "xx");
	vmm_rig_expect_log(n->r, "AB");
	fork_ok(n, n->r, 0, 1, hold);
	type(n->r, "xx");
	vmm_rig_expect_log(n->r, "ABCD");
	assert_int_equal(vmm_rig_request(held, CTL_STATUS), 0);
	assert_int_equal(held->reply.status.state, CTL_STATE_HELD);
	assert_int_equal(vmm_rig_request(held, CTL_CONSOLE), ENXIO);
	assert_int_equal(vmm_rig_request(held, CTL_PAUSE), ENXIO);
	fork_ok(n, held, 1, 2, NULL);
	type(&n->copies[1].r, "x");
	vmm_rig_expect_log(&n->copies[1].r, "C");
	/* and it can run itself */
	assert_int_equal(vmm_rig_request(held, CTL_RESUME), 0);
	type(held, "xx");
	vmm_rig_expect_log(held, "CD");
	assert_int_equal(vmm_rig_request(held, CTL_STATUS), 0);
	assert_int_equal(held->reply.status.state, CTL_STATE_RUNNING);
}

/* Whatever it is that there is no descriptor for. */
static void a_copy_that_could_not_wake_wakes_later(void **state)
{
	static const uint32_t hold[] = { CTL_FORK_HOLD };
	struct nest *n = *state;
	struct vmm_rig *held = &n->copies[0].r;
	struct rlimit all, few;
	unsigned int fds, failed = 0;

	n->r->config.vcpus = 2;
	boot(n);
	fork_ok(n, n->r, 0, 1, hold);
	fds = count_fds(held);
	assert_int_equal(prlimit(held->pid, RLIMIT_NOFILE, NULL, &all), 0);
	few = all;
	for (few.rlim_cur = fds;; few.rlim_cur++) {
		assert_true(few.rlim_cur < fds + 100);
		prlimit(held->pid, RLIMIT_NOFILE, &few, NULL);
		if (vmm_rig_request(held, CTL_RESUME) == 0)
			break;
		assert_int_equal(vmm_rig_request(held, CTL_STATUS), 0);
		assert_int_equal(held->reply.status.state, CTL_STATE_HELD);
		assert_int_equal(count_fds(held), fds);
		failed++;
	}
	assert_true(failed > 5);
	prlimit(held->pid, RLIMIT_NOFILE, &all, NULL);
	type(held, "x");
	vmm_rig_expect_log(held, "A");
	assert_int_equal(vmm_rig_request(held, CTL_PAUSE), 0);
	assert_int_equal(vmm_rig_request(held, CTL_RESUME), 0);
	type(held, "x");
	vmm_rig_expect_log(held, "AB");
}

static void forks_of_forks_twenty_deep(void **state)
{
	struct nest *n = *state;
	struct vmm_rig *from = n->r;
	char all[32] = "";

	boot(n);
	for (int level = 0; level < 20; level++) {
		struct vmm_rig *to = &n->copies[level % 2].r;

		type(from, "x");
		all[level % 20] = (char)('A' + level);
		vmm_rig_expect_log(from, &all[level]);
		fork_ok(n, from, level % 2, 1, NULL);
		from = to;
	}
	type(from, "x");
	vmm_rig_expect_log(from, "U");
}

static void many_vcpus_are_forked(void **state)
{
	struct nest *n = *state;

	n->r->config.vcpus = CTL_MAX_VCPUS;
	boot(n);
	type(n->r, "x");
	vmm_rig_expect_log(n->r, "A");
	fork_ok(n, n->r, 0, 2, NULL);
	for (int i = 0; i < 2; i++) {
		type(&n->copies[i].r, "x");
		vmm_rig_expect_log(&n->copies[i].r, "B");
		assert_int_equal(n->copies[i].r.reply.status.vcpus,
				 CTL_MAX_VCPUS);
	}
}

static void a_paused_guests_children_run_and_it_stays_paused(void **state)
{
	struct nest *n = *state;

	boot(n);
	assert_int_equal(vmm_rig_request(n->r, CTL_PAUSE), 0);
	fork_ok(n, n->r, 0, 1, NULL);
	type(&n->copies[0].r, "x");
	vmm_rig_expect_log(&n->copies[0].r, "A");
	assert_int_equal(vmm_rig_request(n->r, CTL_STATUS), 0);
	assert_int_equal(n->r->reply.status.state, CTL_STATE_PAUSED);
	assert_int_equal(vmm_rig_request(n->r, CTL_RESUME), 0);
	type(n->r, "x");
	vmm_rig_expect_log(n->r, "A");
}

static void processes_end_alone(void **state)
{
	struct nest *n = *state;

	boot(n);
	fork_ok(n, n->r, 0, 3, NULL);
	kill(n->copies[0].r.pid, SIGKILL);
	wait_gone(n->copies[0].r.pid);
	type(&n->copies[1].r, "x");
	vmm_rig_expect_log(&n->copies[1].r, "A");
	/* the parent: reaped by us, its children by whoever comes after */
	kill(n->r->pid, SIGKILL);
	vmm_rig_wait(n->r);
	type(&n->copies[2].r, "x");
	vmm_rig_expect_log(&n->copies[2].r, "A");
	assert_int_equal(vmm_rig_request(&n->copies[2].r, CTL_QUIT), 0);
	n->copies[0].r.pid = 0;
}

/* A KVM descriptor of the parent would hold all of its memory. */
static void no_descriptor_is_left_over(void **state)
{
	struct nest *n = *state;
	unsigned int before, parent, child;
	int console;

	boot(n);
	before = count_fds(n->r);
	console = vmm_rig_console(n->r);	/* the parent's own affair */
	parent = count_fds(n->r);
	fork_ok(n, n->r, 0, 2, NULL);
	assert_int_equal(count_fds(n->r), parent);
	child = count_fds(&n->copies[1].r);
	assert_int_equal(count_fds(&n->copies[0].r), child);
	assert_true(child <= before);
	/* nor does it add up */
	fork_ok(n, &n->copies[0].r, 2, 1, NULL);
	fork_ok(n, &n->copies[2].r, 3, 1, NULL);
	assert_int_equal(count_fds(&n->copies[3].r), child);
	close(console);
}

static void requests_that_are_none(void **state)
{
	struct nest *n = *state;
	struct ctl_fork f = { .n = 1 };

	assert_int_equal(vmm_rig_fork(n->r, &f, NULL, 0, &n->answer), EINVAL);
	boot(n);
	assert_int_equal(vmm_rig_fork(n->r, &f, NULL, 0, &n->answer), EINVAL);
	f.n = 0;
	assert_int_equal(vmm_rig_fork(n->r, &f, NULL, 0, &n->answer), EINVAL);
	f.n = CTL_FORK_MAX + 1;
	assert_int_equal(vmm_rig_fork(n->r, &f, NULL, 0, &n->answer), EINVAL);
	f.n = UINT32_MAX;
	assert_int_equal(vmm_rig_fork(n->r, &f, NULL, 0, &n->answer), EINVAL);
	type(n->r, "x");
	vmm_rig_expect_log(n->r, "A");
}

/* What cannot be a control socket fails in its child alone. */
static void one_failure_is_one_result(void **state)
{
	struct nest *n = *state;
	struct ctl_fork f = { .n = 3 };
	int fds[12];

	boot(n);
	for (int i = 0; i < 3; i++) {
		struct copy *c = &n->copies[i];

		copy_prepare(n, i);
		fds[4 * i] = i == 1 ? c->r.log : c->listen;
		fds[4 * i + 1] = c->r.log;
		fds[4 * i + 2] = c->r.record;
		fds[4 * i + 3] = c->vmm_log;
	}
	assert_int_equal(vmm_rig_fork(n->r, &f, fds, 12, &n->answer), 0);
	for (int i = 0; i < 3; i++) {
		struct copy *c = &n->copies[i];

		close(c->listen);
		c->r.pid = (pid_t)n->answer.pid[i];
		if (i == 1)
			continue;
		assert_int_equal(n->answer.error[i], 0);
		vmm_rig_connect(&c->r);
		type(&c->r, "x");
		vmm_rig_expect_log(&c->r, "A");
	}
	assert_int_equal(n->answer.error[1], ENOTSOCK);
	assert_int_equal(n->answer.pid[1], 0);
	assert_non_null(strstr(n->answer.detail, "control socket"));
}

static void answers_of_many_at_once(void **state)
{
	struct nest *n = *state;

	boot(n);
	for (int round = 0; round < 10; round++)
		fork_ok(n, n->r, 0, CHILDREN, NULL);
	for (int i = 0; i < CHILDREN; i++) {
		type(&n->copies[i].r, "x");
		vmm_rig_expect_log(&n->copies[i].r, "A");
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, nest_setup, nest_teardown)
	const struct CMUnitTest tests[] = {
		TEST(children_go_on_from_the_instant),
		TEST(a_child_says_who_it_is),
		TEST(a_held_copy_waits_and_can_be_forked),
		TEST(a_copy_that_could_not_wake_wakes_later),
		TEST(forks_of_forks_twenty_deep),
		TEST(many_vcpus_are_forked),
		TEST(a_paused_guests_children_run_and_it_stays_paused),
		TEST(processes_end_alone),
		TEST(no_descriptor_is_left_over),
		TEST(requests_that_are_none),
		TEST(one_failure_is_one_result),
		TEST(answers_of_many_at_once),
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
