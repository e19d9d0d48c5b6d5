/* SPDX-License-Identifier: MIT */
/*
 * guest-init/session.h - commands: their processes, streams and ends
 *
 * Theory of operation: a session is a command's main process with what it left
 * behind, in a control group.  It has at most one connection.  When the main
 * process has ended, what its pipes hold at that moment is passed on, then
 * EXIT; children that live on do not hold it back.  A session without
 * AGENT_EXEC_KEEP is forgotten then; a kept one stays for ATTACH.
 *
 * session.c has its life, session-io.c its bytes, session-list.c the requests
 * about sessions that exist.
 */
#ifndef PODFLARE_GUEST_SESSION_H
#define PODFLARE_GUEST_SESSION_H

#include "guest-init/backlog.h"
#include "guest-init/conn.h"
#include "guest-init/spawn.h"

struct session;

struct channel {
	struct loop_watch watch;
	struct session *session;
	int fd;			/* -1: closed */
	uint8_t type;		/* AGENT_STDOUT or AGENT_STDERR */
	size_t after_exit;	/* bytes read since the command ended */
	bool drained;
};

struct session {
	struct agent *agent;
	struct session *next;
	struct agent_child child;
	uint32_t id, flags, why;
	int wstatus;
	bool running;
	bool finished;		/* streams closed, EXIT said */
	bool gone;		/* to be freed by session_sweep() */
	int report;		/* spawn.h; -1 once it was read */
	struct spawn_failure failure;	/* msg is "" when there is none */
	struct channel out, errors;
	struct loop_watch in_watch;
	int in;			/* where STDIN goes; -1: nowhere */
	int slave;		/* of a pty */
	bool in_eof;
	uint8_t in_last;	/* last byte given to a terminal */
	struct buf input;	/* STDIN not yet taken */
	uint32_t window;	/* STDIN the host may still send */
	uint32_t consumed;	/* STDIN taken, not yet granted anew */
	struct backlog backlog;
	struct buf args;	/* AGENT_T_ARG values, for SESSIONS */
	struct conn *conn;
	struct loop_timer timeout, killer;
	struct cgroup_events before;
};

/* EXEC, ATTACH and SESSIONS requests; they answer on @c, errors too. */
void session_exec(struct conn *c, const struct frame *f);
void session_attach(struct conn *c, const struct frame *f);
void session_list(struct conn *c);

/* @c gets STARTED, and from now on what the session puts out. */
void session_connect(struct session *s, struct conn *c);
/* Send EXIT, or why there was no command, and end the connection. */
void session_say_exit(struct session *s);
/* A signal to the foreground group of its terminal, or to its own group. */
void session_signal(struct session *s, int sig);
/* The main process has ended and its streams are drained. */
void session_finish(struct session *s);
/* Close what is open, forget it at the next session_sweep(). */
void session_forget(struct session *s);
void session_sweep(struct agent *a);

/* session-io.c: pipes or a pty. @p gets what the child needs; its descriptors
 * are to be closed by session_io_started(). Return: 0, or -1 with errno. */
int session_io_open(struct session *s, struct spawn *p, uint32_t rows,
		    uint32_t cols);
void session_io_started(struct session *s, struct spawn *p);
/* Watch what should be watched now. */
void session_io_flow(struct session *s);
/* After the end: read what is there, as far as the connection takes it; then
 * session_finish(). */
void session_io_drain(struct session *s);
void session_io_close(struct session *s);
void session_io_input(struct session *s, const void *data, size_t len);
void session_io_eof(struct session *s);
/* Grant a whole window to a connection that is new to this session. */
void session_io_grant(struct session *s);

#endif
