/* SPDX-License-Identifier: MIT */
/*
 * runner/pool.h - sandboxes that are ready before anybody asks for them
 *
 * How many of which image config.yaml says.  A member (SB_POOL) is a sandbox of
 * the default sizes that was made as any other, and stands still; nobody sees
 * it.  The sandbox that is handed out takes over its machine and its folder.
 */
#ifndef PODFLARE_RUNNER_POOL_H
#define PODFLARE_RUNNER_POOL_H

#include "runner/sandbox.h"

struct pool;

/* Once sandboxes are recovered. Return: 0, or -1 with @err. */
int pool_start(struct runner *r, struct err *err);
/* Give @sb, which is to be made of its image, the machine, folder and id of a
 * member. Return: false: there is none for it. */
bool pool_take(struct sandbox *sb);
/* What was asked for, or what is there, may have changed: see to it soon. */
void pool_adjust(struct runner *r);
/* A member that was taken did not answer: do not trust the others. */
void pool_distrust(struct runner *r);
/* Remove those of an image that goes. */
void pool_drop_image(struct runner *r, const char *digest);
/* How many config.yaml wants of this image, and how many are ready. */
unsigned int pool_wanted(struct runner *r, const char *digest);
unsigned int pool_ready(struct runner *r, const char *digest);

struct pool_yield {
	LIST_ENTRY(pool_yield) link;
	/* Called once, when their memory is free; not from pool_yield(). */
	void (*cb)(struct pool_yield *y);
};

/* Memory is needed for something else: remove all members, make none for a
 * while. Return: false: there were none, and @y is not called. */
bool pool_yield(struct runner *r, struct pool_yield *y);
void pool_yield_cancel(struct pool_yield *y);
/* At the end: forget what is being made. */
void pool_let_go(struct runner *r);

#endif
