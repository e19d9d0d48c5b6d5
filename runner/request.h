/* SPDX-License-Identifier: MIT */
/*
 * runner/request.h - one call of a client, from its line to its reply
 *
 * A request lives until one of request_done(), request_done_fd() and
 * request_fail() is called, exactly once; they free it.  Its client may go away
 * before: then the reply is dropped, and cancel(), where the method set it, is
 * called so that the work can be given up.
 */
#ifndef PODFLARE_RUNNER_REQUEST_H
#define PODFLARE_RUNNER_REQUEST_H

#include <jansson.h>

#include "common/buf.h"
#include "common/err.h"
#include "runner/runner.h"

struct request;

/* What the request layer needs of a client; the server provides it. */
struct request_peer {
	/* Queue one line; @fd (or -1) rides along and is taken over. */
	void (*send)(struct request_peer *p, const json_t *line, int fd);
	/* The requests in flight. */
	LIST_HEAD(, request) requests;
	unsigned int nr_requests;
	bool hello;	/* runner.hello was answered well */
	/* Stop reading; the caller reads from the fd itself. What was read
	 * already is moved to @rest. Return: the fd, not owned; -1 if taken. */
	int (*take_input)(struct request_peer *p, struct buf *rest);
	/* Go on reading, @rest first. @ok false: the input is out of step and
	 * the connection ends once its output is sent. */
	void (*give_input)(struct request_peer *p, struct buf *rest, bool ok);
};

struct request {
	struct runner *runner;
	struct request_peer *peer;	/* NULL: the client is gone */
	json_t *root;	/* owns id and params */
	json_t *id;
	json_t *params;	/* an object, checked against the method's table row */
	const char *method;
	/* Give up: the request is answered (soon) all the same. */
	void (*cancel)(struct request *rq);
	void *state;	/* the method's own */
	LIST_ENTRY(request) link;
};

/* Parse, check and start one line. Return: 0, or -1 with @err when the client
 * broke the protocol and is to be dropped (the error reply is queued). */
int request_line(struct runner *r, struct request_peer *p, const char *line,
		 size_t len, struct err *err);
/* The client has closed its sending side: what can be cancelled is. */
void request_peer_eof(struct request_peer *p);
/* The client is gone: its requests lose their peer and are cancelled. */
void request_peer_gone(struct request_peer *p);

/* @result is stolen, NULL is {}. */
void request_done(struct request *rq, json_t *result);
/* The same, with a stream; @fd is taken over. */
void request_done_fd(struct request *rq, json_t *result, int fd);
/* A reply line that is not the last; the request lives on. */
void request_reply(struct request *rq, json_t *result);
/* @console: the console's tail or NULL, stolen. */
void request_fail(struct request *rq, const struct err *err, json_t *console);
/* A progress notification. @percent < 0: not known. */
void request_progress(struct request *rq, const char *step, const char *text,
		      int percent);

#endif
