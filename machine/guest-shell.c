/* SPDX-License-Identifier: MIT */
/*
 * machine/guest-shell.c - one command in the machine itself
 *
 * What `podflare machine shell` talks to: the EXEC operation of the agent
 * protocol (common/agent.h) with ARG, ENV, CWD, USER, FLAGS, ROWS and COLS.  A
 * child of the server per channel, one thread, poll(2).  Trusts the host, which
 * owns the machine.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/frame.h"
#include "common/tlv.h"
#include "machine/guest.h"
#include "machine/shell-child.h"

#define OUT_SOFT (128 * 1024)	/* above it the command's output waits */
#define HUP_MS 2000

struct shell {
	int sock;
	struct frame_reader in;
	struct buf out;			/* to the host */
	struct buf stdin_buf;		/* to the command */
	bool stdin_eof;
	bool host_gone;
	struct shell_child child;
};

static void put_frame(struct shell *s, uint8_t type, const void *p, size_t n)
{
	/* bounded by OUT_SOFT and what the stdin window allows */
	if (frame_put(&s->out, type, p, n) < 0)
		s->host_gone = true;
}

static void put_error(struct shell *s, const struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	tlv_put_u32(&b, AGENT_T_CODE, err->code);
	tlv_put_u32(&b, AGENT_T_ERRNO, (uint32_t)err->sys);
	tlv_put_str(&b, AGENT_T_MESSAGE, err->msg);
	put_frame(s, AGENT_ERROR, b.data, b.len);
}

static void grant(struct shell *s, uint32_t n)
{
	uint32_t le = htole32(n);

	put_frame(s, AGENT_WINDOW, &le, sizeof(le));
}

static void put_exit(struct shell *s, int status)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	if (WIFSIGNALED(status)) {
		tlv_put_u32(&b, AGENT_T_STATUS, 128u +
			    (uint32_t)WTERMSIG(status));
		tlv_put_u32(&b, AGENT_T_SIGNALED, (uint32_t)WTERMSIG(status));
	} else {
		tlv_put_u32(&b, AGENT_T_STATUS, (uint32_t)WEXITSTATUS(status));
	}
	put_frame(s, AGENT_EXIT, b.data, b.len);
}

static void on_winsize(struct shell *s, const struct frame *f)
{
	uint16_t v[2];
	struct winsize ws = { 0 };

	if (f->len != sizeof(v) || !s->child.tty)
		return;
	memcpy(v, f->data, sizeof(v));
	ws.ws_row = le16toh(v[0]);
	ws.ws_col = le16toh(v[1]);
	ioctl(s->child.out, TIOCSWINSZ, &ws);
}

static void on_signal(struct shell *s, const struct frame *f)
{
	uint32_t sig;

	if (f->len != sizeof(sig))
		return;
	memcpy(&sig, f->data, sizeof(sig));
	sig = le32toh(sig);
	if (sig > 0 && sig < NSIG)
		kill(-s->child.pid, (int)sig);
}

static int on_frame(struct shell *s, const struct frame *f)
{
	switch (f->type) {
	case AGENT_STDIN:
		if (s->child.in < 0) {	/* it takes none: go on granting */
			grant(s, f->len);
			return 0;
		}
		return buf_append(&s->stdin_buf, f->data, f->len);
	case AGENT_STDIN_EOF:
		s->stdin_eof = true;
		return 0;
	case AGENT_SIGNAL:
		on_signal(s, f);
		return 0;
	case AGENT_WINSIZE:
		on_winsize(s, f);
		return 0;
	default:
		return -1;
	}
}

static void from_host(struct shell *s)
{
	ssize_t n = frame_fill(&s->in, s->sock);
	struct frame f;
	int rc;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	while ((rc = frame_next(&s->in, &f)) > 0)
		if (on_frame(s, &f) < 0)
			rc = -1;
	if (n <= 0 || rc < 0)
		s->host_gone = true;
}

