/* SPDX-License-Identifier: MIT */
/*
 * machine/host-main.c - the supervisor of an emulated machine
 *
 * One loop, one thread.  Its stdout is a pipe to whoever started it, for lines
 * "progress TEXT" and at last "ready" or "error CODE MESSAGE\x1fHINT"; when that
 * end closes earlier, the start is undone.  Trusts the user's own files;
 * distrusts clients for form, and what comes out of the machine.
 *
 * Theory of operation: whoever holds the lock is the supervisor.  The file
 * "state" says which QEMU runs; if it still does, it is taken over.  QEMU ends
 * by itself when the machine powers off; then we clean up and end, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "common/proc.h"
#include "machine/host.h"
#include "machine/relay.h"

#define BOOT_MS 180000		/* a slow host boots in 10 s */
#define ENDED "ended"		/* file: why, when it was not asked for */

static void tell(struct host *h, const char *text)
{
	if (h->ready_fd >= 0 &&
	    write(h->ready_fd, text, strlen(text)) < 0)
		log_debug("nobody waits: %s", strerror(errno));
}

void host_progress(struct host *h, const char *text)
{
	char line[256];

	snprintf(line, sizeof(line), "progress %s\n", text);
	tell(h, line);
}

/* Nothing more is said to whoever started us; @text is the last word. */
static void dismiss(struct host *h, const char *text)
{
	if (h->ready_fd < 0)
		return;
	tell(h, text);
	loop_del(&h->loop, &h->ready_watch);
	close(steal_fd(&h->ready_fd));
}

static void end(struct host *h)
{
	h->ended = true;
	loop_stop(&h->loop);
}

static void undo_start(struct host *h)
{
	h->stopping = true;
	proc_signal(h->pidfd, SIGKILL);
}

/* Clients are let in only now: while the machine starts they wait for the one
 * who started it, and should that one give up, start it again. */
static void become_ready(struct host *h)
{
	loop_timer_cancel(&h->loop, &h->boot_timer);
	if (conn_listen(h, &h->why) == 0)
		dismiss(h, "ready\n");
	else if (h->own)
		undo_start(h);
	else
		end(h);
}

static void on_session(struct mux *m, bool up)
{
	struct port *p = container_of(m, struct port, mux);
	struct host *h = container_of(p, struct host, port);

	log_info("session %s", up ? "begins" : "ended");
	if (up && h->ready_fd >= 0)
		become_ready(h);
	conn_session(h, up);
}

static const struct mux_ops ops = {
	.session = on_session,
	.input = conn_input,
	.output = relay_output,
	.gone = relay_gone,
};

static void on_port_down(struct port *p)
{
	log_info("the port was closed");
}

static void describe_end(struct host *h)
{
	char last[256];
	int status = 0;

	/* only of a child of ours is it known */
	if (waitpid(h->state.pid, &status, WNOHANG) == h->state.pid &&
	    WIFSIGNALED(status))
		err_set(&h->why, ERR_GUEST, "the emulated machine ended "
			"unexpectedly: QEMU was killed by signal %d",
			WTERMSIG(status));
	else
		err_set(&h->why, ERR_GUEST, "the emulated machine ended "
			"unexpectedly: %s", console_last(h, last,
							 sizeof(last)));
	err_hint(&h->why, "its logs are in podflare/machine of "
		 "$XDG_STATE_HOME (~/.local/state)");
	log_error("%s", h->why.msg);
}

static void on_qemu(struct loop_watch *w, uint32_t events)
{
	struct host *h = container_of(w, struct host, qemu_watch);

	loop_del(&h->loop, w);
	if (!h->stopping && h->why.code == ERR_NONE)
		describe_end(h);
	end(h);
}

static void on_signal(struct loop_watch *w, uint32_t events)
{
	struct host *h = container_of(w, struct host, signal_watch);
	struct signalfd_siginfo si;

	if (read(w->fd, &si, sizeof(si)) != sizeof(si))
		return;
	log_info("signal %u: powering off", si.ssi_signo);
	if (!h->port.mux.up)
		proc_signal(h->pidfd, SIGKILL);
	host_power_off(h);
	loop_timer_set(&h->loop, &h->stop_timer, HOST_STOP_MS);
}

static void on_stop_late(struct loop_timer *t)
{
	struct host *h = container_of(t, struct host, stop_timer);

	log_error("the machine does not power off, ending it");
	proc_signal(h->pidfd, SIGKILL);
}

/* Whoever started us went away before it was ready (Ctrl-C). */
static void on_ready(struct loop_watch *w, uint32_t events)
{
	struct host *h = container_of(w, struct host, ready_watch);

	log_info("the start was cancelled");
	loop_del(&h->loop, w);
	close(steal_fd(&h->ready_fd));
	if (h->own)
		undo_start(h);
}

static void on_boot_late(struct loop_timer *t)
{
	struct host *h = container_of(t, struct host, boot_timer);
	char last[256];

	err_set(&h->why, ERR_TIMEOUT, "the emulated machine did not start in "
		"%d s: %s", BOOT_MS / 1000,
		console_last(h, last, sizeof(last)));
	undo_start(h);
}

