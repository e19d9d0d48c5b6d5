/* SPDX-License-Identifier: MIT */
/*
 * machine/host-conn.c - clients of machine.sock
 *
 * Supervisor.  A client's first line says what it wants:
 *	runner, shell	a channel to the machine; the rest of the stream is that
 *	stop		shut down: the stream ends with it
 *	kill		end QEMU at once
 *	status		lines "key=value"
 *	space		whether it stands still for want of disk space
 * The first line of the answer is "ok" or "error CODE MESSAGE\x1fHINT".
 * Distrusts clients: only our own user's are served, the line is bounded, and
 * must come soon.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/log.h"
#include "common/path.h"
#include "common/proc.h"
#include "machine/host-config.h"
#include "machine/host.h"
#include "machine/inputs.h"
#include "machine/relay.h"

#define LINE_MAX_LEN 32
#define LINE_MS 10000
#define SESSION_MS 20000	/* how long a client waits for the session */

/* A client until it is joined to a channel. */
struct conn {
	struct host *host;
	struct conn *next;
	struct loop_watch watch;
	struct loop_timer timer;
	int fd;
	char kind[LINE_MAX_LEN];	/* "" until the line is there */
};

static void conn_free(struct conn *c)
{
	struct host *h = c->host;

	for (struct conn **at = &h->conns; *at; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			break;
		}
	}
	loop_timer_cancel(&h->loop, &c->timer);
	loop_del(&h->loop, &c->watch);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

/* Answer in one piece and end. */
static void reply(struct conn *c, const struct buf *b)
{
	if (send(c->fd, b->data, b->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("client: %s", strerror(errno));
	conn_free(c);
}

static void refuse(struct conn *c, enum err_code code, const char *why,
		   const char *hint)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	buf_printf(&b, "error %s %s\x1f%s\n", err_code_name(code), why, hint);
	reply(c, &b);
}

static void reply_status(struct conn *c)
{
	const struct host_state *st = &c->host->state;
	CLEANUP_INPUTS struct inputs *in = inputs_find(NULL);
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint64_t now = (uint64_t)time(NULL);

	buf_printf(&b, "ok\nstate=%s\npid=%d\nmemory=%llu\nuptime=%llu\n"
		   "icount=%d\nversion=%s\nrestart=%d\n",
		   c->host->stopping ? "stopping" :
		   care_check_space(c->host, NULL) < 0 ? "stalled" :
		   c->host->port.mux.up ? "running" : "starting",
		   (int)st->pid, (unsigned long long)st->memory,
		   (unsigned long long)(now - st->started), st->icount,
		   st->version, in && strcmp(in->key, st->key) != 0);
	reply(c, &b);
}

static void reply_space(struct conn *c)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	if (care_check_space(c->host, &err) < 0) {
		refuse(c, err.code, err.msg, err.hint);
		return;
	}
	buf_append(&b, "ok\n", 3);
	reply(c, &b);
}

/* Return: the channel, NULL when the client was refused. */
static struct mux_chan *join(struct conn *c, const char *kind)
{
	struct host *h = c->host;
	struct mux_chan *ch = mux_open(&h->port.mux, kind, NULL);
	int fd;

	if (!ch && errno == EMFILE) {
		refuse(c, ERR_LIMIT, "too many connections to the machine",
		       "");
		return NULL;
	}
	if (!ch) {
		refuse(c, ERR_UNAVAILABLE, "the machine does not answer", "");
		return NULL;
	}
	loop_del(&h->loop, &c->watch);
	fd = steal_fd(&c->fd);
	conn_free(c);
	if (relay_start(&h->loop, ch, fd) == 0)
		return ch;
	log_warn("client: %s", strerror(errno));
	return NULL;
}

static void kill_now(struct conn *c)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	c->host->stopping = true;
	proc_signal(c->host->pidfd, SIGKILL);
	buf_append(&b, "ok\n", 3);
	reply(c, &b);
}

static void stop(struct conn *c)
{
	struct host *h = c->host;

	h->stop_chan = join(c, "poweroff");
	h->stopping = h->stop_chan != NULL;
}

/* The machine refused to power off: it goes on. */
static void stop_input(struct host *h)
{
	const struct buf *rx = &h->stop_chan->rx;

	if (!rx->len && !h->stop_chan->rx_eof)
		return;
	if (!rx->len || rx->data[0] != 'o') {
		log_warn("the machine did not power off");
		h->stopping = false;
	} else {
		loop_timer_set(&h->loop, &h->stop_timer, HOST_STOP_MS);
	}
	h->stop_chan = NULL;
}

void conn_input(struct mux_chan *ch)
{
	struct port *p = container_of(ch->mux, struct port, mux);
	struct host *h = container_of(p, struct host, port);

	if (ch == h->stop_chan)
		stop_input(h);
	relay_input(ch);
}

/* Return: whether the kind needs the session, and waits for it here. */
static bool must_wait(struct conn *c)
{
	if (c->host->port.mux.up)
		return false;
	loop_timer_set(&c->host->loop, &c->timer, SESSION_MS);
	loop_mod(&c->host->loop, &c->watch, 0);
	return true;
}

