/* SPDX-License-Identifier: MIT */
/*
 * runner/main.c - podflared: the runner, one per user
 *
 * Started by the first client that finds no runner (common/dial.h), or by
 * systemd.  One thread with an event loop, and a few that do blocking file work
 * (work.c).  It holds nothing that a sandbox needs to live: killed at any
 * point, the next one takes up where it was (recover.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/dial.h"
#include "common/log.h"
#include "runner/daemon.h"
#include "runner/export.h"
#include "runner/flatten.h"
#include "runner/idle.h"
#include "runner/image-put.h"
#include "runner/life.h"
#include "runner/netproc.h"
#include "runner/places.h"
#include "runner/pool.h"
#include "runner/reap.h"
#include "runner/server.h"
#include "runner/template-file.h"
#include "runner/template.h"

#define BOOT_TIMEOUT_S 60
#define BOOTS_MIN 4U
#define AGENT_TIMEOUT_MS 15000
#define DRAIN_MS 1000	/* for the last replies */
#define UNDO_MS 3000

struct options {
	bool foreground;
};

struct signals {
	struct reaper reaper;
	struct loop_watch watch;
	struct runner *runner;
};

static const char usage[] =
	"usage: podflared [--foreground] [--version] [--help]\n"
	"\n"
	"The runner of podflare, one per user. The podflare command starts it.\n"
	"\n"
	"  --foreground  log to the terminal\n"
	"  --version     print the version\n"
	"  --help        print this text\n";

/* Return: -1 to go on, else the exit code. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "foreground", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'f':
			o->foreground = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'V':
			printf("podflared %s\n", PACKAGE_VERSION);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	fputs(usage, stderr);
	return 2;
}

static void signal_event(struct loop_watch *w, uint32_t events)
{
	struct signals *s = container_of(w, struct signals, watch);
	struct signalfd_siginfo si;

	if (read(w->fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD) {
		reaper_child(&s->reaper);
		return;
	}
	log_info("ending on signal %u; sandboxes go on", si.ssi_signo);
	s->runner->ending = true;
	loop_stop(&s->runner->loop);
}

/* Before any thread: they inherit the mask. */
static int set_up_signals(struct signals *s, struct runner *r, struct err *err)
{
	sigset_t set;
	int fd;

	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a file size limit is an error, EFBIG */
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->runner = r;
	reaper_init(&s->reaper, &r->loop);
	s->watch.cb = signal_event;
	if (fd < 0 || loop_add(&r->loop, &s->watch, fd, EPOLLIN) < 0)
		return err_sys(err, errno, "signals");
	return 0;
}

