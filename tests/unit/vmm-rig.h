/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/vmm-rig.h - a real podflare-vmm with a guest of a few instructions
 *
 * The guest prints "hi\n" on COM1, then echoes what is typed, but for: q powers
 * off, r resets, ! crashes, f prints for ever.
 */
#ifndef PODFLARE_TESTS_VMM_RIG_H
#define PODFLARE_TESTS_VMM_RIG_H

#include <sys/types.h>

#include "runner/vmm/control.h"
#include "tests/unit/unit.h"

/* A guest that prints "hi\n", and for each byte typed adds one to a counter at
 * 32 MiB and prints '@' + counter: A, B, C ... */
extern const uint8_t vmm_rig_counter[];
extern const size_t vmm_rig_counter_len;

struct vmm_rig {
	char dir[64];
	int dirfd;
	pid_t pid;
	int pidfd, sock;
	int kvm, kernel, log, record;
	struct ctl_config config;
	uint64_t seq;
	struct ctl_reply reply;		/* the last one */
	int reply_fd;			/* its descriptor, -1: none */
	struct ctl_exit exit;		/* of CTL_EV_EXIT */
	struct ctl_forked *forked;	/* where the next one goes */
	struct ctl_layered layered;	/* the last one */
};

/* Start a VMM and connect; a cmocka setup and teardown. The latter kills it. */
int vmm_rig_setup(void **state);
int vmm_rig_teardown(void **state);
/* Kill it and start another in its place; its log is empty then. */
void vmm_rig_restart(struct vmm_rig *r);
/* Connect (anew: the old connection is closed first). */
void vmm_rig_connect(struct vmm_rig *r);
/* Another guest than the usual one, before it is configured. */
void vmm_rig_guest(struct vmm_rig *r, const uint8_t *code, size_t len);
/* Make an empty file in its folder. Return: fd. */
int vmm_rig_file(struct vmm_rig *r, const char *name);
/* Send a CTL_FORK, wait for its answer in @answer. Return: 0, or the error of a
 * CTL_REPLY. */
int vmm_rig_fork(struct vmm_rig *r, struct ctl_fork *f, const int *fds,
		 size_t nfds, struct ctl_forked *answer);
/* Send a CTL_LAYERS, wait for its answer in @r->layered. @fd -1: none. Return: as
 * vmm_rig_exchange(). */
int vmm_rig_layers(struct vmm_rig *r, struct ctl_layers *m, int fd);
/* Give it the guest. Return: the reply's error. */
int vmm_rig_configure(struct vmm_rig *r);
/* The same with other descriptors, -1 as @fds[0]: none. */
int vmm_rig_configure_with(struct vmm_rig *r, const int *fds, size_t nfds);
/* Send a request of any kind, with descriptors. Return: as below. */
int vmm_rig_exchange(struct vmm_rig *r, void *msg, size_t len, uint32_t type,
		     const int *fds, size_t nfds);
/* A request of a header alone. Return: the reply's error, -1 when the
 * connection was closed. */
int vmm_rig_request(struct vmm_rig *r, uint32_t type);
/* Send raw bytes, then wait for the answer or the end of the connection.
 * Return: 0 when it was closed, 1 when something came. */
int vmm_rig_send_raw(struct vmm_rig *r, const void *data, size_t len);
/* Attach to the console. Return: the stream, with a receive timeout. */
int vmm_rig_console(struct vmm_rig *r);
/* Wait for @text in the console log. */
void vmm_rig_expect_log(struct vmm_rig *r, const char *text);
/* Wait until the process has ended by itself. Return: its exit status. */
int vmm_rig_wait(struct vmm_rig *r);
/* Wait for CTL_EV_EXIT and the process's end; check that event, record and
 * exit agree. Return: the reason. */
enum ctl_exit_reason vmm_rig_end(struct vmm_rig *r);

#endif
