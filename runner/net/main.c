/* SPDX-License-Identifier: MIT */
/*
 * runner/net/main.c - podflare-net: the network of one sandbox
 *
 * Started by podflared at a guest's first frame, with the guest's wire and a
 * control socket (common/netctl.h).  It ends when the wire does, which is when
 * the VMM does.  A crash of it takes the guest's link down, and nothing else.
 */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "runner/net/isolate.h"
#include "runner/net/net.h"

#define SOCKETS 2048		/* flows at once, more or less; a closed one counts
				 * for ten seconds */
#define MEMORY GIB		/* a flow has buffers of 400 KiB at most */
#define LOG MIB			/* bytes of net.log: libslirp writes what it likes */

static bool is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* A guest that opens flows without end gets no further than this. */
static void limit(void)
{
	struct rlimit files = { SOCKETS, SOCKETS }, none = { 0, 0 },
		      memory = { MEMORY, MEMORY }, log = { LOG, LOG }, now;

	if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_max < SOCKETS)
		files.rlim_cur = files.rlim_max = now.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &log);
	/* buffers of flows come and go: back to the host with them */
	mallopt(M_MMAP_THRESHOLD, 32768);
	mallopt(M_TRIM_THRESHOLD, 131072);
	if (isolate_built())
		setrlimit(RLIMIT_DATA, &memory);
}

static int run(struct err *err)
{
	struct net *n = calloc(1, sizeof(*n));
	int rc;

	if (!n)
		return err_set(err, ERR_NO_MEMORY, "out of memory");
	rc = net_init(n, NETCTL_WIRE_FD, NETCTL_FD, err);
	if (rc == 0)
		rc = isolate_enter(err);
	if (rc == 0)
		rc = net_run(n, err);
	net_free(n);
	free(n);
	return rc;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("podflare-net %s\n", PACKAGE_VERSION);
		return 0;
	}
	log_init("podflare-net", LOG_INFO);
	if (argc != 1 || !is_socket(NETCTL_WIRE_FD) || !is_socket(NETCTL_FD)) {
		log_error("it is started by podflared, not by hand");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	limit();
	if (run(&err) < 0) {
		log_error("%s", err.msg);
		return 1;
	}
	return 0;
}
