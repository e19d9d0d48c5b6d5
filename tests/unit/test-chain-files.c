/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-chain-files.c - layers as files, however they were left
 */
#include "runner/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/path.h"
#include "runner/vmm/cowfile.h"
#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

#define SIZE (200 * MIB)
#define AT(n) ((n) * 50 * MIB)	/* where something is written */

static char home[] = "/tmp/podflare-chain-XXXXXX";
static int home_fd, dir;	/* the folder, of the test, of one sandbox */

static int set_up(void **state)
{
	strcpy(home + sizeof(home) - 7, "XXXXXX");
	assert_non_null(mkdtemp(home));
	home_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(home_fd, "a", 0700);
	mkdirat(home_fd, "b", 0700);
	dir = openat(home_fd, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return home_fd < 0 || dir < 0;
}

static int tear_down(void **state)
{
	close(dir);
	close(home_fd);
	return path_remove_tree(AT_FDCWD, home, NULL);
}

static void add(unsigned int nr)
{
	int fd = chain_add(dir, nr, SIZE, NULL);

	assert_true(fd >= 0);
	close(fd);
}

/* As another sandbox that has the layer, too. */
static void share(unsigned int nr)
{
	char name[CHAIN_NAME], other[CHAIN_NAME + 4];

	chain_name(name, nr);
	snprintf(other, sizeof(other), "b/%s", name);
	assert_int_equal(linkat(dir, name, home_fd, other, 0), 0);
}

static void settle(struct chain *c)
{
	struct err err = ERR_INIT;

	if (chain_settle(dir, SIZE, c, &err) < 0)
		fail_msg("%s", err.msg);
}

static void assert_chain(const struct chain *c, unsigned int n,
			 const unsigned int *nr)
{
	struct chain again;

	assert_int_equal(c->n, n);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(c->nr[i], nr[i]);
	assert_int_equal(chain_list(dir, &again, NULL), 0);
	assert_int_equal(again.n, n);
}

#define ASSERT_CHAIN(c, ...) do { \
	const unsigned int nr_[] = { __VA_ARGS__ }; \
	assert_chain(c, ARRAY_SIZE(nr_), nr_); \
} while (0)

/* As a VMM opens it. */
static void open_disk(struct cow_disk *d, const struct chain *c)
{
	int fds[COW_LAYERS_MAX + 1] = { memfd_create("bottom", MFD_CLOEXEC) };
	struct err err = ERR_INIT;
	char name[CHAIN_NAME];

	for (unsigned int i = 0; i < c->n; i++) {
		chain_name(name, c->nr[i]);
		fds[i + 1] = openat(dir, name, O_RDWR | O_CLOEXEC);
	}
	if (cow_open(d, fds, c->n + 1, false, &err) < 0)
		fail_msg("%s", err.msg);
}

static void write_at(struct cow_disk *d, uint64_t at, const char *text)
{
	char block[4096] = "";
	struct iovec iov = { block, sizeof(block) };

	strcpy(block, text);
	assert_int_equal(d->disk.ops->write(&d->disk, &iov, 1, at, 4096), 0);
}

static void assert_reads(struct cow_disk *d, uint64_t at, const char *text)
{
	char block[4096];
	struct iovec iov = { block, sizeof(block) };

	assert_int_equal(d->disk.ops->read(&d->disk, &iov, 1, at, 4096), 0);
	assert_string_equal(block, text);
}

/* Open what is there, write @text at @at; flush and seal as asked. */
static void use(unsigned int nr, uint64_t at, const char *text, bool sealed)
{
	static struct cow_disk d;
	struct chain c = { .n = 0 };

	assert_int_equal(chain_list(dir, &c, NULL), 0);
	assert_int_equal(c.nr[c.n - 1], nr);
	open_disk(&d, &c);
	write_at(&d, at, text);
	if (sealed)
		assert_int_equal(cow_seal(&d), 0);
	else
		assert_int_equal(d.disk.ops->flush(&d.disk), 0);
	disk_close(&d.disk);
}

