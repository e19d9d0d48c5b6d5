/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-virtio-race.c - a guest with another CPU
 *
 * A second thread changes what the device is reading: descriptors between two
 * reads of a field, registers while the queues are worked on.  Nothing may be
 * read twice, and nothing outside of the guest's memory be touched (a page that
 * nobody may touch lies around each slot).
 */
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runner/vmm/virtio-blk.h"
#include "tests/unit/unit.h"
#include "tests/unit/vq-driver.h"

#define MS 1000000ULL

struct fixture {
	struct rig rig;
	struct disk_raw raw;
	struct virtio_blk blk;
	struct virtq q;
	struct virtq_chain c;
	uint64_t header, data, seed;
	atomic_bool stop;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd = memfd_create("disk", MFD_CLOEXEC);
	struct virtio_blk_setup s = { .disk = &f->raw.disk };

	assert_int_equal(ftruncate(fd, MIB), 0);
	assert_int_equal(disk_raw_open(&f->raw, fd, false, NULL), 0);
	rig_init(&f->rig);
	f->header = rig_alloc(&f->rig, 4096);
	f->data = rig_alloc(&f->rig, 65536);
	f->seed = 0x71c7e5;
	assert_int_equal(virtio_blk_init(&f->blk, &f->rig.env, &s, NULL), 0);
	rig_start(&f->rig, &f->blk.mmio, RIG_FEATURES);
	*state = f;
	return 0;
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

/* A field of the first descriptors turns bad, and good again, without end. */
static void *flip(void *arg)
{
	struct fixture *f = arg;
	volatile struct vring_desc *d = f->rig.q[0].desc;
	volatile uint16_t *ring = f->rig.q[0].avail->ring;

	for (uint32_t k = 0; k < 4; k++)
		d[k] = (struct vring_desc){
			f->data, 512, k < 3 ? VRING_DESC_F_NEXT : 2,
			(uint16_t)(k + 1),
		};
	for (uint32_t i = 0; !f->stop; i++) {
		uint32_t k = i / 5 % 4;

		switch (i % 5) {
		case 0:
			d[k].addr = RIG_LOW + RIG_LOW_SIZE - 1;
			d[k].addr = f->data;
			break;
		case 1:
			d[k].len = 0xfffffff0;
			d[k].len = 512;
			break;
		case 2:
			d[k].flags = 0xffff;
			d[k].flags = k < 3 ? VRING_DESC_F_NEXT : 2;
			break;
		case 3:
			d[k].next = 0xfff0;
			d[k].next = (uint16_t)(k + 1);
			break;
		default:
			ring[0] = 0xffff;
			ring[0] = 0;
			break;
		}
	}
	return NULL;
}

static void check_span(struct fixture *f, const struct virtq_span *s)
{
	uint64_t len = 0;

	for (unsigned int i = 0; i < s->nr; i++) {
		const uint8_t *p = s->iov[i].iov_base;
		const struct memory_slot *slot = &f->rig.mem.slots[0];

		assert_true(p >= slot->host);
		assert_true(p + s->iov[i].iov_len <= slot->host + slot->size);
		len += s->iov[i].iov_len;
	}
	assert_int_equal(len, s->len);
}

static void fields_that_change_are_read_once(void **state)
{
	struct fixture *f = *state;
	const struct rig_queue *d = &f->rig.q[0];
	const struct virtq_config cfg = { d->size, d->desc_gpa, d->avail_gpa,
					  d->used_gpa };
	unsigned int good = 0, bad = 0;
	uint64_t start = now_ns();
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, flip, f), 0);
	/* longer on a machine that has no time for both threads */
	while (now_ns() < start + 1500 * MS ||
	       ((good == 0 || bad == 0) && now_ns() < start + 20000 * MS)) {
		assert_int_equal(virtq_start(&f->q, &f->rig.mem, &cfg, 256,
					     true), 0);
		d->avail->idx = 1;
		if (virtq_pop(&f->q, &f->rig.mem, &f->c) > 0) {
			good++;
			check_span(f, &f->c.out);
			check_span(f, &f->c.in);
		} else {
			bad++;
		}
	}
	f->stop = true;
	pthread_join(thread, NULL);
	assert_true(good > 0);
	assert_true(bad > 0);
}

