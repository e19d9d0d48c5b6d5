/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-vmm-layers.c - a real podflare-vmm's layers are exchanged
 *
 * A tiny guest, vmm_rig_counter, on any /dev/kvm; skipped (77) without one.  It
 * has no driver for its disk: what is read after an exchange is the matter of
 * test-cowswap.
 */
#include "tests/unit/vmm-rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cowfmt.h"
#include "common/path.h"
#include "runner/vmm/kvm.h"

#define LAYERS 6
#define DISK (64 * MIB)

struct stack {
	struct vmm_rig *r;
	int base;
	int layers[LAYERS];	/* the last is the top */
	int made;
};

/* A layer that has the clusters of the bits in @clusters. */
static int layer(struct stack *s, uint64_t size, uint64_t clusters, bool sealed)
{
	struct cow_header h;
	char name[16];
	int fd;

	snprintf(name, sizeof(name), "layer%d", s->made++);
	fd = vmm_rig_file(s->r, name);
	assert_int_equal(cow_format_create(fd, size, NULL), 0);
	assert_int_equal(cow_format_load(fd, &h, NULL), 0);
	assert_int_equal(pwrite(fd, &clusters, sizeof(clusters),
				(off_t)h.bitmap_off), sizeof(clusters));
	h.flags = sealed ? COW_SEALED : 0;
	assert_int_equal(cow_format_store(fd, &h), 0);
	return fd;
}

static uint64_t clusters_of(int i)
{
	return 1ULL << i | 1ULL << (i + 10) | 1;
}

static int set_up(void **state)
{
	struct stack *s = calloc(1, sizeof(*s));
	void *rig;

	assert_int_equal(vmm_rig_setup(&rig), 0);
	s->r = rig;
	vmm_rig_guest(s->r, vmm_rig_counter, vmm_rig_counter_len);
	s->base = vmm_rig_file(s->r, "base");
	for (int i = 0; i < LAYERS; i++)
		s->layers[i] = layer(s, DISK, clusters_of(i), i < LAYERS - 1);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct stack *s = *state;
	void *rig = s->r;

	close(s->base);
	for (int i = 0; i < LAYERS; i++)
		close(s->layers[i]);
	vmm_rig_teardown(&rig);
	free(s);
	return 0;
}

static void boot(struct stack *s)
{
	struct ctl_config *c = &s->r->config;
	int fds[6 + LAYERS] = { s->r->kvm, s->r->kernel, s->r->log,
				s->r->record, s->base, s->base };

	c->nr_disks = 2;
	c->disks[0] = (struct ctl_disk){ .kind = CTL_DISK_RAW, .read_only = 1,
					 .nr_fds = 1 };
	c->disks[1] = (struct ctl_disk){ .kind = CTL_DISK_COW,
					 .nr_fds = 1 + LAYERS };
	memcpy(fds + 6, s->layers, sizeof(s->layers));
	if (vmm_rig_configure_with(s->r, fds, ARRAY_SIZE(fds)) != 0)
		fail_msg("%s", s->r->reply.detail);
	vmm_rig_expect_log(s->r, "hi\n");
}

static struct ctl_file file_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (struct ctl_file){ st.st_dev, st.st_ino };
}

static struct ctl_layers request(struct stack *s, unsigned int first,
				 unsigned int count)
{
	struct ctl_layers m = { .disk = 1, .first = first, .count = count };

	for (unsigned int i = first; i < first + count && i < LAYERS; i++)
		m.old[i - first] = file_of(s->layers[i]);
	return m;
}

/* What the VMM says that it has is these. */
static void assert_layers(struct vmm_rig *r, const int *fds, unsigned int n)
{
	struct ctl_layers m = { .disk = 1 };

	if (vmm_rig_layers(r, &m, -1) != 0)
		fail_msg("%s", r->reply.detail);
	assert_int_equal(r->layered.n, n);
	for (unsigned int i = 0; i < n; i++) {
		struct ctl_file f = file_of(fds[i]);

		assert_int_equal(r->layered.layers[i].dev, f.dev);
		assert_int_equal(r->layered.layers[i].ino, f.ino);
	}
}

static uint64_t together(int first, int count)
{
	uint64_t all = 0;

	for (int i = first; i < first + count; i++)
		all |= clusters_of(i);
	return all;
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

	assert_int_equal(vmm_rig_request(r, CTL_STATUS), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)r->pid);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void it_tells_what_it_has(void **state)
{
	struct stack *s = *state;

	boot(s);
	assert_layers(s->r, s->layers, LAYERS);
	assert_int_equal(s->r->layered.sealed, LAYERS - 1);
}

