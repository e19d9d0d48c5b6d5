/* SPDX-License-Identifier: MIT */
/*
 * runner/vmctl.c - the runner's side of a VMM's control socket
 *
 * podflared, loop thread; with vmctl-send.c the only one that knows
 * runner/vmm/control.h.  Distrusts the VMM, which a guest may have taken over: sizes, magic, sequence
 * numbers and descriptor counts are checked, texts are cut and terminated; what
 * does not fit closes the socket.
 */
#include "runner/vmctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "runner/vmctl-call.h"

#define CALLS_MAX 1024		/* in flight, of one VMM */
#define GRACE_MS 2000		/* over the VMM's own deadline of a connect */

void vmctl_call_free(struct vmctl_call *c)
{
	loop_timer_cancel(c->vmctl->loop, &c->deadline);
	if (!c->sent)
		TAILQ_REMOVE(&c->vmctl->unsent, c, unsent);
	LIST_REMOVE(c, link);
	c->vmctl->nr_calls--;
	free(c);
}

void vmctl_call_fail(struct vmctl_call *c, const struct err *err,
		     const struct vm_status *st)
{
	vmctl_layers_cb layers = c->layers;
	vmctl_fork_cb forked = c->forked;
	vmctl_cb cb = c->cb;

	c->cb = NULL;
	c->forked = NULL;
	c->layers = NULL;
	if (cb)
		cb(c->arg, err, st, -1);
	else if (forked)
		forked(c->arg, err, NULL);
	else if (layers)
		layers(c->arg, err, NULL);
}

/* Answer a call and free it. @fd is passed on, or closed. */
static void call_end(struct vmctl_call *c, const struct err *err,
		     const struct vm_status *st, int fd)
{
	struct vmctl_call was = *c;

	vmctl_call_free(c);
	if (err)
		vmctl_call_fail(&was, err, st);
	else if (was.cb)
		was.cb(was.arg, NULL, st, fd);
	else if (fd >= 0)
		close(fd);
}

static void set_events(struct vmctl *v)
{
	loop_mod(v->loop, &v->watch,
		 EPOLLIN | (TAILQ_EMPTY(&v->unsent) ? 0 : EPOLLOUT));
}

/* Fail what is in flight and close. The owner is told unless it asked. */
static void shut(struct vmctl *v, const struct err *why, bool tell)
{
	struct err err = ERR_INIT;
	struct vmctl_call *c;
	int fd = v->watch.fd;

	if (fd < 0)
		return;
	loop_del(v->loop, &v->watch);
	close(fd);
	if (why)
		err = *why;
	else
		err_set(&err, ERR_UNAVAILABLE, "the sandbox's VMM has ended");
	while ((c = LIST_FIRST(&v->calls)))
		call_end(c, &err, NULL, -1);
	if (tell)
		v->ops->closed(v->arg, why);
}

static void send_unsent(struct vmctl *v)
{
	struct vmctl_call *c;
	size_t len;

	while ((c = TAILQ_FIRST(&v->unsent))) {
		len = c->msg.h.type == CTL_CONNECT ? sizeof(c->msg)
						   : sizeof(c->msg.h);
		if (fdpass_send(v->watch.fd, &c->msg, len, NULL, 0) < 0) {
			if (errno == EAGAIN || errno == ENOBUFS)
				break;
			/* the end of the stream is met when reading */
			break;
		}
		TAILQ_REMOVE(&v->unsent, c, unsent);
		c->sent = true;
	}
	set_events(v);
}

static void call_late(struct loop_timer *t)
{
	struct vmctl_call *c = container_of(t, struct vmctl_call, deadline);
	struct err err = ERR_INIT;

	/* the call stays known, so that a late answer is no surprise */
	err_set(&err, ERR_TIMEOUT, "the sandbox's VMM does not answer");
	vmctl_call_fail(c, &err, NULL);
}

