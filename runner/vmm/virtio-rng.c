/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/virtio-rng.c - virtio entropy device (virtio 1.2, 5.4)
 *
 * Fills the guest's buffers from getrandom(2), on the thread of the loop.
 * Distrusts the driver, which may ask without end: a request gets at most
 * RNG_REQUEST_MAX bytes, all of them RNG_BUDGET in RNG_PERIOD_MS; beyond that
 * they wait for the timer.
 */
#include "runner/vmm/virtio-rng.h"

#include <linux/virtio_ids.h>
#include <sys/random.h>

#define RNG_QUEUE 16

/* Serve the popped chain. */
static void serve(struct virtio_rng *r)
{
	uint8_t bytes[RNG_REQUEST_MAX];
	uint64_t want = MIN(MIN(r->chain.in.len, sizeof(bytes)), r->budget);
	ssize_t n;

	if (want == 0) {
		virtio_mmio_fail(&r->mmio, "entropy request without a buffer");
		return;
	}
	/* Up to 256 bytes never fail; more may be cut short by a signal. */
	n = getrandom(bytes, want, 0);
	if (n < 0)
		n = getrandom(bytes, MIN(want, 256), 0);
	BUG_ON(n <= 0);
	virtq_write(&r->chain.in, bytes, (size_t)n);
	r->budget -= (uint32_t)n;
	virtq_push(&r->mmio.queues[0], r->chain.head, (uint32_t)n);
}

static void rng_notify(struct virtio_mmio *d, unsigned int queue)
{
	struct virtio_rng *r = container_of(d, struct virtio_rng, mmio);
	struct virtq *q = &d->queues[queue];
	bool more = true;

	while (more && r->budget > 0) {
		while (r->budget > 0 && virtio_mmio_pop(d, queue, &r->chain))
			serve(r);
		more = virtio_mmio_running(d) && virtq_kicks(q, true);
	}
	/* What was used up comes back when the period is over. */
	if (r->budget < RNG_BUDGET && r->refill.deadline == 0)
		loop_timer_set(d->env.loop, &r->refill, RNG_PERIOD_MS);
	virtio_mmio_signal(d, queue);
}

static void rng_refill(struct loop_timer *t)
{
	struct virtio_rng *r = container_of(t, struct virtio_rng, refill);

	r->budget = RNG_BUDGET;
	virtio_mmio_kick(&r->mmio, 0);
}

static const struct virtio_ops rng_ops = {
	.name = "virtio-rng",
	.id = VIRTIO_ID_RNG,
	.nr_queues = 1,
	.queue_max = RNG_QUEUE,
	.notify = rng_notify,
};

int virtio_rng_init(struct virtio_rng *r, const struct virtio_env *env,
		    struct err *err)
{
	memset(r, 0, sizeof(*r));
	r->refill.cb = rng_refill;
	r->budget = RNG_BUDGET;
	return virtio_mmio_init(&r->mmio, &rng_ops, env, 0, NULL, 0, err);
}

void virtio_rng_free(struct virtio_rng *r)
{
	loop_timer_cancel(r->mmio.env.loop, &r->refill);
	virtio_mmio_free(&r->mmio);
}