static void one_takes_the_place_of_three(void **state)
{
	struct stack *s = *state;
	struct ctl_layers m = request(s, 1, 3);
	unsigned int fds;
	int now[4], new;

	boot(s);
	fds = count_fds(s->r);
	new = layer(s, DISK, together(1, 3), true);
	if (vmm_rig_layers(s->r, &m, new) != 0)
		fail_msg("%s", s->r->reply.detail);
	assert_int_equal(s->r->layered.n, 4);
	assert_int_equal(s->r->layered.sealed, 3);
	now[0] = s->layers[0];
	now[1] = new;
	now[2] = s->layers[4];
	now[3] = s->layers[5];
	assert_layers(s->r, now, 4);
	assert_int_equal(count_fds(s->r), fds - 2);
	/* the guest has not noticed; nor has what comes after */
	type(s->r, "x");
	vmm_rig_expect_log(s->r, "A");
	assert_int_equal(vmm_rig_request(s->r, CTL_SYNC), 0);
	m = request(s, 0, 3);
	assert_int_equal(vmm_rig_layers(s->r, &m, new), ESTALE);
	assert_layers(s->r, now, 4);
	close(new);
}

static void all_below_the_top_become_one(void **state)
{
	struct stack *s = *state;
	struct ctl_layers m = request(s, 0, LAYERS - 1);
	int now[2];

	boot(s);
	assert_int_equal(vmm_rig_request(s->r, CTL_PAUSE), 0);
	now[0] = layer(s, DISK, together(0, LAYERS - 1), true);
	now[1] = s->layers[LAYERS - 1];
	assert_int_equal(vmm_rig_layers(s->r, &m, now[0]), 0);
	assert_layers(s->r, now, 2);
	assert_int_equal(vmm_rig_request(s->r, CTL_RESUME), 0);
	type(s->r, "x");
	vmm_rig_expect_log(s->r, "A");
	close(now[0]);
}

/* What is frozen by a fork is not sealed yet, until it is flushed; a copy has
 * what its parent had. */
static void it_goes_with_forks(void **state)
{
	static const uint32_t hold = CTL_FORK_HOLD;
	struct stack *s = *state;
	struct ctl_fork f = { .n = 1, .flags = { hold } };
	struct ctl_layers m = request(s, 2, 4);
	struct ctl_forked answer;
	struct vmm_rig copy = { .sock = -1 };
	int now[4], new, listen;
	int fds[6];

	boot(s);
	new = layer(s, DISK, together(2, 4), true);
	listen = path_bind_unix(s->r->dirfd, "copy", SOCK_SEQPACKET, NULL);
	fds[0] = layer(s, DISK, 0, false);
	fds[1] = listen;
	fds[2] = vmm_rig_file(s->r, "log2");
	fds[3] = vmm_rig_file(s->r, "record2");
	fds[4] = vmm_rig_file(s->r, "vmm.log2");
	fds[5] = layer(s, DISK, 0, false);
	assert_int_equal(vmm_rig_layers(s->r, &m, new), EINVAL);
	assert_int_equal(vmm_rig_fork(s->r, &f, fds, 6, &answer), 0);
	assert_int_equal(answer.error[0], 0);
	assert_int_equal(answer.kept_top, 0);
	assert_int_equal(vmm_rig_layers(s->r, &m, new), EINVAL);
	assert_non_null(strstr(s->r->reply.detail, "not sealed"));
	assert_int_equal(vmm_rig_request(s->r, CTL_SYNC), 0);
	assert_int_equal(vmm_rig_layers(s->r, &m, new), 0);
	now[0] = s->layers[0];
	now[1] = s->layers[1];
	now[2] = new;
	now[3] = fds[0];
	assert_layers(s->r, now, 4);
	/* the held copy is not to be touched */
	copy.pid = (pid_t)answer.pid[0];
	copy.sock = path_connect_unix(s->r->dirfd, "copy", SOCK_SEQPACKET,
				      NULL);
	assert_true(copy.sock >= 0);
	assert_int_equal(vmm_rig_layers(&copy, &m, new), ENXIO);
	assert_int_equal(vmm_rig_request(&copy, CTL_RESUME), 0);
	memcpy(now, s->layers, 2 * sizeof(int));
	m = (struct ctl_layers){ .disk = 1 };
	assert_int_equal(vmm_rig_layers(&copy, &m, -1), 0);
	assert_int_equal(copy.layered.n, LAYERS + 1);
	assert_int_equal(copy.layered.layers[LAYERS].ino, file_of(fds[5]).ino);
	kill(copy.pid, SIGKILL);
	close(copy.sock);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	close(new);
}

