/* SPDX-License-Identifier: MIT */
/*
 * tests/fake/fake-vmm.c - stands in for podflare-vmm in the runner's tests
 *
 * Speaks runner/vmm/control.h on descriptor 3, with a thread per connection
 * that plays the guest's agent (fake-agent.c).  There is no guest.  How it
 * behaves depends on the memory it is given:
 *
 *	130 MiB	the kernel panics at once
 *	132 MiB	the agent never comes up
 *	134 MiB	the configuration is refused
 *	136 MiB	it dies without a word
 *	138 MiB	it sends garbage on the control socket
 *	140 MiB	it answers with a wrong sequence number
 *	142 MiB	the agent takes 2 s to come up
 *	144 MiB	it ignores CTL_QUIT and SIGTERM
 *	150 MiB	and more: see fake-fork.c
 *	180 MiB	and more: see fake-save.c
 *	200 MiB	and more: see fake-layers.c
 *
 * PODFLARE_FAKE_RESUME says what it does when it was paused and is to go on: "die";
 * "deaf": its agent cannot be reached; "hang": or never answers.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/loop.h"
#include "runner/vmm/control.h"
#include "tests/fake/fake-agent.h"

struct fake_vmm vmm = { .conn = -1, .exit_fd = -1, .console_fd = -1, .wire = -1,
			.state = CTL_STATE_NEW };
static atomic_bool powered_off;
static const char *resumed = "";	/* PODFLARE_FAKE_RESUME, once it was */
static volatile sig_atomic_t terminated;

bool fake_is_mode(uint64_t mib)
{
	return vmm.ram == mib << 20;
}

static void record(uint32_t reason, const char *detail)
{
	struct ctl_exit rec = { .magic = CTL_MAGIC, .reason = reason };

	snprintf(rec.detail, sizeof(rec.detail), "%s", detail);
	if (vmm.exit_fd >= 0 && pwrite(vmm.exit_fd, &rec, sizeof(rec), 0) < 0)
		_exit(9);
}

void fake_leave(uint32_t reason, const char *detail)
{
	record(reason, detail);
	_exit(reason == CTL_EXIT_SETUP);
}

static struct ctl_status status(void)
{
	return (struct ctl_status){ .state = vmm.state,
				    .agent_up = vmm.up_at == 0, .vcpus = 1,
				    .ram = vmm.ram };
}

void fake_reply(uint64_t seq, int error, const char *detail, int fd)
{
	struct ctl_reply r = {
		.h = { CTL_MAGIC, CTL_REPLY, seq }, .error = error,
		.nr_fds = fd >= 0, .status = status(),
	};

	snprintf(r.detail, sizeof(r.detail), "%s", detail);
	if (fake_is_mode(140))
		r.h.seq += 1000;
	fdpass_send(vmm.conn, &r, sizeof(r), &fd, fd >= 0);
}

static void event(uint32_t kind)
{
	struct ctl_event ev = { .h = { CTL_MAGIC, CTL_EVENT, 0 },
				.kind = kind, .status = status() };

	fdpass_send(vmm.conn, &ev, sizeof(ev), NULL, 0);
}

void fake_console(const char *text)
{
	if (write(vmm.console_fd, text, strlen(text)) < 0)
		_exit(9);
}

static void configure(const struct ctl_config *c, const int *fds, size_t nfds)
{
	size_t need = 4 + c->nr_initrds;

	alarm(0);
	vmm.ram = c->ram;
	vmm.card = c->net_mtu != 0;
	for (uint32_t i = 0; i < c->nr_disks; i++)
		need += c->disks[i].nr_fds;
	if (nfds != need || !strstr(c->cmdline, "podflare.base=squashfs")) {
		fake_reply(c->h.seq, EINVAL, "fake: wrong configuration", -1);
		_exit(1);
	}
	vmm.console_fd = fds[2];
	vmm.exit_fd = fds[3];
	if (c->nr_disks && c->disks[c->nr_disks - 1].kind == CTL_DISK_COW) {
		uint32_t n = c->disks[c->nr_disks - 1].nr_fds;

		fake_take_layers(fds + nfds - n + 1, n - 1);
	}
	fake_console("Linux version 0.0-fake\n\x1b[31mred\x1b[0m \xff\xfe\n");
	if (fake_is_mode(134)) {
		fake_reply(c->h.seq, ENOMEM, "fake: cannot have that memory",
			   -1);
		fake_leave(CTL_EXIT_SETUP, "fake: cannot have that memory");
	}
	if (fake_is_mode(136))
		_exit(3);
	if (fake_is_mode(138)) {
		fdpass_send(vmm.conn, "garbage", 7, NULL, 0);
		pause();
	}
	vmm.state = CTL_STATE_RUNNING;
	fake_reply(c->h.seq, 0, "", -1);
	if (fake_is_mode(130) || getenv("PODFLARE_FAKE_PANIC")) {
		fake_console("Kernel panic - not syncing: fake\n");
		fake_leave(CTL_EXIT_RESET, "fake reset");
	}
	vmm.up_at = now_ns() + (fake_is_mode(142) ? 2000000000ULL : 1000000);
	if (fake_is_mode(132))
		vmm.up_at = UINT64_MAX;
}

static void give_stream(uint64_t seq, void (*serve)(int fd))
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       sv) < 0 || fake_thread(sv[0], serve) < 0) {
		fake_reply(seq, errno, "fake: no stream", -1);
		return;
	}
	fake_reply(seq, 0, "", sv[1]);
	close(sv[1]);
}

static void serve_nothing(int fd)
{
}

