/* SPDX-License-Identifier: MIT */
/* tests/unit/test-virtio-blk.c - the block device, under good and bad drivers */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/vmm/virtio-blk.h"
#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

#define SECTORS (1ULL << 23)	/* 4 GiB, sparse */

struct fixture {
	struct rig rig;
	struct disk_raw raw;
	struct virtio_blk blk;
	uint64_t header, data, status;
	unsigned int full;
};

static void on_full(void *arg)
{
	++*(unsigned int *)arg;
}

static int start(void **state, bool read_only)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char name[] = "/tmp/podflare-blk-XXXXXX";
	struct virtio_blk_setup s = {
		.disk = &f->raw.disk, .id = "0123456789abcdefghi",
		.disk_full = on_full, .arg = &f->full,
	};
	int fd = mkostemp(name, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(ftruncate(fd, (off_t)(SECTORS * 512)), 0);
	assert_int_equal(disk_raw_open(&f->raw, fd, read_only, NULL), 0);
	rig_init(&f->rig);
	f->header = rig_alloc(&f->rig, 4096);
	f->status = f->header + 16;
	f->data = rig_alloc(&f->rig, MIB);
	assert_int_equal(virtio_blk_init(&f->blk, &f->rig.env, &s, NULL), 0);
	rig_start(&f->rig, &f->blk.mmio,
		  RIG_FEATURES | f->blk.mmio.offered);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return start(state, false);
}

static int setup_ro(void **state)
{
	return start(state, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	virtio_blk_free(&f->blk);
	disk_close(&f->raw.disk);
	rig_free(&f->rig);
	free(f);
	return 0;
}

static void header(struct fixture *f, uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr *h = rig_ptr(&f->rig, f->header);

	*h = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*(uint8_t *)rig_ptr(&f->rig, f->status) = 0xee;
}

/* Send @segs as one request. Return: its status. */
static int send(struct fixture *f, const struct rig_seg *segs, unsigned int n)
{
	struct vring_used_elem e;
	uint16_t head = rig_add(&f->rig, 0, segs, n);

	rig_kick(&f->rig, 0);
	assert_true(rig_used(&f->rig, 0, &e));
	assert_int_equal(e.id, head);
	return *(uint8_t *)rig_ptr(&f->rig, f->status);
}

static int request(struct fixture *f, uint32_t type, uint64_t sector,
		   uint32_t len, bool write)
{
	const struct rig_seg segs[] = {
		{ f->header, 16, false }, { f->data, len, write },
		{ f->status, 1, true },
	};

	header(f, type, sector);
	return send(f, segs, 3);
}

static void what_is_written_is_read(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = rig_ptr(&f->rig, f->data);

	for (int i = 0; i < 8192; i++)
		data[i] = (uint8_t)(i * 7);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 5, 8192, false), 0);
	memset(data, 0, 8192);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 5, 8192, true), 0);
	for (int i = 0; i < 8192; i++)
		assert_int_equal(data[i], (uint8_t)(i * 7));
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, 0, true), 0);
	assert_int_equal(f->blk.bytes_read, 8192);
	assert_int_equal(f->blk.bytes_written, 8192);
	assert_int_equal(f->blk.flushes, 1);
}

static void framing_is_free(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = rig_ptr(&f->rig, f->data);
	/* the header in two, the data in odd parts, the status with data */
	const struct rig_seg out[] = {
		{ f->header, 7, false }, { f->header + 7, 10, false },
		{ f->data, 511, false }, { f->status, 1, true },
	};
	const struct rig_seg in[] = {
		{ f->header, 16, false }, { f->data, 100, true },
		{ f->data + 100, 413, true },
	};
	struct vring_used_elem e;

	header(f, VIRTIO_BLK_T_OUT, 9);
	memset(data, 0x55, 512);
	assert_int_equal(send(f, out, 4), 0);
	header(f, VIRTIO_BLK_T_IN, 9);
	memset(data, 0xee, 600);
	rig_add(&f->rig, 0, in, 3);
	rig_kick(&f->rig, 0);
	assert_true(rig_used(&f->rig, 0, &e));
	assert_int_equal(e.len, 513);
	assert_int_equal(data[1], 0x55);
	assert_int_equal(data[511], 0x55);
	assert_int_equal(data[512], 0);
	assert_int_equal(data[513], 0xee);
}

static void sectors_past_the_end_are_refused(void **state)
{
	struct fixture *f = *state;
	static const uint64_t bad[] = {
		SECTORS, SECTORS - 1, SECTORS + 1, UINT64_MAX, UINT64_MAX - 1,
		UINT64_MAX / 512, UINT64_MAX / 512 + 1,
		0x8000000000000000ULL,
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(request(f, VIRTIO_BLK_T_IN, bad[i], 1024,
					 true), VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(f, VIRTIO_BLK_T_OUT, bad[i], 1024,
					 false), VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, SECTORS - 2, 1024, true),
			 VIRTIO_BLK_S_OK);
	assert_false(rig_broken(&f->rig));
}

