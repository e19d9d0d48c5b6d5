/* SPDX-License-Identifier: MIT */
/*
 * runner/life.h - what happens to a sandbox: use, stop, removal, adoption
 */
#ifndef PODFLARE_RUNNER_LIFE_H
#define PODFLARE_RUNNER_LIFE_H

#include "runner/boot.h"
#include "runner/sandbox.h"

/* The VM callbacks of every sandbox; their argument is the sandbox. */
extern const struct vmproc_ops life_vm_ops;

/* Call @w back once the sandbox runs: at once when it does; a stopped one is
 * started, a frozen one thawed. */
void life_use(struct sandbox *sb, struct sandbox_wait *w);
void life_use_cancel(struct sandbox *sb, struct sandbox_wait *w);
/* Wake everybody who waits. @err NULL: it runs. @console: as of the wait. */
void life_wake(struct sandbox *sb, const struct err *err, json_t *console);

/* What made them wait may be through: see to those who wait. */
void life_settle(struct sandbox *sb);

typedef void (*life_cb)(void *arg, const struct err *err);

/* End the process, remove every file. In any state, once or more often.
 * @force: do not wait for a process that cannot be killed. */
void life_remove(struct sandbox *sb, bool force, life_cb cb, void *arg);
/* What it waited for, flatten.h, may be through. */
void life_remove_go_on(struct sandbox *sb);
/* Power the guest off (its agent syncs); what does not answer is ended by its
 * VMM. One that does not run is left as it is. @err is always NULL. */
void life_stop(struct sandbox *sb, life_cb cb, void *arg);
/* Set the state that an ended VM leaves, and save it. */
void life_ended(struct sandbox *sb, const struct vm_end *end);

/* At the end: drop what is known of sandboxes; their processes go on. */
void life_let_go(struct runner *r);
/* At start: adopt what runs, remove what is half made. */
void life_recover(struct runner *r);

#endif
