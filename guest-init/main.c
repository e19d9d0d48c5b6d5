/* SPDX-License-Identifier: MIT */
/*
 * guest-init/main.c - podflare-init, pid 1 of a sandbox
 *
 * One thread: it boots the guest from its initramfs, then serves the agent
 * protocol and collects dead processes for ever.  Everything in the guest but
 * this program belongs to the guest's users; the host is trusted.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/log.h"
#include "guest-init/agent.h"
#include "guest-init/console.h"
#include "guest-init/kmsg.h"
#include "guest-init/listen.h"
#include "guest-init/modules.h"
#include "guest-init/mount.h"
#include "guest-init/netif.h"
#include "guest-init/spawn.h"
#include "guest-init/system.h"

#define BASE_OPTION "podflare.base="
#define CONSOLE_PORT "/dev/ttyS0"

struct init {
	struct agent agent;
	struct listener listener;
	struct console console;
	struct loop_watch signals;
};

/* podflare.base= of the kernel's command line; only what we know is taken. */
static const char *base_type(struct err *err)
{
	static const char *const types[] = { "squashfs", "erofs" };
	CLEANUP_FD int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	char line[2048] = " ", *value;

	if (fd < 0 || read(fd, line + 1, sizeof(line) - 2) < 0) {
		err_sys(err, errno, "/proc/cmdline");
		return NULL;
	}
	value = strstr(line, " " BASE_OPTION);
	if (!value) {
		err_set(err, ERR_USAGE, "no " BASE_OPTION
			" on the kernel's command line");
		return NULL;
	}
	value += sizeof(BASE_OPTION);
	value[strcspn(value, " \n")] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(value, types[i]) == 0)
			return types[i];
	err_set(err, ERR_USAGE, BASE_OPTION "%s: not a type we know", value);
	return NULL;
}

static void on_signal(struct loop_watch *w, uint32_t events)
{
	struct init *in = container_of(w, struct init, signals);
	struct signalfd_siginfo si;

	if (read(w->fd, &si, sizeof(si)) > 0)
		agent_reap(&in->agent);
}

static int watch_children(struct init *in, struct err *err)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	in->signals = (struct loop_watch){ .fd = -1, .cb = on_signal };
	if (fd < 0 || loop_add(&in->agent.loop, &in->signals, fd, EPOLLIN) < 0)
		return err_sys(err, errno, "signalfd");
	return 0;
}

static int boot(struct mount_halves *h, struct err *err)
{
	const char *base;

	if (mount_early(err) < 0)
		return -1;
	kmsg_init();
	base = base_type(err);
	if (!base)
		return -1;
	modules_load(base);
	return mount_root(base, h, err);
}

int main(void)
{
	static struct init in;
	struct mount_halves halves;
	struct err err = ERR_INIT;

	if (getpid() != 1) {
		fputs("podflare-init: this is a sandbox's pid 1, not a command\n",
		      stderr);
		return 2;
	}
	log_init("podflare-init", LOG_WARN);
	reboot(RB_DISABLE_CAD);
	if (boot(&halves, &err) < 0)
		kmsg_die(&err);
	spawn_protect_self();
	if (system_loopback_up() < 0)
		kmsg_line(KMSG_WARN, "lo: %s", strerror(errno));
	netif_start();
	if (agent_init(&in.agent, system_of_guest(&halves), &err) < 0 ||
	    watch_children(&in, &err) < 0 ||
	    listen_start(&in.listener, &in.agent, &err) < 0)
		kmsg_die(&err);
	console_start(&in.console, &in.agent, CONSOLE_PORT);
	kmsg_line(KMSG_INFO, "the agent listens");
	while (agent_turn(&in.agent) == 0)
		continue;
	err_sys(&err, errno, "event loop");
	kmsg_die(&err);
}
