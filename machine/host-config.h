/* SPDX-License-Identifier: MIT */
/* machine/host-config.h - carry the user's config.yaml into the machine */
#ifndef PODFLARE_MACHINE_HOST_CONFIG_H
#define PODFLARE_MACHINE_HOST_CONFIG_H

#include "machine/host.h"

/* Carry it in, when it is not the one that was carried in last. The session
 * stands. Return: whether that goes on: then @done(h) is called in the end. */
bool config_carry(struct host *h, void (*done)(struct host *h));
/* A session begins: nobody knows what the last one has brought. */
void config_forget(struct host *h);
void config_free(struct host *h);

#endif