static void assert_disk(const struct chain *c, uint64_t at, const char *text)
{
	static struct cow_disk d;

	open_disk(&d, c);
	assert_reads(&d, at, text);
	disk_close(&d.disk);
}

static void a_clean_chain_is_left_alone(void **state)
{
	struct chain c;

	add(0);
	settle(&c);
	ASSERT_CHAIN(&c, 0);
	use(0, AT(0), "zero", true);
	add(1);
	use(1, AT(1), "one", false);
	settle(&c);
	ASSERT_CHAIN(&c, 0, 1);
	assert_disk(&c, AT(0), "zero");
	assert_disk(&c, AT(1), "one");
}

static void a_sealed_top_gets_a_fresh_one(void **state)
{
	struct chain c;

	add(0);
	use(0, AT(0), "zero", true);
	settle(&c);
	ASSERT_CHAIN(&c, 0, 1);
	assert_disk(&c, AT(0), "zero");
}

/* A fork, and then the power is cut before anybody flushed. */
static void an_empty_top_on_an_open_layer_goes(void **state)
{
	struct chain c;

	add(0);
	use(0, AT(0), "zero", false);
	add(1);
	add(2);
	settle(&c);
	ASSERT_CHAIN(&c, 0);
	assert_disk(&c, AT(0), "zero");
}

/* The same, where another sandbox has that layer: both go on from it. */
static void an_open_layer_that_is_shared_is_sealed(void **state)
{
	struct chain c;

	add(0);
	use(0, AT(0), "zero", false);
	share(0);
	add(1);
	settle(&c);
	ASSERT_CHAIN(&c, 0, 1);
	use(1, AT(0), "mine", false);
	assert_disk(&c, AT(0), "mine");
}

static void a_shared_top_is_not_written_to(void **state)
{
	struct chain c;

	add(0);
	use(0, AT(0), "zero", false);
	share(0);
	settle(&c);
	ASSERT_CHAIN(&c, 0, 1);
}

