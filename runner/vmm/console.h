/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/console.h - where the serial port's bytes go to and come from
 *
 * Output: a ring, emptied by the loop into the log file and to the attached
 * streams; a stream whose reader is slow loses bytes.  Input: from the streams,
 * as fast as the guest reads it.
 *
 * File descriptors: console_open_fds() makes what belongs to the process.
 */
#ifndef PODFLARE_VMM_CONSOLE_H
#define PODFLARE_VMM_CONSOLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/loop.h"
#include "runner/vmm/console-log.h"
#include "runner/vmm/serial.h"

#define CONSOLE_RING 8192
#define CONSOLE_STREAMS 4	/* the oldest gives way to a fifth */

struct console;

struct console_stream {
	struct loop_watch watch;	/* watch.fd is ours; -1: free */
	struct console *console;
	uint64_t since_ns;
	bool waiting;			/* for the guest to read */
	bool eof;			/* there is no more input */
};

struct console {
	struct loop *loop;
	struct serial serial;
	int kick_fd;			/* eventfd: look at ring and flags */
	struct loop_watch kick;
	atomic_bool drained;		/* the guest has read all input */

	pthread_mutex_t lock;		/* guards all below */
	struct console_log log;
	size_t head, len;		/* of the ring */
	uint8_t ring[CONSOLE_RING];
	struct console_stream streams[CONSOLE_STREAMS];
};

/* @param log the caller has set it up; copied. @param irq of the serial port
 * The serial port is initialised at @base, its region is not added yet.
 * Return: 0, or -1 with @err. */
int console_init(struct console *c, struct loop *loop, uint64_t base,
		 const struct irq_line *irq, const struct console_log *log,
		 struct err *err);
/* Flush, then close all descriptors. No vCPU runs any more. */
void console_free(struct console *c);
/* Write out what is in the ring. Any thread. */
void console_flush(struct console *c);
/* Attach a stream. Main thread. Return: a stream socket for the client, -1
 * with errno. */
int console_attach(struct console *c);
/* Return: how many streams are attached and not at the end of their input: through
 * a relay nothing else tells that the reader is gone. */
unsigned int console_attached(struct console *c);

/* In a child of fork(2): a log of its own, and nothing of what was printed but
 * not written yet. @param fd not owned. Return: 0, or -1 with @err. */
int console_relog(struct console *c, int fd, struct err *err);
/* Make the kick eventfd and watch it; in a child of fork(2), after the loop was
 * made anew: streams of the parent are closed. Return: 0, -1 with @err. */
int console_open_fds(struct console *c, struct err *err);
void console_close_fds(struct console *c);

#endif