struct vmctl_call *vmctl_call_new(struct vmctl *v, uint32_t type,
				  unsigned int timeout_ms, struct err *err)
{
	struct vmctl_call *c;

	if (v->watch.fd < 0) {
		err_set(err, ERR_UNAVAILABLE, "the sandbox's VMM has ended");
		return NULL;
	}
	if (v->nr_calls >= CALLS_MAX) {
		err_set(err, ERR_LIMIT,
			"too many calls to one sandbox are in flight");
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		err_set(err, ERR_NO_MEMORY, "call");
		return NULL;
	}
	c->vmctl = v;
	c->deadline.cb = call_late;
	c->msg.h = (struct ctl_header){ CTL_MAGIC, type, ++v->seq };
	LIST_INSERT_HEAD(&v->calls, c, link);
	TAILQ_INSERT_TAIL(&v->unsent, c, unsent);
	v->nr_calls++;
	loop_timer_set(v->loop, &c->deadline, timeout_ms);
	return c;
}

static struct vmctl_call *call_new(struct vmctl *v, uint32_t type,
				   unsigned int timeout_ms, vmctl_cb cb,
				   void *arg, struct err *err)
{
	struct vmctl_call *c = vmctl_call_new(v, type, timeout_ms, err);

	if (c) {
		c->cb = cb;
		c->arg = arg;
	}
	return c;
}

int vmctl_call_send(struct vmctl_call *c, const void *msg, size_t len,
		    const int *fds, size_t nfds, struct err *err)
{
	struct vmctl *v = c->vmctl;

	if (fdpass_send(v->watch.fd, msg, len, fds, nfds) < 0) {
		err_sys(err, errno, "the VMM cannot be given its files");
		if (errno == ETOOMANYREFS)
			err_hint(err, "raise the limit of open files "
				 "(ulimit -n) of the runner");
		vmctl_call_free(c);
		return -1;
	}
	TAILQ_REMOVE(&v->unsent, c, unsent);
	c->sent = true;
	return 0;
}

struct vmctl_call *vmctl_order(struct vmctl *v, enum vm_order order,
			       unsigned int timeout_ms, vmctl_cb cb, void *arg,
			       struct err *err)
{
	static const uint32_t types[] = {
		[VM_STATUS] = CTL_STATUS,
		[VM_PAUSE] = CTL_PAUSE,
		[VM_RESUME] = CTL_RESUME,
		[VM_CONSOLE] = CTL_CONSOLE,
		[VM_SYNC] = CTL_SYNC,
		[VM_QUIT] = CTL_QUIT,
	};
	struct vmctl_call *c = call_new(v, types[order], timeout_ms, cb, arg,
					err);

	if (c)
		send_unsent(v);
	return c;
}

struct vmctl_call *vmctl_connect(struct vmctl *v, uint32_t port,
				 unsigned int timeout_ms, vmctl_cb cb,
				 void *arg, struct err *err)
{
	struct vmctl_call *c = call_new(v, CTL_CONNECT, timeout_ms + GRACE_MS,
					cb, arg, err);

	if (!c)
		return NULL;
	c->msg.port = port;
	c->msg.timeout_ms = timeout_ms;
	send_unsent(v);
	return c;
}

void vmctl_cancel(struct vmctl_call *c)
{
	c->cb = NULL;
	c->forked = NULL;
	c->layers = NULL;
	if (!c->sent)
		vmctl_call_free(c);
}

static void convert_status(const struct ctl_status *s, struct vm_status *st)
{
	*st = (struct vm_status){
		.configured = s->state != CTL_STATE_NEW,
		.paused = s->state == CTL_STATE_PAUSED,
		.agent_up = s->agent_up != 0,
		.connections = s->connections,
		.uptime_ns = s->uptime_ns,
		.agent_up_ns = s->agent_up_ns,
		.disk_read = s->disk_read,
		.disk_written = s->disk_written,
	};
}

static int protocol_error(struct err *err, const char *what)
{
	return err_set(err, ERR_PROTOCOL,
		       "the VMM broke the control protocol: %s", what);
}

