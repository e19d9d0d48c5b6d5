/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/virtio-mmio.c - the virtio-mmio transport: life, kicks, lock
 *
 * What every device has in common but its registers (virtio-regs.c): the
 * eventfds that KVM writes to when the driver kicks, the lock, interrupts, and
 * the one way to say that the driver broke the rules.  Runs on the thread of
 * the loop.  Distrusts the driver: see virtq.c.
 */
#include "runner/vmm/virtio-mmio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "runner/vmm/virtio-regs.h"

static void kick_event(struct loop_watch *w, uint32_t events)
{
	struct virtio_kick *k = container_of(w, struct virtio_kick, watch);
	struct virtio_mmio *d = k->dev;
	unsigned int queue = (unsigned int)(k - d->kicks);
	uint64_t n;

	if (read(k->fd, &n, sizeof(n)) < 0)
		return;
	virtio_mmio_lock(d);
	if (virtio_mmio_running(d) && d->queues[queue].ready)
		d->ops->notify(d, queue);
	virtio_mmio_unlock(d);
}

int virtio_mmio_init(struct virtio_mmio *d, const struct virtio_ops *ops,
		     const struct virtio_env *env, uint64_t features,
		     const void *config, size_t config_len, struct err *err)
{
	unsigned int i;

	BUG_ON(ops->nr_queues > VIRTIO_QUEUES_MAX);
	BUG_ON(ops->queue_max > VIRTQ_SIZE_MAX);
	memset(d, 0, sizeof(*d));
	d->region.len = VIRTIO_MMIO_LEN;
	d->region.ops = &virtio_regs_ops;
	d->ops = ops;
	d->env = *env;
	d->config = config;
	d->config_len = config_len;
	d->offered = features | 1ULL << VIRTIO_F_VERSION_1 |
		     1ULL << VIRTIO_RING_F_EVENT_IDX;
	for (i = 0; i < VIRTIO_QUEUES_MAX; i++)
		d->kicks[i] = (struct virtio_kick){
			.watch = { .fd = -1, .cb = kick_event },
			.dev = d,
			.fd = -1,
		};
	pthread_mutex_init(&d->lock, NULL);
	if (virtio_mmio_open_fds(d, err) < 0) {
		virtio_mmio_free(d);
		return -1;
	}
	return 0;
}

void virtio_mmio_free(struct virtio_mmio *d)
{
	virtio_mmio_close_fds(d);
	pthread_mutex_destroy(&d->lock);
}

int virtio_mmio_open_fds(struct virtio_mmio *d, struct err *err)
{
	unsigned int i;

	virtio_mmio_close_fds(d);
	for (i = 0; i < d->ops->nr_queues; i++) {
		struct virtio_kick *k = &d->kicks[i];

		k->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		if (k->fd < 0)
			return err_sys(err, errno, "eventfd");
		if (loop_add(d->env.loop, &k->watch, k->fd, EPOLLIN) < 0)
			return err_sys(err, errno, "watch an eventfd");
	}
	return 0;
}

void virtio_mmio_close_fds(struct virtio_mmio *d)
{
	unsigned int i;

	for (i = 0; i < VIRTIO_QUEUES_MAX; i++) {
		struct virtio_kick *k = &d->kicks[i];

		loop_del(d->env.loop, &k->watch);
		if (k->fd >= 0)
			close(k->fd);
		k->fd = -1;
	}
}

int virtio_mmio_kick_fd(const struct virtio_mmio *d, unsigned int queue)
{
	return queue < d->ops->nr_queues ? d->kicks[queue].fd : -1;
}

void virtio_mmio_lock(struct virtio_mmio *d)
{
	pthread_mutex_lock(&d->lock);
	if (d->reset_pending) {
		d->reset_pending = false;
		if (d->ops->reset)
			d->ops->reset(d);
	}
}

void virtio_mmio_unlock(struct virtio_mmio *d)
{
	virtio_mmio_interrupt(d);
	pthread_mutex_unlock(&d->lock);
}

bool virtio_mmio_running(const struct virtio_mmio *d)
{
	return (d->status & (VIRTIO_CONFIG_S_DRIVER_OK |
			     VIRTIO_CONFIG_S_NEEDS_RESET |
			     VIRTIO_CONFIG_S_FAILED)) ==
	       VIRTIO_CONFIG_S_DRIVER_OK;
}

static void interrupt(struct virtio_mmio *d, unsigned int bit)
{
	atomic_fetch_or(&d->isr, bit);
	irq_raise(d->env.irq);
}

void virtio_mmio_fail(struct virtio_mmio *d, const char *why)
{
	if (d->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	log_warn_limited(&d->log_limit, "%s: the guest broke the rules: %s",
			 d->ops->name, why);
	d->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	/* Nobody listens before DRIVER_OK (2.1.2). */
	if (d->status & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt(d, VIRTIO_MMIO_INT_CONFIG);
}

void virtio_mmio_config_changed(struct virtio_mmio *d)
{
	d->generation++;
	if (d->status & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt(d, VIRTIO_MMIO_INT_CONFIG);
}

bool virtio_mmio_pop(struct virtio_mmio *d, unsigned int queue,
		     struct virtq_chain *c)
{
	struct virtq *q = &d->queues[queue];
	int rc;

	if (!virtio_mmio_running(d) || !q->ready)
		return false;
	rc = virtq_pop(q, d->env.mem, c);
	if (rc < 0)
		virtio_mmio_fail(d, q->why);
	return rc > 0;
}

void virtio_mmio_repeat(struct virtio_mmio *d)
{
	if (atomic_load(&d->isr))
		irq_raise(d->env.irq);
}

void virtio_mmio_signal(struct virtio_mmio *d, unsigned int queue)
{
	if (d->queues[queue].ready && virtq_should_notify(&d->queues[queue]))
		d->irq_pending = true;
}

void virtio_mmio_interrupt(struct virtio_mmio *d)
{
	if (!d->irq_pending)
		return;
	d->irq_pending = false;
	interrupt(d, VIRTIO_MMIO_INT_VRING);
}

void virtio_mmio_kick(struct virtio_mmio *d, unsigned int queue)
{
	uint64_t one = 1;

	/* A copy that is only kept has none; it gets kicked when it wakes. */
	if (d->kicks[queue].fd < 0)
		return;
	/* Full means kicked already. */
	if (write(d->kicks[queue].fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		BUG("kick eventfd");
}
