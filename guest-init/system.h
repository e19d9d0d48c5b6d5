/* SPDX-License-Identifier: MIT */
/* guest-init/system.h - what the agent does to the machine itself */
#ifndef PODFLARE_GUEST_SYSTEM_H
#define PODFLARE_GUEST_SYSTEM_H

#include "guest-init/agent.h"
#include "guest-init/mount.h"

/* @param h from mount_root(); the disk is made clean before the power goes
 * Return: the real one, for pid 1 of a guest. */
const struct agent_system *system_of_guest(const struct mount_halves *h);
/* The loopback interface up. Return: 0, or -1 with errno. */
int system_loopback_up(void);

#endif