static int watch_signals(struct host *h, struct err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(err, errno, "signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	h->signal_watch.cb = on_signal;
	if (fd < 0 || loop_add(&h->loop, &h->signal_watch, fd, EPOLLIN) < 0)
		return err_sys(err, errno, "signals");
	return 0;
}

/* The machine runs: join ourselves to it. */
static int attach(struct host *h, struct err *err)
{
	h->qemu_watch.cb = on_qemu;
	h->ready_watch.cb = on_ready;
	h->boot_timer.cb = on_boot_late;
	h->stop_timer.cb = on_stop_late;
	h->mux_fd = host_qemu_connect(h, HOST_MUX_SOCKET, err);
	if (h->mux_fd < 0 || console_open(h, err) < 0 ||
	    watch_signals(h, err) < 0)
		return -1;
	h->port.down = on_port_down;
	if (port_start(&h->port, &h->loop, h->mux_fd, MUX_HOST, &ops, err) < 0)
		return -1;
	if (loop_add(&h->loop, &h->qemu_watch, h->pidfd, EPOLLIN) < 0)
		return err_sys(err, errno, "epoll");
	/* a file, should stdout be one, never goes away */
	if (loop_add(&h->loop, &h->ready_watch, h->ready_fd, 0) < 0 &&
	    errno != EPERM)
		return err_sys(err, errno, "epoll");
	loop_timer_set(&h->loop, &h->boot_timer, BOOT_MS);
	return care_start(h, err);
}

static int take_lock(struct host *h, struct err *err)
{
	CLEANUP_FREE char *dir = path_place(PATH_RUNTIME, "machine", true, err);
	int fd;

	if (!dir)
		return -1;
	h->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->dirfd < 0)
		return err_sys(err, errno, "%s", dir);
	/* kept open, and so locked, until we end */
	fd = openat(h->dirfd, HOST_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, errno, "%s/" HOST_LOCK, dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, ERR_BUSY, "another process supervises the "
			       "machine in %s", dir);
	return 0;
}

/* How the last machine ended is told by whoever starts the next one. */
static void tell_last_end(struct host *h)
{
	CLEANUP_BUF struct buf why = BUF_INIT;
	char line[1200];

	if (path_read_file(h->dirfd, ENDED, 1024, &why, NULL) < 0) {
		/* its supervisor did not live to see it */
		if (faccessat(h->dirfd, "state", F_OK, 0) < 0)
			return;
		buf_printf(&why, "the emulated machine ended unexpectedly");
	}
	snprintf(line, sizeof(line), "warn %s; starting a new one\n",
		 buf_str(&why));
	tell(h, line);
	unlinkat(h->dirfd, ENDED, 0);
}

static int start(struct host *h, struct err *err)
{
	if (loop_init(&h->loop, err) < 0 || take_lock(h, err) < 0)
		return -1;
	if (host_state_load(&h->state, h->dirfd, &h->pidfd) == 0) {
		log_info("taking over the machine, pid %d", (int)h->state.pid);
		return attach(h, err);
	}
	if (h->opts.attach)
		return err_set(err, ERR_UNAVAILABLE,
			       "the emulated machine is not running");
	tell_last_end(h);
	h->own = true;
	if (host_qemu_start(h, err) < 0)
		return -1;
	return attach(h, err);
}

/* What is left of a machine that ended. */
static void clean_up(struct host *h)
{
	conn_close_all(h);
	console_close(h);
	care_stop(h);
	if (h->port.loop)
		port_stop(&h->port);
	unlinkat(h->dirfd, HOST_SOCKET, 0);
	unlinkat(h->dirfd, HOST_MUX_SOCKET, 0);
	unlinkat(h->dirfd, HOST_CONSOLE_SOCKET, 0);
	unlinkat(h->dirfd, HOST_QMP_SOCKET, 0);
	unlinkat(h->dirfd, "state", 0);
}

static int fail(struct host *h, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	log_error("%s", err->msg);
	buf_printf(&b, "error %s %s\x1f%s\n", err_code_name(err->code),
		   err->msg, err->hint);
	dismiss(h, buf_str(&b));
	return 1;
}

static void open_log(void)
{
	CLEANUP_FREE char *path = host_log_path("machine.log", NULL);
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			     0600) : -1;

	if (fd < 0)
		return;
	dup2(fd, STDERR_FILENO);
	close(fd);
}

int host_main(const struct host_options *opts)
{
	struct host h = { .opts = *opts, .dirfd = -1, .pidfd = -1,
			  .mux_fd = -1, .qemu_watch.fd = -1,
			  .listen_watch.fd = -1, .signal_watch.fd = -1,
			  .ready_watch.fd = -1 };
	struct err err = ERR_INIT;

	signal(SIGPIPE, SIG_IGN);
	open_log();
	h.ready_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (start(&h, &err) < 0) {
		if (h.own && h.pidfd >= 0) {
			proc_signal(h.pidfd, SIGKILL);
			clean_up(&h);
		}
		return fail(&h, &err);
	}
	do {
		port_flush(&h.port);
	} while (!h.ended && loop_once(&h.loop, -1) == 0);
	clean_up(&h);
	if (h.why.code == ERR_NONE)
		return 0;
	/* nobody is there to be told */
	if (h.ready_fd < 0)
		path_write_file(h.dirfd, ENDED, h.why.msg, strlen(h.why.msg),
				0600, NULL);
	return fail(&h, &h.why);
}
