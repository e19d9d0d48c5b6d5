/* SPDX-License-Identifier: MIT */
/* machine/relay.h - joins a channel of the multiplexer to a socket */
#ifndef PODFLARE_MACHINE_RELAY_H
#define PODFLARE_MACHINE_RELAY_H

#include "common/loop.h"
#include "machine/mux.h"

/* Copy both ways between @ch and the stream socket @fd, half-closes included,
 * until both have ended; then the channel and the socket are closed.
 * @param ch its user pointer is the relay's from now on
 * @param fd taken over, made non-blocking
 * Return: 0; -1 with errno, then both are closed. */
int relay_start(struct loop *loop, struct mux_chan *ch, int fd);
/* The callbacks of the multiplexer's owner hand channels with a relay on. */
void relay_input(struct mux_chan *ch);
void relay_output(struct mux_chan *ch);
void relay_gone(struct mux_chan *ch);

#endif