static void refused(struct stack *s, struct ctl_layers m, int fd, int error,
		    const char *why)
{
	assert_int_equal(vmm_rig_layers(s->r, &m, fd), error);
	if (!strstr(s->r->reply.detail, why))
		fail_msg("\"%s\", not \"%s\"", s->r->reply.detail, why);
	assert_layers(s->r, s->layers, LAYERS);
}

static void ranges_that_are_none(void **state)
{
	static const unsigned int bad[][2] = {
		{ 0, LAYERS }, { LAYERS - 1, 1 }, { LAYERS, 1 },
		{ 1, LAYERS - 1 }, { 1, UINT32_MAX }, { UINT32_MAX, 1 },
		{ UINT32_MAX, UINT32_MAX }, { 2, UINT32_MAX - 1 },
		{ 0, CTL_MAX_LAYERS }, { 0, CTL_MAX_LAYERS + 1 },
	};
	struct stack *s = *state;
	struct ctl_layers m;
	unsigned int fds;
	int new;

	new = layer(s, DISK, together(0, 3), true);
	boot(s);
	fds = count_fds(s->r);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		m = request(s, 0, LAYERS);
		m.first = bad[i][0];
		m.count = bad[i][1];
		refused(s, m, new, EINVAL, "not below the top");
	}
	m = request(s, 0, 3);
	m.disk = 0;
	refused(s, m, new, EINVAL, "disk 0");
	m.disk = 2;
	refused(s, m, new, EINVAL, "disk 2");
	m.disk = UINT32_MAX;
	refused(s, m, new, EINVAL, "no layers");
	assert_int_equal(count_fds(s->r), fds);
	close(new);
}

static void files_that_are_none(void **state)
{
	struct stack *s = *state;
	struct ctl_layers m = request(s, 0, 3), other = m;
	uint64_t all = together(0, 3);
	struct cow_header h;
	unsigned int fds;
	int bad[8], n = 0;

	boot(s);
	fds = count_fds(s->r);
	bad[n] = layer(s, DISK, all, false);
	refused(s, m, bad[n++], EINVAL, "not sealed");
	bad[n] = layer(s, 2 * DISK, all, true);
	refused(s, m, bad[n++], EINVAL, "another size");
	bad[n] = layer(s, DISK, all | 1ULL << 40, true);
	refused(s, m, bad[n++], EINVAL, "does not hold");
	bad[n] = layer(s, DISK, all & ~2ULL, true);
	refused(s, m, bad[n++], EINVAL, "does not hold");
	bad[n] = layer(s, DISK, 0, true);
	refused(s, m, bad[n++], EINVAL, "does not hold");
	bad[n] = layer(s, DISK, all, true);
	assert_int_equal(pwrite(bad[n], "\xff", 1, 20), 1);
	refused(s, m, bad[n++], EINVAL, "damaged");
	bad[n] = layer(s, DISK, all, true);
	assert_int_equal(cow_format_load(bad[n], &h, NULL), 0);
	assert_int_equal(ftruncate(bad[n], (off_t)h.data_off), 0);
	refused(s, m, bad[n++], EINVAL, "bytes");
	refused(s, m, s->base, EINVAL, "short");
	/* it is others that are meant */
	bad[n] = layer(s, DISK, all, true);
	other.old[2].ino++;
	refused(s, other, bad[n], ESTALE, "layer 2");
	other = m;
	other.first = 1;
	refused(s, other, bad[n++], ESTALE, "layer 1");
	assert_int_equal(count_fds(s->r), fds);
	for (int i = 0; i < n; i++)
		close(bad[i]);
}

static void messages_that_are_none(void **state)
{
	struct stack *s = *state;
	struct ctl_layers m = request(s, 0, 3), ask = { .disk = 1 };
	struct ctl_header h;
	int new = layer(s, DISK, together(0, 3), true);

	assert_int_equal(vmm_rig_layers(s->r, &ask, -1), ENXIO);
	boot(s);
	assert_int_equal(vmm_rig_layers(s->r, &m, -1), -1);
	vmm_rig_connect(s->r);
	assert_int_equal(vmm_rig_layers(s->r, &ask, new), -1);
	vmm_rig_connect(s->r);
	h = (struct ctl_header){ CTL_MAGIC, CTL_LAYERS, ++s->r->seq };
	assert_int_equal(vmm_rig_send_raw(s->r, &h, sizeof(h)), 0);
	vmm_rig_connect(s->r);
	assert_layers(s->r, s->layers, LAYERS);
	close(new);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(it_tells_what_it_has),
		TEST(one_takes_the_place_of_three),
		TEST(all_below_the_top_become_one),
		TEST(it_goes_with_forks),
		TEST(ranges_that_are_none),
		TEST(files_that_are_none),
		TEST(messages_that_are_none),
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
