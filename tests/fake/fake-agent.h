/* SPDX-License-Identifier: MIT */
/* tests/fake/fake-agent.h - the fake VMM's parts */
#ifndef PODFLARE_TESTS_FAKE_AGENT_H
#define PODFLARE_TESTS_FAKE_AGENT_H

#include "runner/vmm/control.h"

union fake_message {
	struct ctl_header h;
	struct ctl_config config;
	struct ctl_connect connect;
};

/* Serve @fd on a thread of its own, which closes it. Return: 0, or -1. */
int fake_thread(int fd, void (*serve)(int fd));
/* One connection to the guest's agent. */
void fake_agent(int fd);
/* The guest powers off. */
void fake_power_off(void);

#endif
