/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/console.c - where the serial port's bytes go to and come from
 *
 * Owns the serial port, the output ring, the attached streams.  Output arrives
 * on the vCPU threads, everything else runs on the main thread.  Distrusts the
 * guest (any bytes, any rate: the ring and the log are bounded) and the clients
 * (a reader that does not read only loses bytes).
 *
 * Theory of operation: a byte that makes the ring not empty writes to an
 * eventfd, so one wake-up of the loop serves all bytes until then.  A vCPU that
 * finds the ring full empties it itself; nothing that a guest prints before it
 * dies is lost.  Lock order: serial, then console.
 */
#include "runner/vmm/console.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_CHUNK 64

/* The lock is held. */
static void emit(struct console *c, const uint8_t *p, size_t n)
{
	/* a full disk costs the log, never the guest */
	console_log_append(&c->log, p, n);
	for (unsigned int i = 0; i < CONSOLE_STREAMS; i++)
		if (c->streams[i].watch.fd >= 0)
			send(c->streams[i].watch.fd, p, n,
			     MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The lock is held. */
static void flush(struct console *c)
{
	while (c->len) {
		size_t n = MIN(c->len, CONSOLE_RING - c->head);

		emit(c, c->ring + c->head, n);
		c->head = (c->head + n) % CONSOLE_RING;
		c->len -= n;
	}
}

static void output(void *arg, uint8_t byte)
{
	struct console *c = arg;

	pthread_mutex_lock(&c->lock);
	if (c->len == CONSOLE_RING)
		flush(c);
	c->ring[(c->head + c->len++) % CONSOLE_RING] = byte;
	if (c->len == 1 && c->kick_fd >= 0)
		eventfd_write(c->kick_fd, 1);
	pthread_mutex_unlock(&c->lock);
}

static void drained(void *arg)
{
	struct console *c = arg;

	atomic_store(&c->drained, true);
	if (c->kick_fd >= 0)
		eventfd_write(c->kick_fd, 1);
}

void console_flush(struct console *c)
{
	pthread_mutex_lock(&c->lock);
	flush(c);
	pthread_mutex_unlock(&c->lock);
}

static void close_stream(struct console_stream *s)
{
	struct console *c = s->console;
	int fd = s->watch.fd;

	if (fd < 0)
		return;
	pthread_mutex_lock(&c->lock);	/* emit() looks at watch.fd */
	loop_del(c->loop, &s->watch);
	pthread_mutex_unlock(&c->lock);
	close(fd);
}

/* Bytes are taken out of the socket only once the port has them. */
static void stream_input(struct console_stream *s)
{
	char buf[INPUT_CHUNK];
	ssize_t n = recv(s->watch.fd, buf, sizeof(buf),
			 MSG_PEEK | MSG_DONTWAIT);
	size_t taken;

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			close_stream(s);
		return;
	}
	if (n == 0) {		/* no more input; it may still listen */
		s->eof = true;
		loop_mod(s->console->loop, &s->watch, 0);
		return;
	}
	taken = serial_input(&s->console->serial, buf, (size_t)n);
	if (taken)
		recv(s->watch.fd, buf, taken, MSG_DONTWAIT);
	if (taken < (size_t)n) {
		s->waiting = true;
		loop_mod(s->console->loop, &s->watch, 0);
	}
}

static void on_stream(struct loop_watch *w, uint32_t events)
{
	struct console_stream *s = container_of(w, struct console_stream,
						watch);

	if (events & EPOLLIN)
		stream_input(s);
	if (events & (EPOLLHUP | EPOLLERR))
		close_stream(s);
}

static void on_kick(struct loop_watch *w, uint32_t events)
{
	struct console *c = container_of(w, struct console, kick);
	eventfd_t count;

	eventfd_read(c->kick_fd, &count);
	console_flush(c);
	if (!atomic_exchange(&c->drained, false))
		return;
	for (unsigned int i = 0; i < CONSOLE_STREAMS; i++) {
		struct console_stream *s = &c->streams[i];

		if (s->watch.fd < 0 || !s->waiting)
			continue;
		s->waiting = false;
		loop_mod(c->loop, &s->watch, EPOLLIN);
	}
}

int console_relog(struct console *c, int fd, struct err *err)
{
	c->len = 0;
	return console_log_init(&c->log, fd, c->log.max, err);
}

int console_open_fds(struct console *c, struct err *err)
{
	c->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->kick_fd < 0 ||
	    loop_add(c->loop, &c->kick, c->kick_fd, EPOLLIN) < 0) {
		err_sys(err, errno, "console");
		console_close_fds(c);
		return -1;
	}
	/* what came while there was none, or for another process */
	eventfd_write(c->kick_fd, 1);
	return 0;
}

void console_close_fds(struct console *c)
{
	for (unsigned int i = 0; i < CONSOLE_STREAMS; i++)
		close_stream(&c->streams[i]);
	loop_del(c->loop, &c->kick);
	if (c->kick_fd >= 0)
		close(c->kick_fd);
	c->kick_fd = -1;
}

int console_init(struct console *c, struct loop *loop, uint64_t base,
		 const struct irq_line *irq, const struct console_log *log,
		 struct err *err)
{
	*c = (struct console){
		.loop = loop,
		.log = *log,
		.kick_fd = -1,
		.kick = { .fd = -1, .cb = on_kick },
	};
	pthread_mutex_init(&c->lock, NULL);
	for (unsigned int i = 0; i < CONSOLE_STREAMS; i++)
		c->streams[i] = (struct console_stream){
			.watch = { .fd = -1, .cb = on_stream },
			.console = c,
		};
	serial_init(&c->serial, base, irq, output, drained, c);
	return console_open_fds(c, err);
}

void console_free(struct console *c)
{
	console_flush(c);
	console_close_fds(c);
}

static struct console_stream *pick_stream(struct console *c)
{
	struct console_stream *oldest = &c->streams[0];

	for (unsigned int i = 0; i < CONSOLE_STREAMS; i++) {
		struct console_stream *s = &c->streams[i];

		if (s->watch.fd < 0)
			return s;
		if (s->since_ns < oldest->since_ns)
			oldest = s;
	}
	close_stream(oldest);
	return oldest;
}

int console_attach(struct console *c)
{
	struct console_stream *s = pick_stream(c);
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	/* what the guest printed until now is not for this stream */
	pthread_mutex_lock(&c->lock);
	flush(c);
	rc = loop_add(c->loop, &s->watch, pair[0], EPOLLIN);
	pthread_mutex_unlock(&c->lock);
	if (rc < 0) {
		int sys = errno;

		close(pair[0]);
		close(pair[1]);
		errno = sys;
		return -1;
	}
	s->since_ns = now_ns();
	s->waiting = s->eof = false;
	return pair[1];
}

unsigned int console_attached(struct console *c)
{
	unsigned int n = 0;

	pthread_mutex_lock(&c->lock);
	for (unsigned int i = 0; i < CONSOLE_STREAMS; i++)
		n += c->streams[i].watch.fd >= 0 && !c->streams[i].eof;
	pthread_mutex_unlock(&c->lock);
	return n;
}
