/* SPDX-License-Identifier: MIT */
/*
 * cli/client.h - a connection to the runner
 *
 * Calls with progress, and streams.  A stream either comes as a descriptor
 * with the reply line or, through a relay that cannot pass one, simply goes
 * on behind it on the connection itself: struct stream hides the difference.
 */
#ifndef PODFLARE_CLI_CLIENT_H
#define PODFLARE_CLI_CLIENT_H

#include <jansson.h>

#include "cli/cmd.h"
#include "cli/progress.h"
#include "common/buf.h"
#include "common/frame.h"

struct client {
	struct globals *globals;
	struct progress progress;
	struct buf in;		/* received, not yet a whole line */
	int fd;
	int passed_fd;		/* came with the last reply, -1 */
	int interrupt_fd;	/* a call fails with ERR_CANCELLED when it is
				 * readable; -1: none */
	int64_t next_id;
	char version[64];	/* the runner's */
};

struct stream {
	int fd;			/* blocking; owned */
	struct frame_reader in;	/* may hold what came behind the reply */
};

#define CLEANUP_CLIENT __attribute__((cleanup(client_close)))
#define CLEANUP_STREAM __attribute__((cleanup(stream_close)))
#define CLEANUP_JSON __attribute__((cleanup(cleanup_jsonp)))
#define CLIENT_INIT { .fd = -1, .passed_fd = -1, .interrupt_fd = -1 }
#define STREAM_INIT { .fd = -1 }

void cleanup_jsonp(json_t **value);

/* Connect (starting a runner if there is none) and say hello.
 * Return: 0, or -1 with @err (ERR_UNAVAILABLE, ERR_VERSION). */
int client_open(struct client *c, struct globals *g, struct err *err);
void client_close(struct client *c);
/* One call. @params is stolen, also on failure; NULL: none.
 * Return: the result, a new reference, NULL with @err. */
json_t *client_call(struct client *c, const char *method, json_t *params,
		    struct err *err);
/* The halves of it. Return: the request's id, -1 with @err. */
int64_t client_send(struct client *c, const char *method, json_t *params,
		    struct err *err);
json_t *client_wait(struct client *c, int64_t id, struct err *err);
/* Wait until the connection can be read (POLLIN) or written, with the progress
 * line kept going. Return: 0, or -1 with @err: interrupted, or the other side
 * stands still. */
int client_await(struct client *c, short events, struct err *err);
/* A call whose reply begins a stream; the connection is used up.
 * Return: 0, or -1 with @err. */
int client_stream(struct client *c, const char *method, json_t *params,
		  struct stream *s, struct err *err);
/* One frame, whole, on the connection itself, where a method takes such. While the
 * other side takes nothing, interrupt_fd is heard.
 * Return: 0, or -1 with @err (sys EPIPE, ECONNRESET: its next reply says why). */
int client_send_frame(struct client *c, uint8_t type, const void *data,
		      size_t len, struct err *err);
/* Open, call, close. */
json_t *client_once(struct globals *g, const char *method, json_t *params,
		    struct err *err);
void stream_close(struct stream *s);

#endif