static void half_sectors_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 511, true),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, 513, false),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, 0, false),
			 VIRTIO_BLK_S_OK);
}

static int ranges(struct fixture *f, uint32_t type,
		  const struct virtio_blk_discard_write_zeroes *r,
		  unsigned int n)
{
	memcpy(rig_ptr(&f->rig, f->data), r, n * sizeof(*r));
	return request(f, type, 0, n * (uint32_t)sizeof(*r), false);
}

static void discard_and_write_zeroes_clear(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = rig_ptr(&f->rig, f->data);
	struct virtio_blk_discard_write_zeroes r[2] = { { 8, 8, 0 },
							{ 17, 1, 0 } };
	struct stat st;

	memset(data, 0x77, 16384);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, 16384, false), 0);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_DISCARD, r, 2), 0);
	r[0] = (struct virtio_blk_discard_write_zeroes){ 2, 3,
		VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP };
	assert_int_equal(ranges(f, VIRTIO_BLK_T_WRITE_ZEROES, r, 1), 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 16384, true), 0);
	for (unsigned int s = 0; s < 32; s++) {
		bool zero = (s >= 2 && s < 5) || (s >= 8 && s < 16) || s == 17;

		assert_int_equal(data[s * 512], zero ? 0 : 0x77);
		assert_int_equal(data[s * 512 + 511], zero ? 0 : 0x77);
	}
	assert_int_equal(fstat(f->raw.fd, &st), 0);
	assert_true(st.st_blocks < 32);		/* a hole was punched */
}

static void without_holes_zeros_are_written(void **state)
{
	struct fixture *f = *state;
	uint8_t *data = rig_ptr(&f->rig, f->data);
	struct virtio_blk_discard_write_zeroes r = { 1, 200, 0 };

	f->raw.no_punch = true;
	memset(data, 0x77, 204 * 512);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, 204 * 512, false), 0);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_WRITE_ZEROES, &r, 1), 0);
	r.sector = 202;
	r.num_sectors = 1;
	assert_int_equal(ranges(f, VIRTIO_BLK_T_DISCARD, &r, 1), 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 204 * 512, true), 0);
	for (unsigned int s = 0; s < 204; s++)
		assert_int_equal(data[s * 512], s >= 1 && s < 201 ? 0 : 0x77);
}

static void discard_limits_hold(void **state)
{
	struct fixture *f = *state;
	struct virtio_blk_discard_write_zeroes many[65] = { { 0, 1, 0 } };
	const struct virtio_blk_discard_write_zeroes past = { SECTORS - 1, 2, 0 },
		huge = { 0, UINT32_MAX, 0 }, long_ = { 0, (1 << 22) + 1, 0 },
		long_zero = { 0, 65537, 0 }, wrap = { UINT64_MAX, 2, 0 },
		flags = { 0, 1, 1 }, more_flags = { 0, 1, 2 },
		none = { 0, 0, 0 };

	assert_int_equal(ranges(f, VIRTIO_BLK_T_DISCARD, &past, 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_WRITE_ZEROES, &past, 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_DISCARD, &huge, 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_DISCARD, &long_, 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_WRITE_ZEROES, &long_zero, 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_DISCARD, &wrap, 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_DISCARD, many, 65),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_DISCARD, many, 64), 0);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_WRITE_ZEROES, many, 2),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_DISCARD, &none, 1), 0);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_DISCARD, &flags, 1),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_WRITE_ZEROES, &more_flags, 1),
			 VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, 15, false),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_DISCARD, 0, 0, false),
			 VIRTIO_BLK_S_IOERR);
	assert_false(rig_broken(&f->rig));
}

static void the_id_is_given(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(request(f, VIRTIO_BLK_T_GET_ID, 0, 20, true), 0);
	assert_memory_equal(rig_ptr(&f->rig, f->data), "0123456789abcdefghi",
			    20);
	assert_int_equal(request(f, VIRTIO_BLK_T_GET_ID, 0, 19, true),
			 VIRTIO_BLK_S_IOERR);
}

static void unknown_requests_are_unsupported(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(request(f, 2, 0, 512, true), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(f, 0xdead, 0, 512, true),
			 VIRTIO_BLK_S_UNSUPP);
}

static void a_read_only_disk_stays_as_it_is(void **state)
{
	struct fixture *f = *state;
	const struct virtio_blk_discard_write_zeroes r = { 0, 8, 0 };
	uint8_t byte;

	assert_true(f->blk.mmio.offered & 1ULL << VIRTIO_BLK_F_RO);
	assert_false(f->blk.mmio.offered & 1ULL << VIRTIO_BLK_F_DISCARD);
	memset(rig_ptr(&f->rig, f->data), 0x11, 512);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, 512, false),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_DISCARD, &r, 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(ranges(f, VIRTIO_BLK_T_WRITE_ZEROES, &r, 1),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, 0, true), 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 512, true), 0);
	assert_int_equal(pread(f->raw.fd, &byte, 1, 0), 1);
	assert_int_equal(byte, 0);
}

