/* SPDX-License-Identifier: MIT */
/* cli/console.h - the serial console as a stream of raw bytes */
#ifndef PODFLARE_CLI_CONSOLE_H
#define PODFLARE_CLI_CONSOLE_H

#include "cli/client.h"
#include "cli/sigs.h"

/* Begin console.attach on a connection of its own. Return: 0, or -1. */
int console_attach(struct globals *g, const char *sandbox, struct stream *s,
		   struct err *err);
/*
 * Copy it to stdout until it ends or a signal comes.
 * @param keyboard also forward stdin (raw, until the detach key Ctrl-]);
 *        else what is shown is made safe (text.h)
 * Return: the exit code, or -1 with @err.
 */
int console_copy(struct stream *s, struct sigs *sigs, bool keyboard,
		 struct err *err);

#endif
