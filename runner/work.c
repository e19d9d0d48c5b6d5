/* SPDX-License-Identifier: MIT */
/*
 * runner/work.c - blocking file work on threads beside the loop
 *
 * podflared.  The threads run jobs and nothing else: they take no part in the
 * loop, hold no lock while they work, and have all signals blocked.  Jobs come
 * from the runner itself; nobody is distrusted here.
 */
#include "runner/work.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct lane_thread {
	struct work *work;
	enum work_lane lane;
};

static const unsigned int lane_threads[WORK_LANES] = {
	[WORK_META] = 1,
	[WORK_BULK] = 2,
	[WORK_PUT] = 2,
	[WORK_FORK] = 4,	/* they wait for the disk, not for a CPU */
	[WORK_LOG] = 1,
	[WORK_FLAT] = 2,
	[WORK_EXPORT] = 2,
};

static void *lane_main(void *arg)
{
	struct lane_thread t = *(struct lane_thread *)arg;
	struct work *w = t.work;
	struct work_queue *todo = &w->todo[t.lane];
	const uint64_t one = 1;
	struct work_job *j;

	free(arg);
	pthread_mutex_lock(&w->lock);
	for (;;) {
		j = TAILQ_FIRST(todo);
		if (!j) {
			if (w->stop)
				break;
			pthread_cond_wait(&w->wake[t.lane], &w->lock);
			continue;
		}
		TAILQ_REMOVE(todo, j, link);
		pthread_mutex_unlock(&w->lock);
		j->run(j);
		pthread_mutex_lock(&w->lock);
		TAILQ_INSERT_TAIL(&w->finished, j, link);
		if (write(w->watch.fd, &one, sizeof(one)) < 0)
			BUG_ON(errno != EAGAIN);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void finish_jobs(struct work *w)
{
	struct work_job *j;

	for (;;) {
		pthread_mutex_lock(&w->lock);
		j = TAILQ_FIRST(&w->finished);
		if (j)
			TAILQ_REMOVE(&w->finished, j, link);
		pthread_mutex_unlock(&w->lock);
		if (!j)
			return;
		w->pending--;
		j->done(j);
	}
}

static void work_event(struct loop_watch *watch, uint32_t events)
{
	struct work *w = container_of(watch, struct work, watch);
	uint64_t n;

	if (read(watch->fd, &n, sizeof(n)) < 0)
		BUG_ON(errno != EAGAIN && errno != EINTR);
	finish_jobs(w);
}

int work_init(struct work *w, struct loop *l, struct err *err)
{
	enum work_lane lane;
	unsigned int i;
	int fd, rc;

	memset(w, 0, sizeof(*w));
	w->loop = l;
	pthread_mutex_init(&w->lock, NULL);
	TAILQ_INIT(&w->finished);
	for (lane = 0; lane < WORK_LANES; lane++) {
		pthread_cond_init(&w->wake[lane], NULL);
		TAILQ_INIT(&w->todo[lane]);
	}
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return err_sys(err, errno, "cannot make an eventfd");
	w->watch.cb = work_event;
	if (loop_add(l, &w->watch, fd, EPOLLIN) < 0)
		return err_sys(err, errno, "cannot watch an eventfd");
	for (lane = 0; lane < WORK_LANES; lane++) {
		for (i = 0; i < lane_threads[lane]; i++) {
			struct lane_thread *t = malloc(sizeof(*t));

			BUG_ON(w->nr_threads >= WORK_THREADS);
			if (!t)
				return err_sys(err, ENOMEM, "cannot start a thread");
			*t = (struct lane_thread){ w, lane };
			rc = pthread_create(&w->threads[w->nr_threads], NULL,
					    lane_main, t);
			if (rc) {
				free(t);
				return err_sys(err, rc, "cannot start a thread");
			}
			w->nr_threads++;
		}
	}
	return 0;
}

void work_submit(struct work *w, enum work_lane lane, struct work_job *j)
{
	if (w->stop)
		return;		/* the process ends; the next one cleans up */
	pthread_mutex_lock(&w->lock);
	w->pending++;
	TAILQ_INSERT_TAIL(&w->todo[lane], j, link);
	pthread_cond_signal(&w->wake[lane]);
	pthread_mutex_unlock(&w->lock);
}

void work_free(struct work *w)
{
	int fd = w->watch.fd;
	unsigned int i;

	pthread_mutex_lock(&w->lock);
	w->stop = true;
	for (i = 0; i < WORK_LANES; i++)
		pthread_cond_broadcast(&w->wake[i]);
	pthread_mutex_unlock(&w->lock);
	for (i = 0; i < w->nr_threads; i++)
		pthread_join(w->threads[i], NULL);
	w->nr_threads = 0;
	finish_jobs(w);
	loop_del(w->loop, &w->watch);
	if (fd >= 0)
		close(fd);
	for (i = 0; i < WORK_LANES; i++)
		pthread_cond_destroy(&w->wake[i]);
	pthread_mutex_destroy(&w->lock);
}
