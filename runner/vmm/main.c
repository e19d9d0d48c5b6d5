/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/main.c - podflare-vmm: one process, one virtual machine
 *
 * Started by podflared, which passes the control socket as descriptor 3 and all
 * that the guest is made of over it (control.h): this program opens no file by
 * name.  It outlives its starter; it ends when the guest does, when it is asked
 * to over the socket, or by SIGTERM.
 *
 * Threads: the main thread runs the event loop with all device work, and each
 * vCPU has a thread that runs the guest.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "common/log.h"
#include "runner/vmm/request.h"
#include "runner/vmm/vmm.h"

/* Only SIGTERM ends a VMM: a closed terminal or Ctrl-C in the shell that
 * happened to start the runner is nothing to a sandbox. */
static int ignore_signals(struct err *err)
{
	struct sigaction ign = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &ign, NULL);
	/* forked VMMs are reaped by the kernel */
	sigaction(SIGCHLD, &ign, NULL);
	/* a file-size limit is an I/O error of the guest's disk, no more */
	sigaction(SIGXFSZ, &ign, NULL);
	sigaction(SIGHUP, &ign, NULL);
	sigaction(SIGINT, &ign, NULL);
	return vcpu_init_signal(err);
}

static int run(struct err *err)
{
	struct vmm *v;
	int rc = -1;

	if (ignore_signals(err) < 0)
		return -1;
	v = calloc(1, sizeof(*v));
	if (!v)
		return err_set(err, ERR_NO_MEMORY, "out of memory");
	if (vmm_init(v, CTL_LISTEN_FD, &request_ops, err) == 0) {
		rc = loop_run(&v->loop);
		if (rc < 0)
			err_set(err, ERR_FAILED, "event loop");
		else if (v->exit.reason == CTL_EXIT_SETUP)
			rc = err_set(err, ERR_FAILED, "%s", v->exit.detail);
		vmm_free(v);
	}
	free(v);
	return rc;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct stat st;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("podflare-vmm %s\n", PACKAGE_VERSION);
		return 0;
	}
	log_init("podflare-vmm", LOG_INFO);
	tzset();	/* or the log's first time stamp opens a file: too late */
	if (argc != 1 || fstat(CTL_LISTEN_FD, &st) < 0 ||
	    !S_ISSOCK(st.st_mode)) {
		log_error("it is started by podflared, not by hand");
		return 2;
	}
	if (run(&err) < 0) {
		log_error("%s", err.msg);
		return 1;
	}
	return 0;
}
