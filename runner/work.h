/* SPDX-License-Identifier: MIT */
/*
 * runner/work.h - blocking file work on threads beside the loop
 *
 * fsync, removing large trees, hashing: whatever can block for long on a busy
 * disk.  A job is a member of its owner's struct; run() is called on a lane's
 * thread and touches nothing but the job's own data, done() is called on the
 * loop's thread afterwards and may free it.
 */
#ifndef PODFLARE_RUNNER_WORK_H
#define PODFLARE_RUNNER_WORK_H

#include <pthread.h>
#include <sys/queue.h>

#include "common/loop.h"

enum work_lane {
	WORK_META,	/* one thread: jobs are done in order */
	WORK_BULK,	/* removing trees */
	WORK_PUT,	/* receiving images */
	WORK_FORK,	/* folders and files of copies */
	WORK_LOG,	/* one thread: events, in order */
	WORK_FLAT,	/* copying disk layers */
	WORK_EXPORT,	/* sending snapshots */
	WORK_LANES
};

struct work_job {
	void (*run)(struct work_job *j);
	void (*done)(struct work_job *j);
	TAILQ_ENTRY(work_job) link;
};

TAILQ_HEAD(work_queue, work_job);

#define WORK_THREADS 14

struct work {
	struct loop *loop;
	struct loop_watch watch;	/* of the eventfd: a job is done */
	pthread_mutex_t lock;
	pthread_cond_t wake[WORK_LANES];
	struct work_queue todo[WORK_LANES];
	struct work_queue finished;
	pthread_t threads[WORK_THREADS];
	unsigned int nr_threads;
	unsigned int pending;	/* submitted, done() not yet called */
	bool stop;
};

/* Start the threads. Return: 0, or -1 with @err. */
int work_init(struct work *w, struct loop *l, struct err *err);
/* Finish what was submitted, end the threads, call the outstanding done()s. */
void work_free(struct work *w);
void work_submit(struct work *w, enum work_lane lane, struct work_job *j);

#endif