static void resume(struct host *h);

/* The runner is to find the user's settings. */
static bool must_wait_for_config(struct conn *c)
{
	if (strcmp(c->kind, "runner") != 0 || !config_carry(c->host, resume))
		return false;
	loop_timer_set(&c->host->loop, &c->timer, SESSION_MS);
	loop_mod(&c->host->loop, &c->watch, 0);
	return true;
}

/* A client that wants a stream to the runner or a shell. */
static void join_stream(struct conn *c)
{
	struct err err = ERR_INIT;

	if (c->host->stopping)	/* the runner inside is ending */
		refuse(c, ERR_STATE, "the machine is being stopped", "");
	else if (care_check_space(c->host, &err) < 0)
		refuse(c, err.code, err.msg, err.hint);
	else if (!must_wait(c) && !must_wait_for_config(c))
		join(c, c->kind);
}

static void dispatch(struct conn *c)
{
	if (strcmp(c->kind, "status") == 0) {
		reply_status(c);
	} else if (strcmp(c->kind, "space") == 0) {
		reply_space(c);
	} else if (strcmp(c->kind, "kill") == 0) {
		kill_now(c);
	} else if (strcmp(c->kind, "runner") == 0 ||
		   strcmp(c->kind, "shell") == 0) {
		join_stream(c);
	} else if (strcmp(c->kind, "stop") == 0) {
		if (must_wait(c))
			return;
		stop(c);
	} else {
		refuse(c, ERR_PROTOCOL, "unknown request", "");
	}
}

/* The line may be followed by what is not for us: peek, then take just it. */
static void on_conn(struct loop_watch *w, uint32_t events)
{
	struct conn *c = container_of(w, struct conn, watch);
	char line[LINE_MAX_LEN], *end;
	ssize_t n;

	if (c->kind[0]) {	/* it waits for the session, and hung up */
		if (events & (EPOLLHUP | EPOLLERR))
			conn_free(c);
		return;
	}
	n = recv(c->fd, line, sizeof(line), MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	end = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;
	if (!end && (n <= 0 || n == (ssize_t)sizeof(line))) {
		conn_free(c);
		return;
	}
	if (!end)
		return;
	n = end - line + 1;
	if (recv(c->fd, line, (size_t)n, MSG_DONTWAIT) != n || n == 1) {
		conn_free(c);
		return;
	}
	snprintf(c->kind, sizeof(c->kind), "%.*s", (int)n - 1, line);
	loop_timer_cancel(&c->host->loop, &c->timer);
	dispatch(c);
}

static void on_late(struct loop_timer *t)
{
	struct conn *c = container_of(t, struct conn, timer);

	if (c->kind[0])
		refuse(c, ERR_TIMEOUT, "the machine does not answer",
		       "podflare machine stop --force");
	else
		conn_free(c);
}

static void on_listen(struct loop_watch *w, uint32_t events)
{
	struct host *h = container_of(w, struct host, listen_watch);
	CLEANUP_FD int fd = accept4(w->fd, NULL, NULL,
				    SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct err err = ERR_INIT;
	struct conn *c;

	if (fd < 0)
		return;
	if (fdpass_check_peer(fd, NULL, &err) < 0) {
		log_warn("client: %s", err.msg);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->host = h;
	c->watch.cb = on_conn;
	c->timer.cb = on_late;
	c->fd = steal_fd(&fd);
	c->next = h->conns;
	h->conns = c;
	loop_timer_set(&h->loop, &c->timer, LINE_MS);
	if (loop_add(&h->loop, &c->watch, c->fd, EPOLLIN) < 0)
		conn_free(c);
}

int conn_listen(struct host *h, struct err *err)
{
	CLEANUP_FD int fd = path_bind_unix(h->dirfd, HOST_SOCKET, SOCK_STREAM,
					   err);

	if (fd < 0)
		return -1;
	h->listen_watch.cb = on_listen;
	if (listen(fd, 64) < 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
	    loop_add(&h->loop, &h->listen_watch, fd, EPOLLIN) < 0)
		return err_sys(err, errno, HOST_SOCKET);
	steal_fd(&fd);	/* the watch has it */
	return 0;
}

/* Those who wait are looked at again. */
static void resume(struct host *h)
{
	struct conn *c = h->conns;

	while (c) {
		struct conn *next = c->next;

		if (c->kind[0]) {
			loop_timer_cancel(&h->loop, &c->timer);
			dispatch(c);
		}
		c = next;
	}
}

void conn_session(struct host *h, bool up)
{
	h->stop_chan = NULL;
	config_forget(h);
	if (up)
		resume(h);
}

void conn_close_all(struct host *h)
{
	while (h->conns)
		conn_free(h->conns);
	config_free(h);
}

/* The far end of the socket pair stays open, unread, until we end. */
void host_power_off(struct host *h)
{
	struct mux_chan *ch;
	int pair[2];

	h->stopping = true;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	ch = mux_open(&h->port.mux, "poweroff", NULL);
	h->stop_chan = NULL;
	if (!ch || relay_start(&h->loop, ch, pair[0]) < 0) {
		close(pair[1]);
		if (!ch)
			close(pair[0]);
	}
}
