/* SPDX-License-Identifier: MIT */
/* runner/pool-make.h - one member of the pool is made (pool.c only) */
#ifndef PODFLARE_RUNNER_POOL_MAKE_H
#define PODFLARE_RUNNER_POOL_MAKE_H

#include "runner/sandbox.h"

struct pool_make;

/* @err NULL: it stands ready. Else it is gone, or going. */
typedef void (*pool_made_cb)(void *arg, const struct err *err);

/* Make one of the image @ref. Return: NULL with @err. */
struct pool_make *pool_make_start(struct runner *r, const char *ref,
				  pool_made_cb cb, void *arg, struct err *err);
/* Forget it: the callback is not called. */
void pool_make_cancel(struct pool_make *m);

#endif