/* Return: the call that is answered, NULL. */
static struct vmctl_call *find_call(struct vmctl *v, uint64_t seq)
{
	struct vmctl_call *c;

	LIST_FOREACH(c, &v->calls, link)
		if (c->msg.h.seq == seq && c->sent)
			break;
	return c;
}

static int handle_forked(struct vmctl *v, const struct ctl_forked *m,
			 struct err *err)
{
	struct vmctl_call *c = find_call(v, m->h.seq);
	struct vm_forked f = { .n = m->n, .kept_top = m->kept_top & 1,
			       .pause_ns = m->pause_ns };
	vmctl_fork_cb cb;
	void *arg;

	if (!c || c->msg.h.type != CTL_FORK || m->n != c->children)
		return protocol_error(err, "children");
	for (unsigned int i = 0; i < f.n; i++) {
		f.error[i] = m->error[i] & 0xfff;
		f.pid[i] = (pid_t)m->pid[i];
		if (!f.error[i] != (f.pid[i] > 0))
			return protocol_error(err, "children");
	}
	snprintf(f.detail, sizeof(f.detail), "%.*s",
		 (int)sizeof(m->detail) - 1, m->detail);
	cb = c->forked;
	arg = c->arg;
	vmctl_call_free(c);
	if (cb)
		cb(arg, NULL, &f);
	return 0;
}

/* @fd: what came with it or -1; taken over. Return: 0, or -1 with @err. */
static int handle_reply(struct vmctl *v, const struct ctl_reply *m, int fd,
			struct err *err)
{
	struct vmctl_call *c = find_call(v, m->h.seq);
	struct err failed = ERR_INIT;
	struct vm_status st;
	bool wants_fd;

	if (c && !m->error && (c->msg.h.type == CTL_FORK ||
			       c->msg.h.type == CTL_LAYERS))
		c = NULL;	/* those are answered in another way */
	wants_fd = c && !m->error && (c->msg.h.type == CTL_CONNECT ||
				      c->msg.h.type == CTL_CONSOLE);
	if (!c || wants_fd != (fd >= 0)) {
		if (fd >= 0)
			close(fd);
		return protocol_error(err, c ? "descriptors" : "sequence");
	}
	convert_status(&m->status, &st);
	if (m->error) {
		/* the code is the errno's, the words are the VMM's */
		err_sys(&failed, m->error & 0xfff, "the VMM refused");
		if (m->detail[0])
			snprintf(failed.msg, sizeof(failed.msg), "%.*s",
				 (int)sizeof(m->detail) - 1, m->detail);
		call_end(c, &failed, &st, -1);
		return 0;
	}
	if (fd >= 0) {
		/* the receiver blocks on it or sets what it wants itself */
		int flags = fcntl(fd, F_GETFL);

		fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	}
	call_end(c, NULL, &st, fd);
	return 0;
}

static int handle_event(struct vmctl *v, const struct ctl_event *m,
			struct err *err)
{
	struct vm_status st;

	convert_status(&m->status, &st);
	switch (m->kind) {
	case CTL_EV_AGENT_UP:
		v->ops->agent_up(v->arg, &st);
		return 0;
	case CTL_EV_DISK_FULL:
		v->ops->disk_full(v->arg);
		return 0;
	case CTL_EV_NET:
		v->ops->net_wanted(v->arg);
		return 0;
	case CTL_EV_EXIT:
		/* the process's end and its exit record tell it */
		return 0;
	default:
		return protocol_error(err, "event");
	}
}

/* One message. Return: 1, 0 when there is none, -1 at the end, with @err set
 * when it is not a clean one. */
