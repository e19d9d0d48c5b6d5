/* SPDX-License-Identifier: MIT */
/*
 * common/loop.h - an event loop: file descriptors and timers
 *
 * Theory of operation: epoll, level-triggered.  Watches and timers are members
 * of their owner's struct (container_of() gets it back); the loop allocates
 * nothing.  A callback may remove any watch or timer, its own included, and
 * free its owner: events of a removed watch that are still in the batch are
 * dropped.
 */
#ifndef PODFLARE_COMMON_LOOP_H
#define PODFLARE_COMMON_LOOP_H

#include <stdbool.h>
#include <sys/epoll.h>

#include "common/err.h"

#define LOOP_BATCH 32

struct loop_watch {
	int fd;			/* not owned; -1 while not in a loop */
	void (*cb)(struct loop_watch *w, uint32_t events);	/* EPOLL* */
};

struct loop_timer {
	uint64_t deadline;	/* CLOCK_MONOTONIC ns; 0: not armed */
	void (*cb)(struct loop_timer *t);
	struct loop_timer *next;
};

struct loop {
	int epfd;
	bool stop;
	struct loop_timer *timers;	/* sorted by deadline */
	struct epoll_event batch[LOOP_BATCH];
	int batch_len, batch_pos;
};

int loop_init(struct loop *l, struct err *err);
void loop_free(struct loop *l);
/* In a child of fork(2), which may be inside a callback: leave the parent's loop
 * alone and begin anew, with no watch and no timer. Members' fds are as they
 * were, and no longer watched. Return: 0, or -1 with @err. */
int loop_reopen(struct loop *l, struct err *err);
/* @param events EPOLLIN etc. Return: 0, or -1 with errno. */
int loop_add(struct loop *l, struct loop_watch *w, int fd, uint32_t events);
int loop_mod(struct loop *l, struct loop_watch *w, uint32_t events);
void loop_del(struct loop *l, struct loop_watch *w);
/* (Re)arm: fires once, @ms milliseconds from now. */
void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t ms);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);
/* One wait and one batch. @timeout_ms: -1 for ever. Return: 0, or -1. */
int loop_once(struct loop *l, int timeout_ms);
/* Until loop_stop(). Return: 0, or -1 with errno of epoll_wait(2). */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

#endif
