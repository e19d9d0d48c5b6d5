/* SPDX-License-Identifier: MIT */
/*
 * guest-init/agent.h - the agent: all state of pid 1's one event loop
 *
 * Whoever accepts connections (listen.c in the guest) hands them to
 * agent_accept(); what touches the machine itself is behind struct
 * agent_system, so that the agent also runs in a test, as an ordinary process.
 */
#ifndef PODFLARE_GUEST_AGENT_H
#define PODFLARE_GUEST_AGENT_H

#include <sys/types.h>

#include "common/loop.h"
#include "guest-init/cgroup.h"
#include "guest-init/layers.h"

#define AGENT_CONNS_MAX 256
#define AGENT_TRANSFERS_MAX 32
#define AGENT_SESSIONS_MAX 256	/* running */
#define AGENT_ENDED_MAX 64	/* ended, kept for ATTACH */

struct agent_system {
	const char *etc;	/* folder of passwd and group */
	const char *cgroup;	/* where cgroup2 is mounted, NULL: nowhere */
	const char *root;	/* folder of the file system */
	struct layers layers;	/* its halves */
	const char *mountinfo;	/* what is mounted on it: a file of /proc */
	int (*add_entropy)(const void *data, size_t len, struct err *err);
	int (*set_clock)(uint64_t realtime_ns, struct err *err);
	int (*set_hostname)(const char *name, struct err *err);
	void (*renew_identity)(void);	/* identity.h; a failure is logged */
	void (*poweroff)(void);	/* does not return in the guest */
};

/* A process of ours, a member of its owner's struct. */
struct agent_child {
	pid_t pid;
	void (*ended)(struct agent_child *c, int wstatus);
	struct agent_child *next;
};

/* freeze.h */
struct freezer {
	struct loop_watch events;	/* only while somebody waits for them */
	struct hold *holds;
	bool locked;		/* this guest is a copy: until HELLO */
};

struct agent {
	struct loop loop;
	const struct agent_system *system;
	struct cgroup cgroup;
	struct conn *conns;
	unsigned int nr_conns;
	struct session *sessions;	/* oldest first */
	unsigned int nr_running;
	uint32_t last_session;
	struct repl *repls;
	size_t code_bytes;	/* of all calls of repls */
	struct sink *sinks;
	struct agent_child *children;
	struct freezer freezer;
	unsigned int nr_transfers;
	bool greeted;		/* HELLO was carried out, also in this copy */
	bool reap_again;	/* more have died than one turn takes */
};

/* @param system must outlive the agent. Return: 0, or -1 with @err. */
int agent_init(struct agent *a, const struct agent_system *system,
	       struct err *err);
/* Ends every connection and session; for tests, pid 1 never does. */
void agent_free(struct agent *a);
/* Serve one operation on this stream. @param fd taken over. */
void agent_accept(struct agent *a, int fd);
/* One turn of the event loop. Return: 0, or -1 with errno. */
int agent_turn(struct agent *a);
/* Collect the processes that have ended, ours and orphans; after SIGCHLD. */
void agent_reap(struct agent *a);
/* c->ended() is called once, when the process was collected. */
void agent_add_child(struct agent *a, struct agent_child *c, pid_t pid);

#endif
