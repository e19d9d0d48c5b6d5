/* SPDX-License-Identifier: MIT */
/*
 * machine/host-config.c - carry the user's config.yaml into the machine
 *
 * Supervisor.  Does not look into the file: the command-line tool tells the user
 * what is wrong with it, and the runner inside goes by what it knew before.
 *
 * Theory of operation: the runner looks at the file when a client says hello, so
 * the file has to be there before the client is let in.  It goes over a channel
 * of its own, "config": "1" and its bytes, or "0" when there is none; the answer
 * is "ok".  Whether it has changed is seen by stat(2), each time a client comes.
 */
#include "machine/host-config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "machine/relay.h"

#define NAME "config.yaml"
#define BYTES_MAX (64 * 1024)	/* more is no config.yaml (common/config.h) */
#define CARRY_MS 10000

struct carry {
	struct host *host;
	bool known;		/* `seen` was carried in */
	struct stat seen;	/* st_ino 0: there was none */
	/* while it goes on */
	struct loop_watch watch;
	struct loop_timer timer;
	int fd;			/* -1: it does not */
	void (*done)(struct host *h);
};

static void finish(struct carry *c, const char *why)
{
	if (why)
		log_warn(NAME ": not carried in: %s", why);
	loop_timer_cancel(&c->host->loop, &c->timer);
	loop_del(&c->host->loop, &c->watch);
	close(c->fd);
	c->fd = -1;
	c->done(c->host);
}

static void on_answer(struct loop_watch *w, uint32_t events)
{
	struct carry *c = container_of(w, struct carry, watch);
	char answer[512];
	ssize_t n = recv(c->fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	answer[MAX(n, 0)] = '\0';
	answer[strcspn(answer, "\n\x1f")] = '\0';
	finish(c, strcmp(answer, "ok") == 0 ? NULL :
	       *answer ? answer : "no answer");
}

static void on_late(struct loop_timer *t)
{
	finish(container_of(t, struct carry, timer), "no answer in time");
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* What is sent. Return: 0, or -1: nothing is to be. */
static int read_file(const char *path, struct buf *out)
{
	/* it may be a pipe, which must not be waited for */
	CLEANUP_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return buf_append(out, "0", 1);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    buf_append(out, "1", 1) < 0)
		return -1;
	while (out->len <= BYTES_MAX && (n = buf_read(out, fd, 4096)) != 0)
		if (n < 0 && errno != EINTR)
			return -1;
	return out->len <= BYTES_MAX + 1 ? 0 : -1;
}

/* Return: 0: it is on its way. */
static int send_file(struct carry *c, const struct buf *b)
{
	struct host *h = c->host;
	struct mux_chan *ch;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	c->fd = pair[1];
	ch = mux_open(&h->port.mux, "config", NULL);
	if (!ch)
		close(pair[0]);
	/* a socket's buffer holds all of it */
	if (!ch || relay_start(&h->loop, ch, pair[0]) < 0 ||
	    send(c->fd, b->data, b->len, MSG_NOSIGNAL | MSG_DONTWAIT) !=
		    (ssize_t)b->len ||
	    shutdown(c->fd, SHUT_WR) < 0 ||
	    loop_add(&h->loop, &c->watch, c->fd, EPOLLIN) < 0) {
		close(c->fd);
		c->fd = -1;
		return -1;
	}
	loop_timer_set(&h->loop, &c->timer, CARRY_MS);
	return 0;
}

static struct carry *get(struct host *h)
{
	struct carry *c = h->carry;

	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->host = h;
	c->fd = -1;
	c->watch = (struct loop_watch){ .fd = -1, .cb = on_answer };
	c->timer.cb = on_late;
	h->carry = c;
	return c;
}

bool config_carry(struct host *h, void (*done)(struct host *h))
{
	CLEANUP_FREE char *path = path_place(PATH_CONFIG, NAME, false, NULL);
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct carry *c = get(h);
	struct stat st = { 0 };

	if (!path || !c)
		return false;
	if (c->fd >= 0)
		return true;
	if (stat(path, &st) < 0)
		st = (struct stat){ 0 };
	if (c->known && is_same(&st, &c->seen))
		return false;
	c->known = true;
	c->seen = st;
	c->done = done;
	return read_file(path, &b) == 0 && send_file(c, &b) == 0;
}

void config_forget(struct host *h)
{
	if (h->carry)
		h->carry->known = false;
}

void config_free(struct host *h)
{
	struct carry *c = h->carry;

	if (!c)
		return;
	loop_timer_cancel(&h->loop, &c->timer);
	loop_del(&h->loop, &c->watch);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
	h->carry = NULL;
}
