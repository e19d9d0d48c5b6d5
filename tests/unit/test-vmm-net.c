/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-vmm-net.c - a real podflare-vmm and its network's back end
 *
 * A tiny guest on any /dev/kvm, which does not touch its card; skipped (77)
 * without one.  Frames are in test-virtio-net.c.
 */
#include "tests/unit/vmm-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/path.h"
#include "runner/vmm/kvm.h"

static int setup(void **state)
{
	struct vmm_rig *r;

	vmm_rig_setup(state);
	r = *state;
	memcpy(r->config.net_mac, "\x02pf\0\0\1", 6);
	r->config.net_mtu = 1500;
	return 0;
}

static void boot(struct vmm_rig *r)
{
	if (vmm_rig_configure(r) != 0)
		fail_msg("%s", r->reply.detail);
	vmm_rig_expect_log(r, "hi\n");
}

/* Return: our end; with the reply's error in @rc. */
static int attach_kind(struct vmm_rig *r, int domain, int type, int *rc)
{
	struct ctl_header h;
	int sv[2];

	assert_int_equal(socketpair(domain, type | SOCK_CLOEXEC, 0, sv), 0);
	*rc = vmm_rig_exchange(r, &h, sizeof(h), CTL_NET, &sv[1], 1);
	close(sv[1]);
	return sv[0];
}

static int attach(struct vmm_rig *r, int *rc)
{
	return attach_kind(r, AF_UNIX, SOCK_SEQPACKET, rc);
}

/* Within 10 s. */
static void expect_end(int fd)
{
	struct timeval tv = { .tv_sec = 10 };
	char c;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(recv(fd, &c, 1, 0), 0);
}

static void a_machine_without_a_card_takes_no_back_end(void **state)
{
	struct vmm_rig *r = *state;
	int rc, fd;

	fd = attach(r, &rc);
	assert_int_equal(rc, ENXIO);
	expect_end(fd);
	close(fd);
	r->config.net_mtu = 0;
	boot(r);
	fd = attach(r, &rc);
	assert_int_equal(rc, ENODEV);
	assert_non_null(strstr(r->reply.detail, "without a network card"));
	expect_end(fd);
	close(fd);
}

static void a_back_end_is_kept_until_the_next_one(void **state)
{
	struct vmm_rig *r = *state;
	int rc, one, two;
	char c;

	boot(r);
	one = attach(r, &rc);
	assert_int_equal(rc, 0);
	assert_int_equal(recv(one, &c, 1, MSG_DONTWAIT), -1);
	two = attach(r, &rc);
	assert_int_equal(rc, 0);
	expect_end(one);
	/* frames for a guest without a driver are lost, and cost nothing */
	for (int i = 0; i < 1000; i++)
		assert_int_equal(send(two, r, 100, 0), 100);
	/* it may end at any time */
	close(two);
	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
	assert_int_equal(r->reply.status.state, CTL_STATE_RUNNING);
	close(one);
}

static void other_sockets_are_no_wire(void **state)
{
	struct vmm_rig *r = *state;
	struct ctl_header h;
	int rc, fd;

	boot(r);
	fd = attach_kind(r, AF_UNIX, SOCK_STREAM, &rc);
	assert_int_equal(rc, -1);
	close(fd);
	vmm_rig_connect(r);
	assert_int_equal(vmm_rig_exchange(r, &h, sizeof(h), CTL_NET, &r->log,
					  1), -1);
	vmm_rig_connect(r);
	assert_int_equal(vmm_rig_request(r, CTL_NET), -1);
	vmm_rig_connect(r);
	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
}

static void impossible_cards_are_refused(void **state)
{
	struct vmm_rig *r = *state;

	r->config.net_mtu = 1279;
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	r->config.net_mtu = 65521;
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	r->config.net_mtu = 1500;
	r->config.net_mac[0] = 3;	/* a group's */
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	r->config.net_mac[0] = 0;	/* some maker's */
	assert_int_equal(vmm_rig_configure(r), EINVAL);
	assert_non_null(strstr(r->reply.detail, "network card"));
	r->config.net_mac[0] = 2;
	boot(r);
}

/* The parent's back end must not outlive the parent through its copies. */
static void a_copy_has_none_of_its_parents_back_end(void **state)
{
	struct vmm_rig *r = *state;
	struct ctl_fork f = { .n = 1 };
	struct ctl_forked answer;
	struct err err = ERR_INIT;
	int rc, wire, fds[4];
	char c;

	boot(r);
	wire = attach(r, &rc);
	assert_int_equal(rc, 0);
	fds[0] = path_bind_unix(r->dirfd, "copy", SOCK_SEQPACKET, &err);
	fds[1] = vmm_rig_file(r, "copy.log");
	fds[2] = vmm_rig_file(r, "copy.record");
	fds[3] = vmm_rig_file(r, "copy.vmm");
	assert_int_equal(vmm_rig_fork(r, &f, fds, 4, &answer), 0);
	assert_int_equal(answer.error[0], 0);
	assert_int_equal(recv(wire, &c, 1, MSG_DONTWAIT), -1);
	kill(r->pid, SIGKILL);
	vmm_rig_wait(r);
	expect_end(wire);
	assert_int_equal(kill((pid_t)answer.pid[0], 0), 0);
	kill((pid_t)answer.pid[0], SIGKILL);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	close(wire);
}

static void a_card_comes_back_from_files(void **state)
{
	struct vmm_rig *r = *state;
	struct ctl_restore back = { .console_max = 65536 };
	struct ctl_save save = { 0 };
	int rc, fd, fds[5];
	char path[64];

	boot(r);
	fd = attach(r, &rc);
	close(fd);
	assert_int_equal(vmm_rig_request(r, CTL_PAUSE), 0);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)r->pid);
	fds[0] = vmm_rig_file(r, "state");
	fds[1] = vmm_rig_file(r, "memory");
	fds[2] = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(vmm_rig_exchange(r, &save, sizeof(save), CTL_SAVE, fds,
					  3), 0);
	close(fds[2]);
	fds[3] = fds[0];
	fds[4] = fds[1];
	vmm_rig_restart(r);
	fds[0] = r->kvm;
	fds[1] = r->log;
	fds[2] = r->record;
	rc = vmm_rig_exchange(r, &back, sizeof(back), CTL_RESTORE, fds, 5);
	if (rc != 0)
		fail_msg("%s", r->reply.detail);
	fd = attach(r, &rc);
	assert_int_equal(rc, ENXIO);	/* held */
	close(fd);
	assert_int_equal(vmm_rig_request(r, CTL_RESUME), 0);
	fd = attach(r, &rc);
	assert_int_equal(rc, 0);
	close(fd);
	close(fds[3]);
	close(fds[4]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, vmm_rig_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_machine_without_a_card_takes_no_back_end),
		TEST(a_back_end_is_kept_until_the_next_one),
		TEST(other_sockets_are_no_wire),
		TEST(impossible_cards_are_refused),
		TEST(a_copy_has_none_of_its_parents_back_end),
		TEST(a_card_comes_back_from_files),
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
