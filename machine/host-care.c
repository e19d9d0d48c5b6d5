/* SPDX-License-Identifier: MIT */
/*
 * machine/host-care.c - what a machine needs while it runs
 *
 * Supervisor.  Distrusts nobody: QEMU's answers are not looked at.
 *
 * Theory of operation: when the host's disk is full, QEMU stops the machine in
 * the middle of the write, and nothing is lost; it goes on when it is told to.
 * So it is told to every few seconds (which does nothing to a machine that
 * runs), as long as there is some space; while there is none, clients are told
 * that.  The clock is compared once a minute: it stands still while the host
 * sleeps.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "machine/host.h"

#define CARE_MS 5000
#define CLOCK_EVERY 12		/* times CARE_MS */
#define SPACE_MIN (32 * MIB)

struct care {
	struct host *host;
	struct loop_timer timer;
	struct loop_watch watch;
	int qmp;
	unsigned int count;
	char *dir;		/* where the disk image is */
};

static uint64_t space_left(const struct care *c)
{
	struct statvfs st;

	if (statvfs(c->dir, &st) < 0)
		return UINT64_MAX;
	return (uint64_t)st.f_bavail * st.f_frsize;
}

static void tell_qemu(const struct care *c, const char *command)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "{\"execute\":\"%s\"}\n", command);

	if (send(c->qmp, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;		/* it has ended, or will be told again */
}

static void send_time(struct host *h)
{
	struct mux_chan *ch;
	struct timespec ts;
	uint64_t ns;

	/* a clock that counts instructions is meant to be wrong */
	if (h->state.icount || !h->port.mux.up)
		return;
	ch = mux_open(&h->port.mux, "clock", NULL);
	if (!ch)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	ns = htole64((uint64_t)ts.tv_sec * 1000000000ULL +
		     (uint64_t)ts.tv_nsec);
	mux_send(ch, &ns, sizeof(ns));
	mux_close(ch);
}

static void on_timer(struct loop_timer *t)
{
	struct care *c = container_of(t, struct care, timer);

	if (space_left(c) >= SPACE_MIN)
		tell_qemu(c, "cont");
	if (c->count++ % CLOCK_EVERY == 0) {
		send_time(c->host);
		/* looking a log up bounds it */
		free(host_log_path("qemu.log", NULL));
		free(host_log_path("machine.log", NULL));
	}
	loop_timer_set(&c->host->loop, t, CARE_MS);
}

static void on_answer(struct loop_watch *w, uint32_t events)
{
	struct care *c = container_of(w, struct care, watch);
	char drain[4096];

	if (read(c->qmp, drain, sizeof(drain)) <= 0)
		loop_del(&c->host->loop, w);
}

int care_start(struct host *h, struct err *err)
{
	struct care *c = calloc(1, sizeof(*c));

	if (!c)
		return err_sys(err, ENOMEM, "care");
	h->care = c;
	c->host = h;
	c->watch = (struct loop_watch){ .fd = -1, .cb = on_answer };
	c->timer.cb = on_timer;
	c->qmp = host_qemu_connect(h, HOST_QMP_SOCKET, err);
	c->dir = path_place(PATH_DATA, "machine", false, err);
	if (c->qmp < 0 || !c->dir)
		return -1;
	if (loop_add(&h->loop, &c->watch, c->qmp, EPOLLIN) < 0)
		return err_sys(err, errno, "qmp");
	tell_qemu(c, "qmp_capabilities");
	loop_timer_set(&h->loop, &c->timer, CARE_MS);
	return 0;
}

void care_stop(struct host *h)
{
	struct care *c = h->care;

	if (!c)
		return;
	loop_timer_cancel(&h->loop, &c->timer);
	loop_del(&h->loop, &c->watch);
	if (c->qmp >= 0)
		close(c->qmp);
	free(c->dir);
	free(c);
	h->care = NULL;
}

int care_check_space(struct host *h, struct err *err)
{
	uint64_t left = h->care ? space_left(h->care) : UINT64_MAX;

	if (left >= SPACE_MIN)
		return 0;
	err_set(err, ERR_NO_SPACE, "the host's disk is full, the emulated "
		"machine stands still (%s: %llu MiB free)", h->care->dir,
		(unsigned long long)(left / MIB));
	return err_hint(err, "free some space there: the machine goes on by "
			"itself within seconds, and nothing is lost");
}
