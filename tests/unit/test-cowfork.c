/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-cowfork.c - a disk that is forked with its process
 *
 * After fork(2) both sides write and flush, or die before they do; each chain is
 * opened again from its files and must read as its side saw it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/vmm/cowfile.h"
#include "tests/unit/unit.h"

#define SIZE (256 * MIB)
#define SPOTS 64		/* clusters that are written to, far apart */
#define STEP (SIZE / SPOTS)

/* Files of a chain, as a sandbox's folder has them. */
struct folder {
	int fds[8];
	unsigned int n;
};

struct disk_pair {
	struct cow_disk parent;
	struct folder mine, childs;
};

static int layer(void)
{
	int fd = memfd_create("layer", MFD_CLOEXEC);

	assert_int_equal(cow_format_create(fd, SIZE, NULL), 0);
	return fd;
}

static void open_folder(struct cow_disk *c, const struct folder *f)
{
	struct err err = ERR_INIT;
	int fds[8];

	for (unsigned int i = 0; i < f->n; i++) {
		char path[64];

		/* as another process would: a description of its own */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fds[i]);
		fds[i] = open(path, O_RDWR | O_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
	if (cow_open(c, fds, f->n, false, &err) < 0)
		fail_msg("%s", err.msg);
}

static int put(struct cow_disk *c, unsigned int spot, char what)
{
	uint8_t buf[COW_CLUSTER];
	struct iovec iov = { buf, sizeof(buf) };

	memset(buf, what, sizeof(buf));
	return c->disk.ops->write(&c->disk, &iov, 1, spot * STEP, sizeof(buf));
}

static char get(struct cow_disk *c, unsigned int spot)
{
	uint8_t buf[COW_CLUSTER];
	struct iovec iov = { buf, sizeof(buf) };

	assert_int_equal(c->disk.ops->read(&c->disk, &iov, 1, spot * STEP,
					   sizeof(buf)), 0);
	for (size_t i = 1; i < sizeof(buf); i++)
		assert_int_equal(buf[i], buf[0]);
	return (char)buf[0];
}

static int flush(struct cow_disk *c)
{
	return c->disk.ops->flush(&c->disk);
}

static int setup(void **state)
{
	struct disk_pair *p = calloc(1, sizeof(*p));
	int bottom = memfd_create("bottom", MFD_CLOEXEC);

	assert_int_equal(ftruncate(bottom, MIB), 0);
	p->mine = (struct folder){ .fds = { bottom, layer() }, .n = 2 };
	open_folder(&p->parent, &p->mine);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct disk_pair *p = *state;

	disk_close(&p->parent.disk);
	free(p);
	return 0;
}

/* Take a fresh top, as one side of a fork does. */
static void push(struct cow_disk *c, struct folder *f)
{
	struct err err = ERR_INIT;
	struct cow_layer l;

	if (cow_layer_load(c, dup(f->fds[f->n - 1]), &l, &err) < 0)
		fail_msg("%s", err.msg);
	cow_push(c, &l);
}

/* Fork; the child runs @does and is waited for, by way of a pipe: 'w' lets it
 * go on. Return: in the parent, its pid. */
static pid_t split(struct disk_pair *p, int (*does)(struct cow_disk *c),
		   int *go)
{
	int wait[2];
	bool kept;
	pid_t pid;

	assert_int_equal(pipe2(wait, O_CLOEXEC), 0);
	kept = !cow_freeze(&p->parent);
	p->childs = p->mine;
	if (kept)
		p->childs.n--;
	else
		p->mine.fds[p->mine.n++] = layer();
	p->childs.fds[p->childs.n++] = layer();
	pid = fork();
	if (pid == 0) {
		char c;

		if (kept)
			cow_drop_top(&p->parent);
		push(&p->parent, &p->childs);
		close(wait[1]);
		if (read(wait[0], &c, 1) != 1)
			_exit(9);
		_exit(does(&p->parent));
	}
	if (!kept)
		push(&p->parent, &p->mine);
	close(wait[0]);
	*go = wait[1];
	return pid;
}

static void let_go(pid_t pid, int go)
{
	int status;

	assert_int_equal(write(go, "w", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(go);
}

static int child_writes_and_flushes(struct cow_disk *c)
{
	if (get(c, 1) != 'a' || get(c, 2) != 'b' || put(c, 2, 'c') ||
	    put(c, 3, 'c') || flush(c))
		return 1;
	return get(c, 1) != 'a' || get(c, 2) != 'c';
}

static int child_flushes(struct cow_disk *c)
{
	return flush(c) != 0;
}

static int child_dies(struct cow_disk *c)
{
	return put(c, 2, 'c');
}

static void expect(const struct folder *f, const char *want)
{
	struct cow_disk *c = calloc(1, sizeof(*c));

	open_folder(c, f);
	for (unsigned int i = 0; want[i]; i++)
		assert_int_equal(get(c, i), want[i] == '.' ? 0 : want[i]);
	disk_close(&c->disk);
	free(c);
}

static void before(struct disk_pair *p)
{
	assert_int_equal(put(&p->parent, 1, 'a'), 0);
	assert_int_equal(flush(&p->parent), 0);
	assert_int_equal(put(&p->parent, 2, 'b'), 0);
}

static void both_sides_write_and_flush(void **state)
{
	struct disk_pair *p = *state;
	int go;
	pid_t pid;

	before(p);
	pid = split(p, child_writes_and_flushes, &go);
	assert_int_equal(put(&p->parent, 2, 'p'), 0);
	assert_int_equal(put(&p->parent, 4, 'p'), 0);
	let_go(pid, go);
	assert_int_equal(flush(&p->parent), 0);
	expect(&p->mine, ".ap.p");
	expect(&p->childs, ".acc.");
}

/* The fork's layer was never flushed by the parent, which is killed. */
static void a_child_saves_what_both_stand_on(void **state)
{
	struct disk_pair *p = *state;
	int go;
	pid_t pid;

	before(p);
	pid = split(p, child_flushes, &go);
	assert_int_equal(put(&p->parent, 2, 'p'), 0);
	let_go(pid, go);
	/* nothing was flushed since by the parent */
	expect(&p->mine, ".ab.");
	expect(&p->childs, ".ab.");
}

static void a_child_that_is_killed_takes_nothing_along(void **state)
{
	struct disk_pair *p = *state;
	int go;
	pid_t pid;

	before(p);
	pid = split(p, child_dies, &go);
	let_go(pid, go);
	assert_int_equal(flush(&p->parent), 0);
	expect(&p->mine, ".ab.");
	expect(&p->childs, ".ab.");
}

/* An empty top is not frozen: the parent keeps it, the child has another. */
static void an_empty_top_is_not_shared(void **state)
{
	struct disk_pair *p = *state;
	unsigned int n = p->mine.n;
	int go;
	pid_t pid;

	pid = split(p, child_dies, &go);
	assert_int_equal(p->mine.n, n);
	assert_int_equal(put(&p->parent, 1, 'p'), 0);
	let_go(pid, go);
	assert_int_equal(flush(&p->parent), 0);
	expect(&p->mine, ".p..");
	expect(&p->childs, "....");
}

/* At the same time: they write the same bytes. */
static void all_flush_at_once(void **state)
{
	struct disk_pair *p = *state;
	int go[4];
	pid_t pid[4];
	struct folder childs[4];

	for (int round = 0; round < 4; round++) {
		assert_int_equal(put(&p->parent, 5 + (unsigned int)round, 'r'),
				 0);
		pid[round] = split(p, child_flushes, &go[round]);
		childs[round] = p->childs;
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(write(go[i], "w", 1), 1);
	assert_int_equal(flush(&p->parent), 0);
	for (int i = 0; i < 4; i++) {
		int status;

		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
		close(go[i]);
	}
	expect(&p->mine, ".....rrrr");
	expect(&childs[0], ".....r...");
	expect(&childs[1], ".....rr..");
	expect(&childs[3], ".....rrrr");
}

/* The kernel tells of a lost write once, whoever asks first. */
static int child_hears_of_a_lost_write(struct cow_disk *c)
{
	*c->layers[c->nr - 2].failed = EIO;
	return flush(c) != -EIO;
}

static void a_lost_write_is_told_to_all(void **state)
{
	struct disk_pair *p = *state;
	int go;
	pid_t pid;

	before(p);
	pid = split(p, child_hears_of_a_lost_write, &go);
	let_go(pid, go);
	assert_int_equal(flush(&p->parent), -EIO);
	assert_int_equal(put(&p->parent, 1, 'p'), -EIO);
	/* no layer says that it is whole */
	assert_int_equal(p->parent.layers[0].header.flags & COW_SEALED, 0);
}

static void a_fork_that_fails_leaves_the_top_writable(void **state)
{
	struct disk_pair *p = *state;

	before(p);
	assert_true(cow_freeze(&p->parent));
	assert_int_equal(put(&p->parent, 3, 'x'), -EROFS);
	cow_thaw(&p->parent);
	assert_int_equal(put(&p->parent, 3, 'x'), 0);
	assert_int_equal(flush(&p->parent), 0);
	expect(&p->mine, ".abx");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(both_sides_write_and_flush),
		TEST(a_child_saves_what_both_stand_on),
		TEST(a_child_that_is_killed_takes_nothing_along),
		TEST(an_empty_top_is_not_shared),
		TEST(all_flush_at_once),
		TEST(a_lost_write_is_told_to_all),
		TEST(a_fork_that_fails_leaves_the_top_writable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