/* The file's name came to the disk, its contents did not. */
static void a_top_that_never_came_to_the_disk_is_none(void **state)
{
	struct chain c;

	add(0);
	use(0, AT(0), "zero", true);
	close(openat(dir, "disk.001.cow", O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	settle(&c);
	ASSERT_CHAIN(&c, 0, 1);
	assert_disk(&c, AT(0), "zero");
	assert_int_equal(unlinkat(dir, "disk.001.cow", 0), 0);
	close(openat(dir, "disk.001.cow", O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	close(openat(dir, "disk.002.cow", O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	settle(&c);
	ASSERT_CHAIN(&c, 0, 1);
}

static void a_damaged_layer_is_an_error(void **state)
{
	struct err err = ERR_INIT;
	struct chain c;
	int fd;

	add(0);
	use(0, AT(0), "zero", true);
	add(1);
	fd = openat(dir, "disk.000.cow", O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "\xff", 1, 20), 1);
	close(fd);
	assert_int_equal(chain_settle(dir, SIZE, &c, &err), -1);
	assert_non_null(strstr(err.msg, "disk.000.cow"));
	assert_non_null(strstr(err.msg, "damaged"));
	assert_int_equal(chain_list(dir, &c, NULL), 0);
	assert_int_equal(c.n, 2);
}

static void no_layer_at_all_is_an_error(void **state)
{
	struct err err = ERR_INIT;
	struct chain c;

	assert_int_equal(chain_settle(dir, SIZE, &c, &err), -1);
	assert_int_equal(err.code, ERR_IO);
}

static void the_old_name_is_understood(void **state)
{
	struct chain c;

	add(0);
	assert_int_equal(renameat(dir, "disk.000.cow", dir, "disk.cow"), 0);
	settle(&c);
	ASSERT_CHAIN(&c, 0);
}

static void other_files_are_no_layers(void **state)
{
	static const char *const names[] = {
		"disk.1.cow", "disk.0001.cow", "disk.001.cow.tmp", "disk.x.cow",
		"xdisk.001.cow", "disk.-01.cow",
	};
	struct chain c;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		close(openat(dir, names[i], O_CREAT | O_RDWR | O_CLOEXEC,
			     0600));
	add(7);
	add(1000);
	assert_int_equal(chain_list(dir, &c, NULL), 0);
	assert_int_equal(c.n, 2);
	assert_int_equal(c.nr[1], 1000);
	assert_int_equal(chain_next(&c), 1001);
}

static void a_chain_that_is_too_long_is_an_error(void **state)
{
	struct err err = ERR_INIT;
	struct chain c;

	for (unsigned int i = 0; i < CHAIN_MAX + 3; i++)
		add(i);
	assert_int_equal(chain_list(dir, &c, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

static bool is_sealed(unsigned int nr)
{
	struct cow_report r = { 0 };
	char name[CHAIN_NAME];
	int fd;

	chain_name(name, nr);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(cow_format_check(fd, &r, NULL), 0);
	close(fd);
	return r.sealed;
}

/* Random layers; one made of them must read the same. */
static void flattened_layers_read_the_same(void **state)
{
	static const uint64_t spots[] = {
		0, 4096, 128 * MIB - 4096, 128 * MIB, SIZE - 4096, 40960, 45056,
	};
	static struct cow_disk d;
	char now[ARRAY_SIZE(spots)][16];
	uint64_t seed = 42;
	struct chain c;

	for (int round = 0; round < 20; round++) {
		unsigned int layers = 3 + rig_random(&seed) % 30;
		struct stat st;

		memset(now, 0, sizeof(now));
		for (unsigned int i = 0; i < layers; i++) {
			add(i);
			assert_int_equal(chain_list(dir, &c, NULL), 0);
			open_disk(&d, &c);
			for (int k = 0; k < 3; k++) {
				size_t s = rig_random(&seed) %
					   ARRAY_SIZE(spots);

				if (rig_random(&seed) % 4 == 0) {
					now[s][0] = '\0';
					d.disk.ops->discard(&d.disk, spots[s],
							    4096);
					continue;
				}
				snprintf(now[s], sizeof(now[s]), "%u", i + 1);
				write_at(&d, spots[s], now[s]);
			}
			if (i + 1 < layers)
				assert_int_equal(cow_seal(&d), 0);
			else
				d.disk.ops->flush(&d.disk);
			disk_close(&d.disk);
		}
		share(layers - 2);
		assert_int_equal(chain_flatten(dir, &c, NULL), 0);
		ASSERT_CHAIN(&c, layers - 2, layers - 1);
		assert_true(is_sealed(layers - 2));
		assert_int_equal(fstatat(dir, "disk.flat.tmp", &st, 0), -1);
		open_disk(&d, &c);
		for (size_t s = 0; s < ARRAY_SIZE(spots); s++)
			assert_reads(&d, spots[s], now[s]);
		disk_close(&d.disk);
		tear_down(NULL);
		set_up(NULL);
	}
}

static void a_long_chain_is_made_short_when_it_is_settled(void **state)
{
	struct chain c;

	for (unsigned int i = 0; i < CHAIN_FLATTEN + 4; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", i);
		add(i);
		use(i, AT(i % 4), text, true);
	}
	settle(&c);
	ASSERT_CHAIN(&c, CHAIN_FLATTEN + 3, CHAIN_FLATTEN + 4);
	assert_disk(&c, AT(0), "16");
	assert_disk(&c, AT(3), "19");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_clean_chain_is_left_alone),
		TEST(a_sealed_top_gets_a_fresh_one),
		TEST(an_empty_top_on_an_open_layer_goes),
		TEST(an_open_layer_that_is_shared_is_sealed),
		TEST(a_shared_top_is_not_written_to),
		TEST(a_top_that_never_came_to_the_disk_is_none),
		TEST(a_damaged_layer_is_an_error),
		TEST(no_layer_at_all_is_an_error),
		TEST(the_old_name_is_understood),
		TEST(other_files_are_no_layers),
		TEST(a_chain_that_is_too_long_is_an_error),
		TEST(flattened_layers_read_the_same),
		TEST(a_long_chain_is_made_short_when_it_is_settled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
