/* SPDX-License-Identifier: MIT */
/* tests/unit/runner-fork.h - what the tests of forks share */
#ifndef PODFLARE_TESTS_RUNNER_FORK_H
#define PODFLARE_TESTS_RUNNER_FORK_H

#include "tests/unit/runner-host.h"

/* No process, folder or socket is there; nothing but one sandbox is. */
bool none_left(void *arg);
bool one_left(void *arg);
/* Wait until none_left(). */
void assert_nothing_left(void);

/* A sandbox of @mib MiB: how the played VMM behaves. */
void create(const char *name, int mib);
void rm(const char *name);
json_t *of_n(const char *name, int n);	/* {sandbox, n} */
/* sandbox.fork, its result. */
json_t *fork_ok(const char *name, int n);
void fork_drop(const char *name, int n);
/* sandbox.fork with @params, its error's message; static storage. */
const char *fork_fails(json_t *params, const char *code);
/* Parts of the result; "" for what is not there. */
const char *text_of(const json_t *o, const char *key);
json_t *child(const json_t *r, size_t i);
const char *child_error(const json_t *r, size_t i);

#endif
