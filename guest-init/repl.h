/* SPDX-License-Identifier: MIT */
/*
 * guest-init/repl.h - interpreters that keep their state from call to call: CODE
 *
 * Theory of operation: a repl is one interpreter, of which a language has one, in
 * a control group of its own.  It runs a driver of ours (repl.py, which says how
 * the two talk), so on the other end of the control socket is the user's code.
 * A call is one CODE stream: it collects its code, waits for its turn, and is
 * the interpreter's until the driver says that it is done, or until the
 * interpreter has ended; the next call starts another one.
 *
 * Standard output and error are pipes that last as long as the interpreter.  They
 * are read all the time: for the call that runs or, between calls, into a
 * backlog for the next one.  Input is a pipe for each call.
 *
 * repl.c has the interpreter's life, repl-call.c the calls, repl-talk.c what is
 * said over the control socket, repl-io.c the bytes.
 */
#ifndef PODFLARE_GUEST_REPL_H
#define PODFLARE_GUEST_REPL_H

#include "guest-init/conn.h"

/* CODE; answers on @c, errors too. */
void repl_code(struct conn *c, const struct frame *f);
/* This guest is a copy of another: random numbers are to be drawn anew. */
void repl_copied(struct agent *a);
void repl_free_all(struct agent *a);

#endif
