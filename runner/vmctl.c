/* SPDX-License-Identifier: MIT */
/*
 * runner/vmctl.c - the runner's side of a VMM's control socket
 *
 * podflared, loop thread; the one file that includes runner/vmm/control.h.
 * Distrusts the VMM, which a guest may have taken over: sizes, magic, sequence
 * numbers and descriptor counts are checked, texts are cut and terminated; what
 * does not fit closes the socket.
 */
#include "runner/vmctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/fdpass.h"
#include "runner/vmm/control.h"

#define CALLS_MAX 1024		/* in flight, of one VMM */
#define GRACE_MS 2000		/* over the VMM's own deadline of a connect */

struct vmctl_call {
	struct vmctl *vmctl;
	LIST_ENTRY(vmctl_call) link;
	TAILQ_ENTRY(vmctl_call) unsent;
	struct loop_timer deadline;
	vmctl_cb cb;	/* NULL: cancelled, only its answer is awaited */
	void *arg;
	struct ctl_connect msg;	/* its beginning for other types */
	bool sent;
};

struct vmctl {
	struct loop *loop;
	struct loop_watch watch;
	const struct vmctl_ops *ops;
	void *arg;
	uint64_t seq;
	unsigned int nr_calls;
	LIST_HEAD(, vmctl_call) calls;
	TAILQ_HEAD(, vmctl_call) unsent;
};

static void call_free(struct vmctl_call *c)
{
	loop_timer_cancel(c->vmctl->loop, &c->deadline);
	if (!c->sent)
		TAILQ_REMOVE(&c->vmctl->unsent, c, unsent);
	LIST_REMOVE(c, link);
	c->vmctl->nr_calls--;
	free(c);
}

/* Answer a call and free it. @fd is passed on, or closed. */
static void call_end(struct vmctl_call *c, const struct err *err,
		     const struct vm_status *st, int fd)
{
	vmctl_cb cb = c->cb;
	void *arg = c->arg;

	call_free(c);
	if (cb)
		cb(arg, err, st, fd);
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
	vmctl_cb cb = c->cb;
	struct err err = ERR_INIT;

	/* the call stays known, so that a late answer is no surprise */
	c->cb = NULL;
	err_set(&err, ERR_TIMEOUT, "the sandbox's VMM does not answer");
	if (cb)
		cb(c->arg, &err, NULL, -1);
}

static struct vmctl_call *call_new(struct vmctl *v, uint32_t type,
				   unsigned int timeout_ms, vmctl_cb cb,
				   void *arg, struct err *err)
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
	c->cb = cb;
	c->arg = arg;
	c->deadline.cb = call_late;
	c->msg.h = (struct ctl_header){ CTL_MAGIC, type, ++v->seq };
	LIST_INSERT_HEAD(&v->calls, c, link);
	TAILQ_INSERT_TAIL(&v->unsent, c, unsent);
	v->nr_calls++;
	loop_timer_set(v->loop, &c->deadline, timeout_ms);
	return c;
}

static int add_disk(struct ctl_config *m, const char *id, uint32_t kind,
		    const int *fds, int nr_fds, int *all, size_t *n)
{
	struct ctl_disk *d = &m->disks[m->nr_disks++];

	d->kind = kind;
	d->read_only = kind == CTL_DISK_RAW;
	d->nr_fds = (uint32_t)nr_fds;
	strncpy(d->id, id, sizeof(d->id));
	if (*n + (size_t)nr_fds > FDPASS_MAX)
		return -1;
	for (int i = 0; i < nr_fds; i++)
		all[(*n)++] = fds[i];
	return 0;
}

struct vmctl_call *vmctl_config(struct vmctl *v, const struct vm_config *cfg,
				unsigned int timeout_ms, vmctl_cb cb, void *arg,
				struct err *err)
{
	int fds[FDPASS_MAX] = { cfg->kvm, cfg->kernel, cfg->console, cfg->exit,
				cfg->initrds[0], cfg->initrds[1] };
	struct ctl_config m = {
		.ram = cfg->ram, .vcpus = cfg->vcpus, .nr_initrds = 2,
		.guest_cid = AGENT_GUEST_CID, .console_max = cfg->console_max,
	};
	struct vmctl_call *c;
	size_t n = 6;

	if (strlen(cfg->cmdline) >= sizeof(m.cmdline) ||
	    add_disk(&m, "base", CTL_DISK_RAW, &cfg->base, 1, fds, &n) < 0 ||
	    add_disk(&m, cfg->disk_id,
		     cfg->nr_disk == 1 ? CTL_DISK_RAW : CTL_DISK_COW,
		     cfg->disk, cfg->nr_disk, fds, &n) < 0) {
		err_set(err, ERR_LIMIT, "command line or disk chain too long");
		return NULL;
	}
	snprintf(m.cmdline, sizeof(m.cmdline), "%s", cfg->cmdline);
	c = call_new(v, CTL_CONFIG, timeout_ms, cb, arg, err);
	if (!c)
		return NULL;
	/* the first message on a new socket: there is room for it */
	m.h = c->msg.h;
	if (fdpass_send(v->watch.fd, &m, sizeof(m), fds, n) < 0) {
		err_sys(err, errno, "cannot configure the VMM");
		call_free(c);
		return NULL;
	}
	TAILQ_REMOVE(&v->unsent, c, unsent);
	c->sent = true;
	return c;
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
	if (!c->sent)
		call_free(c);
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

/* @fd: what came with it or -1; taken over. Return: 0, or -1 with @err. */
static int handle_reply(struct vmctl *v, const struct ctl_reply *m, int fd,
			struct err *err)
{
	struct err failed = ERR_INIT;
	struct vmctl_call *c;
	struct vm_status st;
	bool wants_fd;

	LIST_FOREACH(c, &v->calls, link)
		if (c->msg.h.seq == m->h.seq && c->sent)
			break;
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
