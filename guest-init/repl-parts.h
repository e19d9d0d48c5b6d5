/* SPDX-License-Identifier: MIT */
/* guest-init/repl-parts.h - what the files of repl.h share among themselves */
#ifndef PODFLARE_GUEST_REPL_PARTS_H
#define PODFLARE_GUEST_REPL_PARTS_H

#include "guest-init/backlog.h"
#include "guest-init/repl.h"
#include "guest-init/spawn.h"

#define REPL_CALLS_MAX 64	/* waiting for one interpreter */
#define REPL_CODE_MAX (48 * MIB)	/* of all calls together */
#define REPL_MESSAGE_MAX 65536	/* repl.py */
#define REPL_RESEED 62		/* repl.py: a signal */
#define REPL_COPIED 256		/* repl.py: a flag of B */

struct repl_lang {
	const char *name;
	const char *const *argv;	/* then the two descriptors' numbers */
	const unsigned char *source;
	const size_t *source_len;
};

struct repl_pipe {
	struct loop_watch watch;
	struct repl *repl;
	int fd;
	uint8_t type;		/* AGENT_STDOUT or AGENT_STDERR */
};

struct repl {
	struct agent *agent;
	struct repl *next;
	const struct repl_lang *lang;
	struct agent_child child;
	uint32_t id;		/* of its control group */
	uint32_t number;	/* of the call that began last */
	int report;		/* spawn.h; -1 once it was read */
	bool running;
	bool ready;		/* the driver has said so */
	bool dying;		/* killed by us */
	bool restart;		/* and somebody wanted that */
	bool lost;		/* the one before ended against our will */
	bool copied;		/* this guest is a copy: random numbers anew */
	bool told;		/* the next STARTED need not say it is new */
	int control;		/* -1: closed */
	struct loop_watch control_watch;
	struct repl_pipe out, errors;
	struct backlog backlog;	/* put out between calls */
	struct buf env;		/* ENV values that the driver has */
	struct buf queue;	/* messages to it, each behind its le32 length */
	struct repl_call *calls;	/* the first one may have begun */
	unsigned int nr_calls;
	struct loop_timer killer;
	struct cgroup_events before;
};

struct repl_call {
	struct agent *agent;
	struct repl *repl;	/* NULL: its code is not complete */
	struct repl_call *next;
	struct conn *conn;	/* NULL: gone */
	struct buf request;	/* the values of CODE */
	struct buf code;
	size_t sent;		/* of code, to the driver */
	uint32_t flags, timeout_ms, why;
	const struct repl_lang *lang;
	bool begun, run_sent;
	bool ending;		/* interrupted: nothing waits for its reader */
	bool dropped;		/* nobody wants its output */
	struct loop_timer timeout;
	int stdin_fd;		/* for the driver, until it was passed on */
	int in;			/* its other end; -1: none */
	struct loop_watch in_watch;
	struct buf input;	/* STDIN not yet taken */
	uint32_t window, consumed;	/* as of a session */
	bool in_eof;
};


/* repl.c. Return: the language's interpreter, which may not run; NULL when
 * memory is out. */
struct repl *repl_find(struct agent *a, const struct repl_lang *lang);
const struct repl_lang *repl_lang_find(const char *name);
/* For @c, which waits first. Return: 0, or -1 with @err. */
int repl_start(struct repl *r, const struct repl_call *c, struct err *err);
/* SIGKILL to all of its control group; what follows is its end. */
void repl_kill(struct repl *r);
/* SIGINT, as the terminal's Ctrl-C does it. */
void repl_interrupt(struct repl *r);

/* repl-call.c. The call that has begun, NULL: none. */
struct repl_call *repl_current(const struct repl *r);
/* Begin the next call if one waits and none runs. */
void repl_go_on(struct repl *r);
/* The first call is over. @wstatus as of wait(2); @failure NULL: it was run */
void repl_call_done(struct repl *r, int wstatus,
		    const struct spawn_failure *failure);
void repl_calls_free(struct repl *r);

/* repl-talk.c. Return: 0, or -1 with errno. */
int repl_talk_begin(struct repl *r, struct repl_call *c);
/* Send what can be sent, watch what is to be watched. */
void repl_talk_flow(struct repl *r);
void repl_on_control(struct loop_watch *w, uint32_t events);

/* repl-io.c. @p gets what the child needs. Return: 0, or -1 with errno. */
int repl_io_open(struct repl *r, struct spawn *p);
void repl_io_flow(struct repl *r);
/* Pass on what the pipes hold at this moment. */
void repl_io_drain(struct repl *r);
/* It has ended. */
void repl_io_close(struct repl *r);
/* Input of a call. Return: 0, or -1 with errno. */
int repl_input_open(struct repl_call *c);
void repl_input_put(struct repl_call *c, const void *data, size_t len);
void repl_input_eof(struct repl_call *c);
void repl_input_grant(struct repl_call *c);
void repl_input_close(struct repl_call *c);

#endif
