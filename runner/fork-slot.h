/* SPDX-License-Identifier: MIT */
/* runner/fork-slot.h - the parts of a fork (fork*.c, life.c, removal.c only) */
#ifndef PODFLARE_RUNNER_FORK_SLOT_H
#define PODFLARE_RUNNER_FORK_SLOT_H

#include "runner/fork.h"
#include "runner/life.h"

/* Work thread: folder, layers, socket, logs of one copy; its `err` is set when
 * that fails. */
void fork_prepare_slot(struct fork_slot *s);
/* Work thread: the source's chain, and a fresh layer for it. */
void fork_prepare_source(struct fork *f);
/* Close what is open of the files for the VMM, which has its own now. */
void fork_close_files(struct fork_slot *s);

/* The process is there. */
void fork_slot_born(struct fork_slot *s, pid_t pid);
/* It has come to nothing: undo it. In any state, more than once. */
void fork_slot_fail(struct fork_slot *s, const struct err *err);
/* Its VM has ended. */
void fork_slot_vm_gone(struct fork_slot *s, const struct vm_end *end);
/* Somebody wants the sandbox removed. @cb is called when it is. */
void fork_slot_remove(struct fork_slot *s, life_cb cb, void *arg);
/* Undo it, as that was asked for. */
void fork_slot_unwanted(struct fork_slot *s);

/* fork.c: */
/* The slot is settled. */
void fork_slot_settled(struct fork_slot *s);
/* To be called when something that was waited for is through: the fork may be
 * done, and freed in the call unless its `busy` is not 0. */
void fork_check_done(struct fork *f);
/* Whether the source can be copied. False with @err. */
bool fork_source_ready(struct fork *f, struct err *err);
/* No further batch is made of the source: it goes on, and may be copied by the
 * next fork. */
void fork_leave_source(struct fork *f);
/* There will be no more processes: fail the slots that have none. */
void fork_fail_rest(struct fork *f, const struct err *err);
/* Fail them all: there is to be no copy. */
void fork_fail_all(struct fork *f, const struct err *err);
void fork_step_done(struct fork *f, const char *name);

/* fork-batch.c: */
/* Connect to the agent of the source, which will be asked to stand still.
 * Return: 0, or -1 with @err. */
int fork_batch_connect(struct fork *f, struct err *err);
/* Make the slots from `first` on, `batch` of them; then the next ones. */
void fork_batch_start(struct fork *f);

#endif