static void serve_console(int fd)
{
	static const char text[] = "fake console\r\n";
	char c;

	if (write(fd, text, sizeof(text) - 1) > 0)
		while (read(fd, &c, 1) != 0 && errno == EAGAIN)
			poll(NULL, 0, 10);
	close(fd);
}

/* Ask on the wire who the router is, and tell what comes. */
static void try_wire(uint64_t seq, int wire)
{
	static const uint8_t ask[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0x70, 0x66, 0, 0, 1,
		8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0x70, 0x66, 0, 0, 1,
		10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2,
	};
	struct pollfd p = { .fd = wire, .events = POLLIN };
	uint8_t answer[100];

	fake_reply(seq, 0, "", -1);
	if (vmm.wire >= 0)
		close(vmm.wire);
	vmm.wire = wire;
	if (send(wire, ask, sizeof(ask), MSG_NOSIGNAL) == sizeof(ask) &&
	    poll(&p, 1, 5000) == 1 &&
	    recv(wire, answer, sizeof(answer), MSG_DONTWAIT) >= 42)
		fake_console("the wire answers\n");
}

static void on_message(const union fake_message *m, size_t len, int *fds,
		       size_t nfds)
{
	char bad[250];

	switch (m->h.type) {
	case CTL_CONFIG:
		configure(&m->config, fds, nfds);
		return;
	case CTL_STATUS:
		fake_reply(m->h.seq, 0, "", -1);
		return;
	case CTL_PAUSE:
	case CTL_RESUME:
		if (fake_is_mode(186) && m->h.type == CTL_PAUSE) {
			fake_reply(m->h.seq, EIO, "fake: goes on", -1);
			return;
		}
		if (fake_is_mode(190) && vmm.state == CTL_STATE_HELD)
			_exit(7);
		if (m->h.type == CTL_RESUME && getenv("PODFLARE_FAKE_RESUME"))
			resumed = getenv("PODFLARE_FAKE_RESUME");
		if (strcmp(resumed, "die") == 0)
			_exit(8);
		if (fake_is_mode(146)) {
			memset(bad, 0xff, sizeof(bad) - 1);
			bad[sizeof(bad) - 1] = '\0';
			fake_leave(CTL_EXIT_BUG, bad);
		}
		vmm.state = m->h.type == CTL_PAUSE ? CTL_STATE_PAUSED
					       : CTL_STATE_RUNNING;
		fake_reply(m->h.seq, 0, "", -1);
		return;
	case CTL_NET:
		if (nfds == 1)
			try_wire(m->h.seq, fds[0]);
		return;
	case CTL_CONNECT:
		if (vmm.card && vmm.wire < 0)
			event(CTL_EV_NET);
		if (strcmp(resumed, "hang") == 0) {
			give_stream(m->h.seq, serve_nothing);
			return;
		}
		if (m->connect.port == 1024 && vmm.state == CTL_STATE_RUNNING &&
		    !(fake_is_mode(192) && vmm.restored) &&
		    strcmp(resumed, "deaf") != 0)
			give_stream(m->h.seq, fake_agent);
		else
			fake_reply(m->h.seq, ETIMEDOUT, "fake: no answer", -1);
		return;
	case CTL_CONSOLE:
		give_stream(m->h.seq, serve_console);
		return;
	case CTL_FORK:
		fake_fork(&m->fork, fds, nfds);
		return;
	case CTL_SAVE:
		fake_save(&m->save, fds, nfds);
		return;
	case CTL_RESTORE:
		fake_restore(&m->restore, fds, nfds);
		return;
	case CTL_SYNC:
		fake_sync(m->h.seq);
		return;
	case CTL_LAYERS:
		fake_layers(&m->layers, fds, nfds);
		return;
	case CTL_QUIT:
		if (fake_is_mode(144))
			return;
		fake_reply(m->h.seq, 0, "", -1);
		fake_leave(CTL_EXIT_QUIT, "");
	}
}

static void on_readable(void)
{
	union fake_message m;
	int fds[FDPASS_MAX];
	size_t nfds = FDPASS_MAX;
	ssize_t n = fdpass_recv(vmm.conn, &m, sizeof(m), fds, &nfds);

	if (n <= 0) {
		close(vmm.conn);
		vmm.conn = -1;
		if (vmm.state == CTL_STATE_NEW)
			_exit(1);
		return;
	}
	on_message(&m, (size_t)n, fds, nfds);
}

static void on_term(int sig)
{
	terminated = 1;
}

void fake_power_off(void)
{
	powered_off = true;
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, on_term);
	signal(SIGHUP, SIG_IGN);
	if (listen(CTL_LISTEN_FD, 8) < 0)
		return 1;
	alarm(1);	/* whoever started us may have been killed */
	for (;;) {
		struct pollfd p[2] = { { CTL_LISTEN_FD, POLLIN },
				       { vmm.conn, POLLIN } };
		int n = poll(p, 2, 5);

		if (terminated && !fake_is_mode(144))
			fake_leave(CTL_EXIT_QUIT, "terminated");
		if (powered_off) {
			event(CTL_EV_EXIT);
			fake_leave(CTL_EXIT_POWEROFF, "");
		}
		if (vmm.up_at && vmm.up_at != UINT64_MAX &&
		    now_ns() >= vmm.up_at && vmm.conn >= 0) {
			vmm.up_at = 0;
			event(CTL_EV_AGENT_UP);
		}
		if (n <= 0)
			continue;
		if (p[0].revents) {
			int fd = accept4(CTL_LISTEN_FD, NULL, NULL,
					 SOCK_CLOEXEC);

			if (vmm.conn >= 0)
				close(vmm.conn);
			vmm.conn = fd;
			if (vmm.state != CTL_STATE_NEW)
				alarm(0);
		} else if (p[1].revents) {
			on_readable();
		}
	}
}
