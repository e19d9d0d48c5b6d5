/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/request.c - the requests of control.h, checked and carried out
 *
 * Runs in podflare-vmm on the main thread.  Distrusts the client for form: a
 * request of the wrong length, or with the wrong number of descriptors, ends
 * the connection; one that makes no sense now is answered with an error.
 */
#include "runner/vmm/request.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "runner/vmm/layers.h"
#include "runner/vmm/request-config.h"
#include "runner/vmm/vmm.h"

static struct vmm *vmm_of(struct ctlsock *s)
{
	return container_of(s, struct vmm, sock);
}

void request_reply(struct vmm *v, uint64_t seq, int error, const char *detail,
		  int fd)
{
	struct ctl_reply r = {
		.h = { .magic = CTL_MAGIC, .type = CTL_REPLY, .seq = seq },
		.error = error,
		.nr_fds = fd >= 0,
	};

	if (error)
		snprintf(r.detail, sizeof(r.detail), "%s", detail);
	vmm_status(v, &r.status);
	ctlsock_send(&v->sock, &r, sizeof(r), &fd, fd >= 0);
}

void request_reply_err(struct vmm *v, uint64_t seq, const struct err *err)
{
	char detail[sizeof(err->msg) + sizeof(err->hint) + 4];

	snprintf(detail, sizeof(detail), "%s%s%s", err->msg,
		 *err->hint ? "; " : "", err->hint);
	request_reply(v, seq, err->sys ? err->sys : EINVAL, detail, -1);
}

static void on_pause(struct vmm *v, uint64_t seq)
{
	struct err err = ERR_INIT;

	if (vmm_pause(v, &err) < 0)
		request_reply_err(v, seq, &err);
	else
		request_reply(v, seq, 0, "", -1);
}

static void on_resume(struct vmm *v, uint64_t seq)
{
	struct err err = ERR_INIT;

	if (vmm_resume(v, &err) < 0)
		request_reply_err(v, seq, &err);
	else
		request_reply(v, seq, 0, "", -1);
}

static void on_sync(struct vmm *v, uint64_t seq)
{
	struct err err = ERR_INIT;

	if (devices_flush(&v->dev, &err) < 0)
		request_reply_err(v, seq, &err);
	else
		request_reply(v, seq, 0, "", -1);
}