static void to_host(struct shell *s)
{
	ssize_t n = write(s->sock, s->out.data, s->out.len);

	if (n >= 0)
		buf_consume(&s->out, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		s->host_gone = true;
}

static void to_command(struct shell *s)
{
	ssize_t n;

	if (s->child.in >= 0 && s->stdin_buf.len) {
		n = write(s->child.in, s->stdin_buf.data, s->stdin_buf.len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)	/* it closed its stdin */
			n = (ssize_t)s->stdin_buf.len;
		buf_consume(&s->stdin_buf, (size_t)n);
		grant(s, (uint32_t)n);
	}
	if (s->stdin_eof && !s->stdin_buf.len)
		shell_child_stdin_eof(&s->child);
}

/* Return: whether more may come at once. */
static bool from_command(struct shell *s, int *fd, uint8_t type)
{
	uint8_t data[32 * 1024];
	ssize_t n;

	if (*fd < 0 || s->out.len >= OUT_SOFT)
		return false;
	n = read(*fd, data, sizeof(data));
	if (n > 0) {
		put_frame(s, type, data, (size_t)n);
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	/* a terminal without a process gives EIO */
	if (s->child.in == *fd)
		s->child.in = -1;
	close(steal_fd(fd));
	return false;
}

static int wait_events(struct shell *s)
{
	struct shell_child *c = &s->child;
	bool full = s->out.len >= OUT_SOFT;
	bool feed = c->in >= 0 && (s->stdin_buf.len || s->stdin_eof);
	struct pollfd p[] = {
		{ s->host_gone ? -1 : s->sock,
		  (short)(POLLIN | (s->out.len ? POLLOUT : 0)) },
		{ feed ? c->in : -1, POLLOUT },
		{ full ? -1 : c->out, POLLIN },
		{ full ? -1 : c->err, POLLIN },
		{ c->pidfd, POLLIN },
	};

	if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
		return -1;
	if (p[0].revents & POLLOUT)
		to_host(s);
	if (p[0].revents & (POLLIN | POLLHUP | POLLERR))
		from_host(s);
	if (p[1].revents)
		to_command(s);
	from_command(s, &c->out, AGENT_STDOUT);
	from_command(s, &c->err, AGENT_STDERR);
	return p[4].revents ? 1 : 0;
}

/* Write what is left, waiting for the host. */
static void flush(struct shell *s)
{
	struct pollfd p = { .fd = s->sock, .events = POLLOUT };

	while (s->out.len && !s->host_gone && poll(&p, 1, -1) >= 0)
		to_host(s);
}

static void finish(struct shell *s)
{
	int status = 0;

	TEMP_FAILURE_RETRY(waitpid(s->child.pid, &status, 0));
	/* what it has written; not what its children may still write */
	while (from_command(s, &s->child.out, AGENT_STDOUT) ||
	       from_command(s, &s->child.err, AGENT_STDERR))
		if (s->out.len >= OUT_SOFT)
			flush(s);
	put_exit(s, status);
	flush(s);
}

static void hang_up(struct shell *s)
{
	struct pollfd p = { .fd = s->child.pidfd, .events = POLLIN };

	kill(-s->child.pid, SIGHUP);
	kill(-s->child.pid, SIGCONT);
	poll(&p, 1, HUP_MS);
	kill(-s->child.pid, SIGKILL);
}

static int start(struct shell *s, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct frame f;

	if (frame_read(&s->in, s->sock, &f) <= 0 || f.type != AGENT_EXEC)
		return err_set(err, ERR_PROTOCOL, "a command was expected");
	if (shell_child_start(&s->child, f.data, f.len, err) < 0)
		return -1;
	tlv_put_u32(&b, AGENT_T_PID, (uint32_t)s->child.pid);
	put_frame(s, AGENT_STARTED, b.data, b.len);
	grant(s, AGENT_STDIN_WINDOW);
	return 0;
}

int guest_shell(int fd)
{
	struct shell s = { .sock = fd, .stdin_buf.max = AGENT_STDIN_WINDOW };
	struct err err = ERR_INIT;
	int rc;

	guest_answer(fd, NULL);
	if (start(&s, &err) < 0) {
		put_error(&s, &err);
		flush(&s);
		return 1;
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return 1;
	do {
		rc = wait_events(&s);
	} while (rc == 0 && !s.host_gone);
	if (rc != 1)
		hang_up(&s);
	finish(&s);
	return 0;
}
