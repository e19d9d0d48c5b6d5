/* SPDX-License-Identifier: MIT */
/* runner/client.h - one connection of a client (server.c and client.c only) */
#ifndef PODFLARE_RUNNER_CLIENT_H
#define PODFLARE_RUNNER_CLIENT_H

#include "common/buf.h"
#include "common/log.h"
#include "runner/request.h"
#include "runner/runner.h"

struct client {
	struct request_peer peer;
	struct server *server;
	struct loop_watch watch;
	int fd;
	struct buf in;
	size_t pos;	/* of @in: what was handed out as lines */
	struct buf out;
	struct buf last;	/* the line that goes with last_fd */
	int last_fd;
	bool input_taken;	/* somebody else reads from the fd */
	bool eof;		/* the client's sending side is closed */
	bool closing;		/* close once the output is sent */
	bool dead;		/* close at once */
	struct loop_timer stall;	/* output does not move */
	struct loop_timer more;		/* lines are left in @in */
	LIST_ENTRY(client) link;
};

struct server {
	struct runner *runner;
	struct loop_watch watch;
	struct loop_timer resume;
	struct ratelimit log_limit;
	unsigned int nr_clients;
	LIST_HEAD(, client) clients;
};

/* Serve a connection; @fd is taken over. */
void client_new(struct server *s, int fd);
/* Drop it; its requests are cancelled. */
void client_free(struct client *c);
/* Send what can be sent. Return: 1 when some is left, 0, -1 when it is gone. */
int client_flush(struct client *c);

#endif
