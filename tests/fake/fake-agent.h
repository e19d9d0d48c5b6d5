/* SPDX-License-Identifier: MIT */
/* tests/fake/fake-agent.h - the fake VMM's parts */
#ifndef PODFLARE_TESTS_FAKE_AGENT_H
#define PODFLARE_TESTS_FAKE_AGENT_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/vmm/control.h"

union fake_message {
	struct ctl_header h;
	struct ctl_config config;
	struct ctl_connect connect;
	struct ctl_fork fork;
	struct ctl_save save;
	struct ctl_restore restore;
	struct ctl_layers layers;
};

/* The process's own, for its parts. */
struct fake_vmm {
	int conn, exit_fd, console_fd;
	uint32_t state;		/* enum ctl_state */
	uint64_t ram, up_at;
	bool restored;		/* from files */
	bool card;		/* of a network: it asks, and sends one frame */
	int wire;		/* to what it was given, -1 */
	/* of the last disk of a CTL_CONFIG or CTL_RESTORE */
	int layers[CTL_MAX_LAYERS];
	unsigned int nr_layers;
	bool forked;
};
extern struct fake_vmm vmm;

bool fake_is_mode(uint64_t mib);
void fake_reply(uint64_t seq, int error, const char *detail, int fd);
/* Whether this is a copy that has not been greeted. */
bool fake_is_copy(void);
/* CTL_FORK. */
void fake_fork(const struct ctl_fork *m, const int *fds, size_t nfds);

/* CTL_SAVE, CTL_RESTORE. */
void fake_save(const struct ctl_save *m, const int *fds, size_t nfds);
void fake_restore(const struct ctl_restore *m, int *fds, size_t nfds);
/* CTL_LAYERS, CTL_SYNC; and the files that the others bring. */
void fake_layers(const struct ctl_layers *m, const int *fds, size_t nfds);
void fake_sync(uint64_t seq);
void fake_take_layers(const int *fds, unsigned int n);
void fake_push_layer(int fd);
void fake_drop_layer(void);
/* Write the exit record and end. */
void fake_leave(uint32_t reason, const char *detail);
void fake_console(const char *text);

/* Serve @fd on a thread of its own, which closes it. Return: 0, or -1. */
int fake_thread(int fd, void (*serve)(int fd));
/* One connection to the guest's agent. */
void fake_agent(int fd);
/* The guest powers off. */
void fake_power_off(void);

#endif
