/* SPDX-License-Identifier: MIT */
/*
 * runner/netproc.c - the podflare-net process of a sandbox
 *
 * podflared, loop thread.  Distrusts the process, which reads what a guest sends:
 * it is told its policy and never asked for anything; its end is learnt from the
 * kernel.
 */
#include "runner/netproc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fdpass.h"
#include "common/log.h"
#include "common/netctl.h"
#include "common/proc.h"

#define PROGRAM "podflare-net"
#define LOG_FILE "net.log"
#define ATTACH_MS 10000

struct netproc {
	LIST_ENTRY(netproc) link;
	struct loop *loop;
	struct loop_watch exit;	/* its pidfd */
	char id[SANDBOX_ID_LEN + 1];
};

/* ---- policy */

int netproc_set_policy(struct sandbox *sb, const char *text, struct err *err)
{
	struct netpolicy *p = malloc(sizeof(*p));
	int rc;

	if (!p)
		return err_set(err, ERR_NO_MEMORY, "network policy");
	rc = netpolicy_parse(p, text ? text : "off", err);
	if (rc == 0) {
		json_decref(sb->net);
		sb->card = p->mode != NETPOLICY_OFF;
		sb->net = sb->card ? json_string(text) : NULL;
	}
	free(p);
	return rc;
}

void netproc_copy_policy(struct sandbox *sb, const struct sandbox *from)
{
	json_decref(sb->net);
	sb->card = from->card;
	sb->net = json_incref(from->net);
}

/* What is not understood is "off". */
static int send_policy(int sock, const struct sandbox *sb, struct err *err)
{
	CLEANUP_FREE struct netctl_policy *m = calloc(1, sizeof(*m));
	const char *text = json_string_value(sb->net);

	if (!m)
		return err_set(err, ERR_NO_MEMORY, "network policy");
	m->h = (struct netctl_header){ NETCTL_MAGIC, NETCTL_POLICY };
	if (netpolicy_parse(&m->policy, text ? text : "off", err) < 0)
		return -1;
	if (send(sock, m, sizeof(*m), MSG_NOSIGNAL | MSG_DONTWAIT) !=
	    (ssize_t)sizeof(*m))
		return err_sys(err, errno, "network policy");
	return 0;
}

/* ---- the process */

static void forget(struct netproc *np)
{
	int fd = np->exit.fd;

	loop_del(np->loop, &np->exit);
	if (fd >= 0)
		close(fd);
	LIST_REMOVE(np, link);
	free(np);
}

static void on_exit_of(struct loop_watch *w, uint32_t events)
{
	struct netproc *np = container_of(w, struct netproc, exit);
	siginfo_t si = { 0 };

	if (waitid(P_PIDFD, (id_t)w->fd, &si, WEXITED | WNOHANG) == 0 &&
	    si.si_pid && si.si_status != 0)
		log_warn("sandbox %s: its network process ended (%s %d)",
			 np->id, si.si_code == CLD_EXITED ? "exit code"
							  : "signal",
			 si.si_status);
	forget(np);
}

/* @wire, @control the process's ends. Return: 0, or -1 with @err. */
static int spawn(struct sandbox *sb, int wire, int control, struct err *err)
{
	CLEANUP_FREE char *program = path_program(PROGRAM, err);
	CLEANUP_FREE struct netproc *np = calloc(1, sizeof(*np));
	CLEANUP_FD int log = -1;
	const char *argv[] = { program, NULL };
	const char *env[64];
	struct proc_spawn s = { .argv = argv, .envp = env, .cwd = "/",
				.nfds = 5, .new_session = true };
	int pidfd;

	if (!program)
		return -1;
	if (!np)
		return err_set(err, ERR_NO_MEMORY, PROGRAM);
	log = openat(sb->dirfd, LOG_FILE, O_WRONLY | O_CREAT | O_TRUNC |
		     O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (log < 0)
		return err_sys(err, errno, LOG_FILE);
	vmproc_make_env(env, ARRAY_SIZE(env));
	s.fds[0] = s.fds[1] = -1;
	s.fds[2] = log;
	s.fds[NETCTL_WIRE_FD] = wire;
	s.fds[NETCTL_FD] = control;
	if (proc_spawn(&s, &pidfd, err) < 0)
		return -1;
	np->loop = &sb->runner->loop;
	np->exit.cb = on_exit_of;
	snprintf(np->id, sizeof(np->id), "%s", sb->id);
	if (loop_add(np->loop, &np->exit, pidfd, EPOLLIN) < 0) {
		err_sys(err, errno, "watch " PROGRAM);
		proc_signal(pidfd, SIGKILL);
		waitid(P_PIDFD, (id_t)pidfd, NULL, WEXITED);
		close(pidfd);
		return -1;
	}
	LIST_INSERT_HEAD(&sb->runner->netprocs, np, link);
	steal_ptr(&np);
	return 0;
}

/* The VMM has its end of the wire, or has ended, and with it the process does. */
static void attached(void *arg, const struct err *err,
		     const struct vm_status *st, int fd)
{
	struct sandbox *sb = arg;

	if (err)
		log_warn("sandbox %s: network: %s", sb->id, err->msg);
	sandbox_unref(sb);
}

int netproc_start(struct sandbox *sb, struct err *err)
{
	CLEANUP_FD int near = -1;
	CLEANUP_FD int far = -1;
	CLEANUP_FD int mine = -1;
	CLEANUP_FD int its = -1;
	const int kind = SOCK_SEQPACKET | SOCK_CLOEXEC;
	int wire[2], control[2];

	if (socketpair(AF_UNIX, kind, 0, wire) < 0)
		return err_sys(err, errno, "network");
	near = wire[0];
	far = wire[1];
	if (socketpair(AF_UNIX, kind, 0, control) < 0)
		return err_sys(err, errno, "network");
	mine = control[0];
	its = control[1];
	/* it is there before the process is; closed, it stays in force */
	if (send_policy(mine, sb, err) < 0 || spawn(sb, far, its, err) < 0)
		return -1;
	if (!vmctl_net(vmproc_ctl(sb->vm), near, ATTACH_MS, attached,
		       sandbox_ref(sb), err)) {
		sandbox_unref(sb);
		return -1;
	}
	return 0;
}

void netproc_let_go(struct runner *r)
{
	struct netproc *np;

	while ((np = LIST_FIRST(&r->netprocs)))
		forget(np);
}