/* The block header and the data change while the request is served. */
static void *scribble(void *arg)
{
	struct fixture *f = arg;
	volatile struct virtio_blk_outhdr *h = rig_ptr(&f->rig, f->header);

	for (uint32_t i = 0; !f->stop; i++) {
		h->type = i % 3 == 0 ? 0xffffffff : i % 3 == 1;
		h->sector = i % 2 ? UINT64_MAX : i % 2000;
	}
	return NULL;
}

static void requests_that_change_do_no_harm(void **state)
{
	struct fixture *f = *state;
	const struct rig_seg segs[] = {
		{ f->header, 16, false }, { f->data, 4096, false },
		{ f->data + 8192, 4097, true },
	};
	uint64_t end = now_ns() + 1000 * MS;
	struct vring_used_elem e;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, scribble, f), 0);
	while (now_ns() < end) {
		rig_add(&f->rig, 0, segs, 3);
		rig_kick(&f->rig, 0);
		while (rig_used(&f->rig, 0, &e))
			continue;
		assert_false(rig_broken(&f->rig));
	}
	f->stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(lseek(f->raw.fd, 0, SEEK_END), MIB);
}

/* A vCPU that resets, sets up and kicks, while the loop serves. */
static void *vcpu(void *arg)
{
	struct fixture *f = arg;
	struct rig *r = &f->rig;
	const struct rig_seg segs[] = {
		{ f->header, 16, false }, { f->data, 4096, true },
		{ f->data + 4096, 1, true },
	};

	for (int i = 0; !f->stop; i++) {
		uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE |
				  VIRTIO_CONFIG_S_DRIVER |
				  VIRTIO_CONFIG_S_FEATURES_OK |
				  VIRTIO_CONFIG_S_DRIVER_OK;

		rig_negotiate(r, &f->blk.mmio, RIG_FEATURES);
		memset(r->q[0].avail, 0, 6 + 2u * r->q[0].size);
		r->q[0].next_desc = 0;
		rig_queue_setup(r, 0);
		rig_write(r, VIRTIO_MMIO_STATUS, status);
		for (uint32_t k = rig_random(&f->seed) % 40; k > 0; k--) {
			rig_add(r, 0, segs, 3);
			rig_write(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
			rig_read(r, VIRTIO_MMIO_INTERRUPT_STATUS);
			rig_write(r, VIRTIO_MMIO_INTERRUPT_ACK, 3);
		}
		/* After a reset nothing is touched any more. */
		rig_write(r, VIRTIO_MMIO_STATUS, 0);
		memset(r->q[0].used, 0x5a, 6 + 8u * r->q[0].size);
		if (i % 16 == 0)
			usleep(100);
		for (uint32_t k = 0; k < 6 + 8u * r->q[0].size; k++)
			assert_int_equal(((uint8_t *)r->q[0].used)[k], 0x5a);
		memset(r->q[0].used, 0, 6 + 8u * r->q[0].size);
	}
	return NULL;
}

static void resets_race_with_work(void **state)
{
	struct fixture *f = *state;
	uint64_t end = now_ns() + 1500 * MS;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, vcpu, f), 0);
	while (now_ns() < end)
		rig_wait(&f->rig, 1);
	f->stop = true;
	pthread_join(thread, NULL);
	assert_true(f->blk.bytes_read > 0);
	rig_start(&f->rig, &f->blk.mmio, RIG_FEATURES);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(fields_that_change_are_read_once),
		T(requests_that_change_do_no_harm),
		T(resets_race_with_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
