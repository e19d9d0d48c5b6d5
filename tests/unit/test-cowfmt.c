/* SPDX-License-Identifier: MIT */
/* tests/unit/test-cowfmt.c - CoW layers on disk: made, checked, damaged */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runner/vmm/cowfile.h"
#include "tests/unit/unit.h"

#define SIZE (10 * MIB)

static int new_file(void)
{
	int fd = memfd_create("layer", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int new_layer(uint64_t size)
{
	int fd = new_file();

	assert_int_equal(cow_format_create(fd, size, NULL), 0);
	return fd;
}

static void sizes_have_bounds(void **state)
{
	struct cow_header h;
	int fd = new_file();

	assert_int_equal(cow_format_create(fd, 0, NULL), -1);
	assert_int_equal(cow_format_create(fd, 64 * GIB + 1, NULL), -1);
	assert_int_equal(cow_format_create(fd, UINT64_MAX, NULL), -1);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	assert_int_equal(cow_format_create(fd, 1, NULL), 0);
	assert_int_equal(cow_format_load(fd, &h, NULL), 0);
	assert_int_equal(h.size, 4096);
	/* never over something that is there */
	assert_int_equal(cow_format_create(fd, 4096, NULL), -1);
	close(fd);
	fd = new_layer(64 * GIB);
	assert_int_equal(cow_format_load(fd, &h, NULL), 0);
	assert_int_equal(h.bitmap_len, 2 * MIB);
	assert_int_equal(h.data_off, 2 * MIB + 4096);
	close(fd);
}

/* docs/cow-format.md, byte by byte. */
static void the_layout_is_as_documented(void **state)
{
	static const uint8_t expect[60] = {
		'P', 'O', 'D', 'F', 'L', 'C', 'O', 'W',	/* magic */
		1, 0, 0, 0,				/* version */
		0, 0, 0, 0,				/* flags */
		0, 0, 0xa0, 0, 0, 0, 0, 0,		/* size: 10 MiB */
		0, 0x10, 0, 0,				/* cluster */
		0, 0, 0, 0,
		0, 0x10, 0, 0, 0, 0, 0, 0,		/* bitmap at 4096 */
		0, 0x10, 0, 0, 0, 0, 0, 0,		/* one page */
		0, 0x20, 0, 0, 0, 0, 0, 0,		/* data at 8192 */
		0, 0, 0, 0,
	};
	static const uint8_t crc[4] = { 0x92, 0xf4, 0x8b, 0x9e };
	struct cow_disk *c = calloc(1, sizeof(*c));
	uint8_t raw[64], data[512];
	int fd = new_layer(SIZE), fds[2] = { new_file(), dup(fd) };
	struct iovec iov = { data, 512 };

	assert_int_equal(pread(fd, raw, sizeof(raw), 0), sizeof(raw));
	assert_memory_equal(raw, expect, sizeof(expect));
	assert_memory_equal(raw + 60, crc, 4);
	/* cluster 9 is bit 1 of byte 1, its data at 8192 + 9 * 4096 */
	assert_int_equal(cow_open(c, fds, 2, false, NULL), 0);
	memset(data, 0x33, 512);
	assert_int_equal(c->disk.ops->write(&c->disk, &iov, 1, 9 * 4096 + 512,
					    512), 0);
	assert_int_equal(c->disk.ops->flush(&c->disk), 0);
	assert_int_equal(pread(fd, raw, 3, 4096), 3);
	assert_memory_equal(raw, "\0\2\0", 3);
	assert_int_equal(pread(fd, raw, 2, 8192 + 9 * 4096 + 511), 2);
	assert_memory_equal(raw, "\0\x33", 2);
	disk_close(&c->disk);
	free(c);
	close(fd);
}

static void damage_is_found(void **state)
{
	struct cow_report report;
	struct err err = ERR_INIT;
	uint8_t byte;

	/* any byte of the header, and of what must be zero behind it */
	for (off_t at = 0; at < 4096; at += at < 64 ? 1 : 500) {
		int fd = new_layer(SIZE);

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		assert_int_equal(cow_format_check(fd, NULL, &err), -1);
		assert_true(err.code == ERR_IO || err.code == ERR_VERSION);
		close(fd);
	}
	for (int i = 0; i < 3; i++) {
		int fd = new_layer(SIZE - 4096);	/* 2559 clusters */
		off_t end = lseek(fd, 0, SEEK_END);

		assert_int_equal(cow_format_check(fd, &report, NULL), 0);
		assert_int_equal(report.clusters, 0);
		byte = 0x80;		/* cluster 2559: past the end */
		if (i == 0)
			assert_int_equal(pwrite(fd, &byte, 1, 4096 + 319), 1);
		else
			assert_int_equal(ftruncate(fd, i == 1 ? end - 4096 :
						   end + 1), 0);
		assert_int_equal(cow_format_check(fd, NULL, &err), -1);
		close(fd);
	}
}

static void what_is_no_layer_is_refused(void **state)
{
	struct err err = ERR_INIT;
	struct cow_header h;
	int fd = new_file();

	assert_int_equal(cow_format_load(fd, &h, &err), -1);	/* empty */
	assert_int_equal(ftruncate(fd, MIB), 0);
	assert_int_equal(cow_format_load(fd, &h, &err), -1);	/* zeros */
	close(fd);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(cow_format_load(fd, &h, &err), -1);
	assert_int_equal(cow_format_create(fd, MIB, &err), -1);
	close(fd);
	fd = new_layer(SIZE);
	assert_int_equal(cow_format_load(fd, &h, NULL), 0);
	h.version = 2;
	assert_int_equal(cow_format_store(fd, &h), 0);
	assert_int_equal(cow_format_load(fd, &h, &err), -1);
	assert_int_equal(err.code, ERR_VERSION);
	close(fd);
}

static void seal(int fd)
{
	struct cow_header h;

	assert_int_equal(cow_format_load(fd, &h, NULL), 0);
	h.flags |= COW_SEALED;
	assert_int_equal(cow_format_store(fd, &h), 0);
}

/* Open a chain of layers (0: the raw bottom). Return: as cow_open(). */
static int try_chain(uint64_t bottom, uint64_t lower, bool sealed, uint64_t top,
		     bool top_sealed, bool read_only)
{
	struct cow_disk *c = calloc(1, sizeof(*c));
	struct err err = ERR_INIT;
	int fds[3] = { new_file(), new_layer(lower), new_layer(top) }, rc;

	assert_int_equal(ftruncate(fds[0], (off_t)bottom), 0);
	if (sealed)
		seal(fds[1]);
	if (top_sealed)
		seal(fds[2]);
	rc = cow_open(c, fds, 3, read_only, &err);
	assert_int_equal(rc < 0, err.msg[0] != '\0');
	if (rc == 0)
		disk_close(&c->disk);
	/* taken over in any case */
	for (int i = 0; i < 3; i++)
		assert_int_equal(fcntl(fds[i], F_GETFD), -1);
	free(c);
	return rc;
}

static void chains_are_checked(void **state)
{
	struct cow_disk *c = calloc(1, sizeof(*c));
	int fds[COW_LAYERS_MAX + 2];

	for (int i = 0; i < COW_LAYERS_MAX + 2; i++)
		fds[i] = new_file();
	assert_int_equal(cow_open(c, fds, COW_LAYERS_MAX + 2, false, NULL), -1);
	fds[0] = new_file();
	assert_int_equal(cow_open(c, fds, 1, false, NULL), -1);
	fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[1] = new_layer(SIZE);
	assert_int_equal(cow_open(c, fds, 2, false, NULL), -1);
	fds[0] = new_file();
	fds[1] = new_file();
	assert_int_equal(cow_open(c, fds, 2, false, NULL), -1);
	free(c);
	assert_int_equal(try_chain(SIZE, SIZE, true, SIZE, false, false), 0);
	assert_int_equal(try_chain(0, SIZE, true, 2 * SIZE, false, false), 0);
	assert_int_equal(try_chain(SIZE, SIZE, true, SIZE, true, true), 0);
	/* not sealed below; sealed on top; larger below */
	assert_int_equal(try_chain(SIZE, SIZE, false, SIZE, false, false), -1);
	assert_int_equal(try_chain(SIZE, SIZE, true, SIZE, true, false), -1);
	assert_int_equal(try_chain(SIZE, 2 * SIZE, true, SIZE, false, false),
			 -1);
	assert_int_equal(try_chain(2 * SIZE, SIZE, true, SIZE, false, false),
			 -1);
}

static struct cow_disk *open_one(int *fd)
{
	struct cow_disk *c = calloc(1, sizeof(*c));
	int fds[2] = { new_file(), new_layer(SIZE) };

	*fd = fds[1];
	assert_int_equal(cow_open(c, fds, 2, false, NULL), 0);
	return c;
}

static void only_fresh_layers_are_put_on_sealed_ones(void **state)
{
	int fd;
	struct cow_disk *c = open_one(&fd);
	struct cow_layer l;

	assert_int_equal(cow_seal(c), 0);
	assert_int_equal(cow_seal(c), 0);
	assert_int_equal(cow_layer_load(c, new_layer(SIZE / 2), &l, NULL), -1);
	assert_int_equal(cow_layer_load(c, new_file(), &l, NULL), -1);
	for (int i = 1; i < COW_LAYERS_MAX; i++) {
		assert_int_equal(cow_may_push(c, NULL), 0);
		assert_int_equal(cow_layer_load(c, new_layer(SIZE), &l, NULL),
				 0);
		cow_push(c, &l);
		assert_int_equal(cow_seal(c), 0);
	}
	assert_int_equal(cow_may_push(c, NULL), -1);
	disk_close(&c->disk);
	free(c);
}

static void a_file_cut_short_is_an_error_not_zeros(void **state)
{
	static uint8_t data[8192];
	struct iovec iov = { data, 8192 };
	int fd;
	struct cow_disk *c = open_one(&fd);

	memset(data, 1, sizeof(data));
	assert_int_equal(c->disk.ops->write(&c->disk, &iov, 1, MIB, 8192), 0);
	assert_int_equal(ftruncate(fd, MIB), 0);
	iov = (struct iovec){ data, 8192 };
	assert_int_equal(c->disk.ops->read(&c->disk, &iov, 1, MIB, 8192), -EIO);
	disk_close(&c->disk);
	free(c);
}

static void a_failed_flush_is_final(void **state)
{
	static uint8_t data[4096];
	struct iovec iov = { data, 4096 };
	int fd, full = open("/dev/full", O_RDWR | O_CLOEXEC), keep;
	struct cow_disk *c = open_one(&fd);

	assert_int_equal(c->disk.ops->flush(&c->disk), 0);	/* clean */
	assert_int_equal(c->disk.ops->write(&c->disk, &iov, 1, 0, 4096), 0);
	keep = dup(fd);
	dup3(full, fd, O_CLOEXEC);
	assert_true(c->disk.ops->flush(&c->disk) < 0);
	dup3(keep, fd, O_CLOEXEC);
	assert_true(c->disk.ops->flush(&c->disk) < 0);
	assert_true(cow_seal(c) < 0);
	iov = (struct iovec){ data, 4096 };
	assert_true(c->disk.ops->write(&c->disk, &iov, 1, 0, 4096) < 0);
	assert_true(c->disk.ops->zero(&c->disk, 0, 4096) < 0);
	assert_true(c->disk.ops->discard(&c->disk, 0, 4096) < 0);
	iov = (struct iovec){ data, 4096 };
	assert_int_equal(c->disk.ops->read(&c->disk, &iov, 1, 0, 4096), 0);
	close(keep);
	close(full);
	disk_close(&c->disk);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_have_bounds),
		cmocka_unit_test(the_layout_is_as_documented),
		cmocka_unit_test(damage_is_found),
		cmocka_unit_test(what_is_no_layer_is_refused),
		cmocka_unit_test(chains_are_checked),
		cmocka_unit_test(only_fresh_layers_are_put_on_sealed_ones),
		cmocka_unit_test(a_file_cut_short_is_an_error_not_zeros),
		cmocka_unit_test(a_failed_flush_is_final),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