static int receive(struct vmctl *v, struct err *err)
{
	union {
		struct ctl_header h;
		struct ctl_reply reply;
		struct ctl_event event;
		struct ctl_forked forked;
		struct ctl_layered layered;
	} m = { 0 };
	size_t nfds = 1;
	int fd = -1;
	ssize_t n = fdpass_recv(v->watch.fd, &m, sizeof(m), &fd, &nfds);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0 && errno != EMSGSIZE)
		return -1;
	if (n == 0)
		return -1;
	if (n == sizeof(m.reply) && m.h.magic == CTL_MAGIC &&
	    m.h.type == CTL_REPLY && m.reply.nr_fds == nfds)
		return handle_reply(v, &m.reply, fd, err) < 0 ? -1 : 1;
	if (fd >= 0)
		close(fd);
	if (n == sizeof(m.event) && m.h.magic == CTL_MAGIC &&
	    m.h.type == CTL_EVENT && fd < 0)
		return handle_event(v, &m.event, err) < 0 ? -1 : 1;
	if (n == sizeof(m.forked) && m.h.magic == CTL_MAGIC &&
	    m.h.type == CTL_FORKED && fd < 0)
		return handle_forked(v, &m.forked, err) < 0 ? -1 : 1;
	if (n == sizeof(m.layered) && m.h.magic == CTL_MAGIC &&
	    m.h.type == CTL_LAYERED && fd < 0)
		return vmctl_layers_answer(find_call(v, m.h.seq), &m.layered)
			? 1 : protocol_error(err, "layers");
	return protocol_error(err, n < 0 ? "oversized message" : "message");
}

static void ctl_event(struct loop_watch *w, uint32_t events)
{
	struct vmctl *v = container_of(w, struct vmctl, watch);
	struct err err = ERR_INIT;
	int rc;

	if (events & EPOLLOUT)
		send_unsent(v);
	rc = receive(v, &err);
	if (rc < 0)
		shut(v, err.code ? &err : NULL, true);
}

struct vmctl *vmctl_new(struct loop *l, int sock, const struct vmctl_ops *ops,
			void *arg, struct err *err)
{
	struct vmctl *v = calloc(1, sizeof(*v));

	if (!v) {
		err_set(err, ERR_NO_MEMORY, "control socket");
		close(sock);
		return NULL;
	}
	v->loop = l;
	v->ops = ops;
	v->arg = arg;
	v->watch.cb = ctl_event;
	LIST_INIT(&v->calls);
	TAILQ_INIT(&v->unsent);
	if (loop_add(l, &v->watch, sock, EPOLLIN) < 0) {
		err_sys(err, errno, "control socket");
		close(sock);
		free(v);
		return NULL;
	}
	return v;
}

void vmctl_free(struct vmctl *v)
{
	shut(v, NULL, false);
	free(v);
}

static enum vm_end_reason end_reason(uint32_t reason)
{
	switch (reason) {
	case CTL_EXIT_POWEROFF:
		return VM_END_POWEROFF;
	case CTL_EXIT_RESET:
		return VM_END_RESET;
	case CTL_EXIT_QUIT:
		return VM_END_QUIT;
	default:
		return VM_END_FAULT;
	}
}

void vmctl_read_exit(int dirfd, const char *name, struct vm_end *end)
{
	CLEANUP_FD int fd = openat(dirfd, name,
				   O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	static const char *const faults[] = {
		[CTL_EXIT_SHUTDOWN] = "the guest's CPU shut down (triple fault)",
		[CTL_EXIT_KVM] = "KVM failed",
		[CTL_EXIT_SETUP] = "the VMM could not set the guest up",
		[CTL_EXIT_BUG] = "the VMM found an error in itself",
	};
	struct ctl_exit rec;
	const char *what = "";

	*end = (struct vm_end){ .reason = VM_END_KILLED };
	if (fd < 0 || pread(fd, &rec, sizeof(rec), 0) != sizeof(rec) ||
	    rec.magic != CTL_MAGIC || rec.reason == CTL_EXIT_NONE)
		return;
	end->reason = end_reason(rec.reason);
	if (rec.reason < ARRAY_SIZE(faults) && faults[rec.reason])
		what = faults[rec.reason];
	snprintf(end->detail, sizeof(end->detail), "%s%s%.*s", what,
		 *what && rec.detail[0] ? ": " : "",
		 (int)sizeof(rec.detail) - 1, rec.detail);
}
