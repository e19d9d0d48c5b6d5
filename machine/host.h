/* SPDX-License-Identifier: MIT */
/*
 * machine/host.h - the supervisor of an emulated machine
 *
 * One process per user and runtime folder, started by the command-line tool.
 * It starts QEMU (in a session of its own, so that it outlives a killed
 * supervisor; the next one takes it over) and joins clients of machine.sock to
 * channels of the multiplexer.
 */
#ifndef PODFLARE_MACHINE_HOST_H
#define PODFLARE_MACHINE_HOST_H

#include <sys/types.h>

#include "machine/port.h"

#define HOST_SOCKET "machine.sock"	/* clients */
#define HOST_MUX_SOCKET "mux.sock"	/* QEMU's side of the port */
#define HOST_CONSOLE_SOCKET "console.sock"
#define HOST_QMP_SOCKET "qmp.sock"
#define HOST_LOCK "lock"		/* held by the supervisor */
#define HOST_STOP_MS 60000	/* to power off, once it is on its way */
#define HOST_LOG_MAX (256 * 1024)	/* bytes kept of each log, twice */

struct host_options {
	bool attach;		/* take a running one over, start none */
	bool icount;		/* virtual time counts instructions */
	uint64_t memory;	/* bytes, 0: by the host's size */
};

/* What is known of a running machine; the file "state". */
struct host_state {
	pid_t pid;
	uint64_t start_time;	/* of the process, proc_start_time() */
	uint64_t memory;
	uint64_t started;	/* seconds since the epoch */
	bool icount;
	char key[80];		/* of the inputs it was started from */
	char version[64];
};

struct console;
struct care;
struct conn;
struct carry;

struct host {
	struct loop loop;
	struct port port;
	struct host_options opts;
	struct host_state state;
	int dirfd;		/* the machine's runtime folder */
	int pidfd;		/* of QEMU */
	int mux_fd;
	int ready_fd;		/* whoever started us waits here, -1 */
	struct loop_watch qemu_watch, listen_watch, signal_watch, ready_watch;
	struct loop_timer boot_timer, stop_timer;
	struct console *console;
	struct care *care;
	struct carry *carry;	/* host-config.c */
	struct conn *conns;
	struct mux_chan *stop_chan;	/* its first word decides on stopping */
	bool own;		/* we started QEMU, and may end it */
	bool stopping;		/* QEMU's end is what was asked for */
	bool ended;
	struct err why;		/* set: the machine ended by this */
};

/* state file; Return: 0, or -1 (load: no machine that lives, ESRCH). */
int host_state_load(struct host_state *st, int dirfd, int *pidfd);
int host_state_save(const struct host_state *st, int dirfd, struct err *err);

/* Bytes of memory for the machine: @want, or by the host's size; checked
 * against what is available. Return: 0, or -1 with @err. */
int host_memory(uint64_t want, uint64_t *bytes, struct err *err);
/* The disk image, made if there is none. Return: malloc'ed path, or NULL. */
char *host_disk(struct err *err);
/* The lock on the disk image: held as long as the descriptor is open anywhere, so
 * QEMU inherits it. Return: fd, or -1 with @err (ERR_BUSY). */
int host_disk_lock(struct err *err);
/* Start QEMU and fill in h->state, h->pidfd. Return: 0, or -1 with @err. */
int host_qemu_start(struct host *h, struct err *err);
/* One of QEMU's sockets in the runtime folder, once QEMU listens there: it
 * makes them while it starts. Return: fd, or -1 with @err. */
int host_qemu_connect(struct host *h, const char *name, struct err *err);
/* A log's path in the state folder, cut when it is too long. */
char *host_log_path(const char *name, struct err *err);

/* Keep the serial console in console.log, from the socket in h->dirfd. */
int console_open(struct host *h, struct err *err);
void console_close(struct host *h);
/* The last line that QEMU or the guest's kernel wrote. Return: @out. */
char *console_last(const struct host *h, char *out, size_t size);

/* What a machine needs while it runs: its clock, a disk that was full. */
int care_start(struct host *h, struct err *err);
void care_stop(struct host *h);
/* Return: 0, or -1 with @err when the host's disk is full. */
int care_check_space(struct host *h, struct err *err);

/* Serve machine.sock. */
int conn_listen(struct host *h, struct err *err);
/* The session begins (those who wait are served) or ended. */
void conn_session(struct host *h, bool up);
/* mux_ops.input. */
void conn_input(struct mux_chan *ch);
void conn_close_all(struct host *h);
/* Begin an orderly power-off that nobody waits for. */
void host_power_off(struct host *h);

/* A line for whoever started us: "progress TEXT". */
void host_progress(struct host *h, const char *text);
/* The supervisor, from start to end. Return: exit status. */
int host_main(const struct host_options *opts);

#endif