void request_close_fds(const int *fds, size_t nfds)
{
	for (size_t i = 0; i < nfds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* The fds are taken over if it returns true. In a child it returns true, too:
 * what is left of the call stack is harmless. */
static bool on_fork(struct vmm *v, const void *msg, size_t len, int *fds,
		    size_t nfds)
{
	const struct ctl_fork *f = msg;
	struct err err = ERR_INIT;

	if (len != sizeof(*f))
		return false;
	switch (clone_start(v, f, fds, nfds, &err)) {
	case FORK_CHILD:
		return true;
	case FORK_PARENT:
		break;
	case FORK_FAILED:
		request_reply_err(v, f->h.seq, &err);
		break;
	}
	request_close_fds(fds, nfds);
	return true;
}

/* Return: whether frames can go through it. */
static bool is_wire(int fd)
{
	int type = 0, domain = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	       type == SOCK_SEQPACKET && domain == AF_UNIX;
}

static bool on_net(struct vmm *v, const void *msg, size_t len, int *fds,
		   size_t nfds)
{
	const struct ctl_header *h = msg;
	struct err err = ERR_INIT;

	if (len != sizeof(*h) || nfds != 1 || !is_wire(fds[0]))
		return false;
	if (v->state != CTL_STATE_RUNNING && v->state != CTL_STATE_PAUSED)
		err_sys(&err, ENXIO, "no guest runs here");
	else if (!v->dev.net_ready)
		err_sys(&err, ENODEV, "it was made without a network card");
	if (err.code)
		request_close_fds(fds, nfds);
	else
		virtio_net_attach(&v->dev.net, fds[0], &err);
	if (err.code)
		request_reply_err(v, h->seq, &err);
	else
		request_reply(v, h->seq, 0, "", -1);
	return true;
}

static void on_console(struct vmm *v, uint64_t seq)
{
	int fd = console_attach(&v->dev.console);

	if (fd < 0) {
		request_reply(v, seq, errno, "console: cannot attach", -1);
		return;
	}
	request_reply(v, seq, 0, "", fd);
	close(fd);
}

/* The vsock device's answer; it is locked. */
static void on_connected(void *arg, uint64_t seq, int error, int fd)
{
	struct vmm *v = arg;

	char detail[128];

	snprintf(detail, sizeof(detail), "connection into the guest: %s",
		 strerror(error));
	request_reply(v, seq, error, detail, fd);
	if (fd >= 0)
		close(fd);
}

static bool on_connect(struct vmm *v, const void *msg, size_t len)
{
	const struct ctl_connect *c = msg;
	int rc;

	if (len != sizeof(*c))
		return false;
	rc = vsock_connect(&v->dev.vsock, c->port, c->timeout_ms, on_connected,
			   v, c->h.seq);
	if (rc < 0)
		request_reply(v, c->h.seq, -rc, "too many connections to the guest",
		      -1);
	return true;
}

static void on_quit(struct vmm *v, uint64_t seq)
{
	struct err err = ERR_INIT;

	if (vmm_quiesce(v, &err) < 0)
		request_reply_err(v, seq, &err);
	else
		request_reply(v, seq, 0, "", -1);
	vmm_end(v, CTL_EXIT_QUIT, err.msg);
}

static bool may(enum ctl_state state, uint32_t type)
{
	switch (state) {
	case CTL_STATE_RUNNING:
	case CTL_STATE_PAUSED:
		return true;
	case CTL_STATE_HELD:
		return type == CTL_STATUS || type == CTL_QUIT ||
		       type == CTL_RESUME || type == CTL_SYNC;
	case CTL_STATE_NEW:
	case CTL_STATE_ENDED:
		break;
	}
	return type == CTL_STATUS || type == CTL_QUIT;
}

/* Requests of a header alone, and CTL_CONNECT. */
static bool dispatch(struct vmm *v, const void *msg, size_t len)
{
	const struct ctl_header *h = msg;

	if (h->type < CTL_STATUS || h->type > CTL_SYNC ||
	    (h->type != CTL_CONNECT && len != sizeof(*h)))
		return false;
	if (!may(v->state, h->type)) {
		request_reply(v, h->seq, ENXIO, "no guest runs here", -1);
		return true;
	}
	switch (h->type) {
	case CTL_STATUS:
		request_reply(v, h->seq, 0, "", -1);
		return true;
	case CTL_PAUSE:
		on_pause(v, h->seq);
		return true;
	case CTL_RESUME:
		on_resume(v, h->seq);
		return true;
	case CTL_SYNC:
		on_sync(v, h->seq);
		return true;
	case CTL_CONNECT:
		return on_connect(v, msg, len);
	case CTL_CONSOLE:
		on_console(v, h->seq);
		return true;
	case CTL_QUIT:
		on_quit(v, h->seq);
		return true;
	default:
		return false;
	}
}

static bool on_message(struct ctlsock *s, const void *msg, size_t len,
		       const int *fds, size_t nfds)
{
	const struct ctl_header *h = msg;
	struct vmm *v = vmm_of(s);
	bool ok;

	if (v->state != CTL_STATE_NEW)
		loop_timer_cancel(&v->loop, &v->orphan);
	switch (h->type) {
	case CTL_CONFIG:
		ok = request_config(v, msg, len, (int *)fds, nfds);
		break;
	case CTL_RESTORE:
		ok = request_restore(v, msg, len, (int *)fds, nfds);
		break;
	case CTL_SAVE:
		ok = request_save(v, msg, len, (int *)fds, nfds);
		break;
	case CTL_NET:
		ok = on_net(v, msg, len, (int *)fds, nfds);
		break;
	case CTL_FORK:
		ok = on_fork(v, msg, len, (int *)fds, nfds);
		break;
	case CTL_LAYERS:
		ok = layers_request(v, msg, len, (int *)fds, nfds);
		break;
	default:
		ok = nfds == 0 && dispatch(v, msg, len);
		break;
	}
	if (ok)
		return true;
	request_close_fds(fds, nfds);
	log_warn_limited(&s->limit, "control: a request that is none (type %u, "
			 "%zu bytes)", h->type, len);
	return false;
}

/* Whoever waits for an answer now is not the one that asked. */
static void on_gone(struct ctlsock *s)
{
	struct vmm *v = vmm_of(s);

	clone_mute(v);
	if (v->devices_ready && v->dev.vsock_ready)
		vsock_cancel(&v->dev.vsock, v);
}

const struct ctlsock_ops request_ops = {
	.message = on_message,
	.gone = on_gone,
};
