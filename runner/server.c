/* SPDX-License-Identifier: MIT */
/*
 * runner/server.c - the listening socket and its clients
 *
 * podflared, loop thread.  Distrusts clients for form and speed: only our own
 * user is served, a line is bounded, output is bounded and must move, few lines
 * are taken at a time, so that no client stalls another.
 *
 * Theory of operation: a client is freed only from its own events and timers,
 * never below a request that answers it (send() merely marks it); so the code
 * between reading a line and the end of the event may use the client freely.
 */
#include "runner/server.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/jsonrpc.h"
#include "common/log.h"
#include "runner/client.h"

#define ACCEPT_BATCH 16
#define ACCEPT_PAUSE_MS 200	/* when we are out of descriptors */

static void refuse(int fd, const char *why)
{
	struct err err = ERR_INIT;
	CLEANUP_BUF struct buf b = BUF_INIT;
	json_t *line;

	err_set(&err, ERR_LIMIT, "%s", why);
	line = jsonrpc_error(NULL, &err);
	/* to an empty socket buffer: it goes out or the client is gone */
	if (jsonrpc_put(&b, line) == 0 &&
	    send(fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("client: %s", why);
	json_decref(line);
	close(fd);
}

static void listener_event(struct loop_watch *w, uint32_t events)
{
	struct server *s = container_of(w, struct server, watch);
	struct err err = ERR_INIT;
	int i, fd;

	for (i = 0; i < ACCEPT_BATCH; i++) {
		fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOMEM || errno == ENOBUFS) {
				log_warn_limited(&s->log_limit, "accept: %s",
						 strerror(errno));
				loop_mod(&s->runner->loop, w, 0);
				loop_timer_set(&s->runner->loop, &s->resume,
					       ACCEPT_PAUSE_MS);
			}
			return;
		}
		if (fdpass_check_peer(fd, NULL, &err) < 0) {
			log_warn_limited(&s->log_limit, "client: %s", err.msg);
			close(fd);
		} else if (s->nr_clients >= RUNNER_CLIENTS_MAX) {
			refuse(fd, "too many connections to the runner");
		} else {
			client_new(s, fd);
		}
	}
}

static void resume_cb(struct loop_timer *t)
{
	struct server *s = container_of(t, struct server, resume);

	loop_mod(&s->runner->loop, &s->watch, EPOLLIN);
}

struct server *server_new(struct runner *r, int listen_fd, struct err *err)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s) {
		err_set(err, ERR_NO_MEMORY, "server");
		close(listen_fd);
		return NULL;
	}
	s->runner = r;
	s->watch.cb = listener_event;
	s->resume.cb = resume_cb;
	LIST_INIT(&s->clients);
	if (loop_add(&r->loop, &s->watch, listen_fd, EPOLLIN) < 0) {
		err_sys(err, errno, "cannot watch the socket");
		close(listen_fd);
		free(s);
		return NULL;
	}
	return s;
}

/* Let queued replies out: the process is about to end. */
static void drain(struct server *s, int timeout_ms)
{
	uint64_t end = now_ns() + (uint64_t)timeout_ms * 1000000;
	struct client *c;
	bool left = true;

	while (left && now_ns() < end) {
		left = false;
		LIST_FOREACH(c, &s->clients, link)
			left = client_flush(c) > 0 || left;
		if (left)
			poll(NULL, 0, 5);
	}
}

void server_free(struct server *s, int timeout_ms)
{
	struct loop *l = &s->runner->loop;
	struct client *c;
	int fd = s->watch.fd;

	loop_timer_cancel(l, &s->resume);
	loop_del(l, &s->watch);
	close(fd);
	drain(s, timeout_ms);
	while ((c = LIST_FIRST(&s->clients)))
		client_free(c);
	free(s);
}