static void set_up_process(void)
{
	struct rlimit rl;

	/* forked VMMs whose parent has ended: not every container's init reaps;
	 * vmproc.c does */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	umask(077);
	if (chdir("/") < 0)
		log_warn("/: %s", strerror(errno));
	/* several descriptors a sandbox and a client */
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static void set_bounds(struct runner *r)
{
	const char *env = getenv("PODFLARE_BOOT_TIMEOUT");
	long s = env ? strtol(env, NULL, 10) : 0;

	if (s < 1 || s > 86400)
		s = BOOT_TIMEOUT_S;
	r->boot_timeout_ms = (unsigned int)s * 1000;
	/* a boot is CPU work: more at once would only all be late */
	r->max_boots = MAX(BOOTS_MIN, 2 * (unsigned int)get_nprocs());
	env = getenv("PODFLARE_TEMPLATES");
	r->cold = env && strcmp(env, "off") == 0;
	/* whoever allows more for a boot has a slow machine */
	r->agent_timeout_ms = MAX(AGENT_TIMEOUT_MS, r->boot_timeout_ms / 4);
}

/* Everything up to where clients can be served. */
static int start(struct runner *r, struct signals *sig,
		 struct daemon_locks *locks, bool *own, struct err *err)
{
	int fd;

	if (loop_init(&r->loop, err) < 0 || places_open(&r->places, err) < 0)
		return -1;
	if (daemon_lock(&r->places, locks, err) < 0 || set_up_signals(sig, r, err) < 0 ||
	    work_init(&r->work, &r->loop, err) < 0)
		return -1;
	places_boot_id(r->boot_id, sizeof(r->boot_id));
	image_clean(r->places.images_fd);
	settings_check(&r->settings);
	life_recover(r);
	idle_watch(r);
	fd = daemon_listen(&r->places, own, err);
	if (fd < 0)
		return -1;
	r->server = server_new(r, fd, err);
	return r->server ? pool_start(r, err) : -1;
}

/* Whether something half made is still being undone. */
static bool is_undoing(const struct runner *r)
{
	const struct sandbox *sb;

	TAILQ_FOREACH(sb, &r->sandboxes, link)
		if (sb->state == SB_REMOVING)
			return true;
	TAILQ_FOREACH(sb, &r->hidden, link)
		if (sb->state == SB_REMOVING)
			return true;
	TAILQ_FOREACH(sb, &r->snapshots, link)
		if (sb->state == SB_REMOVING)
			return true;
	return r->nr_forks + r->nr_freezes > 0;
}

/* Sandboxes go on; what is half made is undone as far as time allows, and by
 * the next runner for the rest. */
static void finish(struct runner *r, struct signals *sig, bool own)
{
	uint64_t end = now_ns() + UNDO_MS * 1000000ULL;
	struct sandbox *sb;
	int fd = sig->watch.fd;

	if (own)
		unlinkat(r->places.runtime_fd, RUNNER_SOCKET, 0);
	server_free(r->server, DRAIN_MS);
	TAILQ_FOREACH(sb, &r->sandboxes, link)
		flatten_stop(sb);
	if (r->stuck)	/* nor would this; the next one clears up */
		return;
	while (is_undoing(r) && now_ns() < end)
		if (loop_once(&r->loop, 100) < 0)
			break;
	disk_cancel_all(r);
	export_cancel_all(r);
	work_free(&r->work);
	pool_let_go(r);
	template_file_let_go(r);
	template_let_go(r);
	life_let_go(r);
	reaper_stop(&sig->reaper);
	netproc_let_go(r);
	loop_del(&r->loop, &sig->watch);
	close(fd);
	loop_free(&r->loop);
	places_close(&r->places);
}

int main(int argc, char **argv)
{
	struct runner r = { .loop.epfd = -1 };
	struct signals sig = { .watch.fd = -1 };
	struct options opt = { .foreground = false };
	struct err err = ERR_INIT;
	struct daemon_locks locks = { -1, -1 };
	int rc = parse_options(argc, argv, &opt);
	bool own = false;

	if (rc >= 0)
		return rc;
	log_init("podflared", LOG_INFO);
	set_up_process();
	TAILQ_INIT(&r.sandboxes);
	TAILQ_INIT(&r.hidden);
	TAILQ_INIT(&r.snapshots);
	LIST_INIT(&r.disk_builds);
	LIST_INIT(&r.template_jobs);
	LIST_INIT(&r.template_saves);
	LIST_INIT(&r.exports);
	TAILQ_INIT(&r.boot_queue);
	LIST_INIT(&r.netprocs);
	r.started_ns = now_ns();
	set_bounds(&r);
	if ((!opt.foreground && daemon_open_log(&err) < 0) ||
	    start(&r, &sig, &locks, &own, &err) < 0) {
		log_error("%s", err.msg);
		daemon_report(&err);
		return 1;
	}
	daemon_report(NULL);
	log_info("podflared %s is ready, %u sandboxes", PACKAGE_VERSION,
		 r.nr_sandboxes);
	if (loop_run(&r.loop) < 0) {
		log_error("event loop: %s", strerror(errno));
		return 1;
	}
	finish(&r, &sig, own);
	log_info("ended");
	return 0;
}