static void requests_without_a_frame_break_the_device(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg cases[][2] = {
		{ { f->header, 15, false }, { f->status, 1, true } },
		{ { f->header, 16, false }, { f->data, 512, false } },
		{ { f->status, 1, true }, { f->data, 512, true } },
		{ { f->header, 0, false }, { f->status, 0, true } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		header(f, VIRTIO_BLK_T_IN, 0);
		rig_add(&f->rig, 0, cases[i], 2);
		rig_kick(&f->rig, 0);
		assert_true(rig_broken(&f->rig));
		rig_start(&f->rig, &f->blk.mmio, RIG_FEATURES);
	}
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 512, true), 0);
}

static void many_requests_are_served_in_turns(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg segs[] = {
		{ f->header, 16, false }, { f->status, 1, true },
	};
	struct vring_used_elem e;

	header(f, VIRTIO_BLK_T_FLUSH, 0);
	for (int i = 0; i < 128; i++)
		rig_add(&f->rig, 0, segs, 2);
	rig_irqs(&f->rig);
	rig_kick(&f->rig, 0);
	for (int i = 0; i < 128; i++)
		assert_true(rig_used(&f->rig, 0, &e));
	assert_false(rig_used(&f->rig, 0, &e));
	/* event index: asked for one interrupt, for the first */
	assert_int_equal(rig_irqs(&f->rig), 1);
}

/* Without holes, each of these writes 2 MiB. */
static void many_zeroes_are_written_in_turns(void **state)
{
	struct fixture *f = *state;
	const struct virtio_blk_discard_write_zeroes r = { 0, 4096, 0 };
	const struct rig_seg segs[] = {
		{ f->header, 16, false }, { f->data, sizeof(r), false },
		{ f->status, 1, true },
	};
	struct vring_used_elem e;
	int served = 0;

	f->raw.no_punch = true;
	header(f, VIRTIO_BLK_T_WRITE_ZEROES, 0);
	memcpy(rig_ptr(&f->rig, f->data), &r, sizeof(r));
	for (int i = 0; i < 8; i++)
		rig_add(&f->rig, 0, segs, 3);
	virtio_mmio_kick(&f->blk.mmio, 0);
	rig_wait(&f->rig, 0);
	while (rig_used(&f->rig, 0, &e))
		served++;
	assert_int_equal(served, 4);
	rig_run(&f->rig);
	while (rig_used(&f->rig, 0, &e))
		served++;
	assert_int_equal(served, 8);
}

static void a_full_host_is_told(void **state)
{
	struct fixture *f = *state;
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(dup3(fd, f->raw.fd, O_CLOEXEC) >= 0);
	close(fd);
	for (int i = 0; i < 5; i++)
		assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, 512, false),
				 VIRTIO_BLK_S_IOERR);
	assert_int_equal(f->full, 1);	/* not for each */
}

static void a_failed_flush_is_final(void **state)
{
	struct fixture *f = *state;
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC), keep = dup(f->raw.fd);

	/* fdatasync(2) of a character device fails with EINVAL */
	assert_true(dup3(fd, f->raw.fd, O_CLOEXEC) >= 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, 0, true),
			 VIRTIO_BLK_S_IOERR);
	assert_true(dup3(keep, f->raw.fd, O_CLOEXEC) >= 0);
	assert_int_equal(request(f, VIRTIO_BLK_T_FLUSH, 0, 0, true),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_OUT, 0, 512, false),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 512, true), 0);
	close(fd);
	close(keep);
}

static void fuzz(void **state)
{
	struct fixture *f = *state;

	rig_fuzz(&f->rig, &f->blk.mmio, 0x8f2c91, 3000);
	assert_int_equal(request(f, VIRTIO_BLK_T_IN, 0, 512, true), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_written_is_read),
		T(framing_is_free),
		T(sectors_past_the_end_are_refused),
		T(half_sectors_are_refused),
		T(discard_and_write_zeroes_clear),
		T(without_holes_zeros_are_written),
		T(discard_limits_hold),
		T(the_id_is_given),
		T(unknown_requests_are_unsupported),
		cmocka_unit_test_setup_teardown(a_read_only_disk_stays_as_it_is,
						setup_ro, teardown),
		T(requests_without_a_frame_break_the_device),
		T(many_requests_are_served_in_turns),
		T(many_zeroes_are_written_in_turns),
		T(a_full_host_is_told),
		T(a_failed_flush_is_final),
		T(fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
