/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-chain.c - a sandbox's layers after its VMM was killed
 *
 * Disks are open in this process and in forked ones, as VMMs have them.
 */
#include "runner/chain.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/path.h"
#include "runner/vmm/cowfile.h"
#include "tests/unit/unit.h"

#define SIZE (64 * MIB)

struct folders {
	char dir[64];
	int bottom, mine, childs;
	struct cow_disk disk;		/* of the folder "mine" */
};

static int setup(void **state)
{
	struct folders *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/podflare-chain-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->bottom = open(f->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(f->bottom >= 0);
	for (int i = 0; i < 2; i++) {
		char path[80];
		int fd;

		snprintf(path, sizeof(path), "%s/%d", f->dir, i);
		assert_int_equal(mkdir(path, 0700), 0);
		fd = open(path, O_DIRECTORY | O_CLOEXEC);
		assert_true(fd >= 0);
		*(i ? &f->childs : &f->mine) = fd;
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct folders *f = *state;

	path_remove_tree(AT_FDCWD, f->dir, NULL);
	close(f->bottom);
	close(f->mine);
	close(f->childs);
	free(f);
	return 0;
}

/* As a sandbox starts. */
static void start(struct folders *f, int dirfd, struct cow_disk *disk)
{
	int fds[CHAIN_MAX + 1] = { dup(f->bottom) };
	struct err err = ERR_INIT;
	struct chain c;

	if (chain_settle(dirfd, SIZE, &c, &err) < 0)
		fail_msg("%s", err.msg);
	for (unsigned int i = 0; i < c.n; i++) {
		char name[CHAIN_NAME];

		chain_name(name, c.nr[i]);
		fds[i + 1] = openat(dirfd, name, O_RDWR | O_CLOEXEC);
	}
	if (cow_open(disk, fds, c.n + 1, false, &err) < 0)
		fail_msg("%s", err.msg);
}

static void put(struct cow_disk *c, unsigned int cluster, char what)
{
	uint8_t buf[COW_CLUSTER];
	struct iovec iov = { buf, sizeof(buf) };

	memset(buf, what, sizeof(buf));
	assert_int_equal(c->disk.ops->write(&c->disk, &iov, 1,
					    cluster * COW_CLUSTER,
					    sizeof(buf)), 0);
}

static char get(struct cow_disk *c, unsigned int cluster)
{
	uint8_t buf[COW_CLUSTER];
	struct iovec iov = { buf, sizeof(buf) };

	assert_int_equal(c->disk.ops->read(&c->disk, &iov, 1,
					   cluster * COW_CLUSTER,
					   sizeof(buf)), 0);
	return buf[0] ? (char)buf[0] : '.';
}

static void expect(struct cow_disk *c, const char *want)
{
	for (unsigned int i = 0; want[i]; i++)
		assert_int_equal(get(c, i), want[i]);
}

static void flush(struct cow_disk *c)
{
	assert_int_equal(c->disk.ops->flush(&c->disk), 0);
}

/* A fresh top in the folder. */
static void push(struct cow_disk *c, int dirfd, unsigned int nr)
{
	struct err err = ERR_INIT;
	struct cow_layer l;
	int fd = chain_add(dirfd, nr, SIZE, &err);

	if (fd < 0 || cow_layer_load(c, fd, &l, &err) < 0)
		fail_msg("%s", err.msg);
	cow_push(c, &l);
}

/* Fork the disk; the other flushes when it is let go. Return: its pid. */
static pid_t fork_disk(struct folders *f, int *go)
{
	struct err err = ERR_INIT;
	struct chain c;
	int wait[2];
	pid_t pid;

	assert_int_equal(pipe2(wait, O_CLOEXEC), 0);
	assert_true(cow_freeze(&f->disk));
	assert_int_equal(chain_list(f->mine, &c, &err), 0);
	assert_int_equal(chain_link(f->mine, f->childs, &c, &err), 0);
	pid = fork();
	if (pid == 0) {
		char byte;

		push(&f->disk, f->childs, chain_next(&c));
		close(wait[1]);
		if (read(wait[0], &byte, 1) < 0)
			_exit(1);
		_exit(f->disk.disk.ops->flush(&f->disk.disk) != 0);
	}
	push(&f->disk, f->mine, chain_next(&c));
	close(wait[0]);
	*go = wait[1];
	return pid;
}

static void let_go(pid_t pid, int go)
{
	int status;

	close(go);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* What a copy alone remembers of the layer that both stand on stays its own. */
static void a_copys_late_flush_does_not_change_a_restarted_disk(void **state)
{
	struct folders *f = *state;
	struct err err = ERR_INIT;
	pid_t pid;
	int go, fd = chain_add(f->mine, 0, SIZE, &err);

	assert_true(fd >= 0);
	close(fd);
	start(f, f->mine, &f->disk);
	put(&f->disk, 1, 'a');
	flush(&f->disk);
	put(&f->disk, 2, 'b');
	pid = fork_disk(f, &go);
	/* killed, and started again: as after a power cut */
	disk_close(&f->disk.disk);
	start(f, f->mine, &f->disk);
	expect(&f->disk, ".a..");
	put(&f->disk, 3, 'n');
	flush(&f->disk);
	let_go(pid, go);
	expect(&f->disk, ".a.n");
	disk_close(&f->disk.disk);
	start(f, f->mine, &f->disk);
	expect(&f->disk, ".a.n");
	disk_close(&f->disk.disk);
	/* while the copy has all that it had */
	start(f, f->childs, &f->disk);
	expect(&f->disk, ".ab.");
	disk_close(&f->disk.disk);
}

/* Nobody was killed: the layer stays one file. */
static void a_layer_that_was_flushed_stays_shared(void **state)
{
	struct folders *f = *state;
	struct err err = ERR_INIT;
	struct stat st;
	pid_t pid;
	int go, fd = chain_add(f->mine, 0, SIZE, &err);

	assert_true(fd >= 0);
	close(fd);
	start(f, f->mine, &f->disk);
	put(&f->disk, 1, 'a');
	pid = fork_disk(f, &go);
	let_go(pid, go);
	disk_close(&f->disk.disk);
	start(f, f->mine, &f->disk);
	expect(&f->disk, ".a..");
	disk_close(&f->disk.disk);
	assert_int_equal(fstatat(f->mine, "disk.000.cow", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_copys_late_flush_does_not_change_a_restarted_disk),
		TEST(a_layer_that_was_flushed_stays_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
