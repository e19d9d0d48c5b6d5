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

static int conn = -1, exit_fd = -1, console_fd = -1;
static uint32_t state = CTL_STATE_NEW;
static uint64_t ram, up_at;
static atomic_bool powered_off;
static volatile sig_atomic_t terminated;

static bool is_mode(uint64_t mib)
{
	return ram == mib << 20;
}

static void record(uint32_t reason, const char *detail)
{
	struct ctl_exit rec = { .magic = CTL_MAGIC, .reason = reason };

	snprintf(rec.detail, sizeof(rec.detail), "%s", detail);
	if (exit_fd >= 0 && pwrite(exit_fd, &rec, sizeof(rec), 0) < 0)
		_exit(9);
}

static void leave(uint32_t reason, const char *detail)
{
	record(reason, detail);
	_exit(reason == CTL_EXIT_SETUP);
}

static struct ctl_status status(void)
{
	return (struct ctl_status){ .state = state, .agent_up = up_at == 0,
				    .vcpus = 1, .ram = ram };
}

static void reply(uint64_t seq, int error, const char *detail, int fd)
{
	struct ctl_reply r = {
		.h = { CTL_MAGIC, CTL_REPLY, seq }, .error = error,
		.nr_fds = fd >= 0, .status = status(),
	};

	snprintf(r.detail, sizeof(r.detail), "%s", detail);
	if (is_mode(140))
		r.h.seq += 1000;
	fdpass_send(conn, &r, sizeof(r), &fd, fd >= 0);
}

static void event(uint32_t kind)
{
	struct ctl_event ev = { .h = { CTL_MAGIC, CTL_EVENT, 0 },
				.kind = kind, .status = status() };

	fdpass_send(conn, &ev, sizeof(ev), NULL, 0);
}

static void console(const char *text)
{
	if (write(console_fd, text, strlen(text)) < 0)
		_exit(9);
}

static void configure(const struct ctl_config *c, const int *fds, size_t nfds)
{
	size_t need = 4 + c->nr_initrds;

	alarm(0);
	ram = c->ram;
	for (uint32_t i = 0; i < c->nr_disks; i++)
		need += c->disks[i].nr_fds;
	if (nfds != need || !strstr(c->cmdline, "podflare.base=squashfs")) {
		reply(c->h.seq, EINVAL, "fake: wrong configuration", -1);
		_exit(1);
	}
	console_fd = fds[2];
	exit_fd = fds[3];
	console("Linux version 0.0-fake\n\x1b[31mred\x1b[0m \xff\xfe\n");
	if (is_mode(134)) {
		reply(c->h.seq, ENOMEM, "fake: cannot have that memory", -1);
		leave(CTL_EXIT_SETUP, "fake: cannot have that memory");
	}
	if (is_mode(136))
		_exit(3);
	if (is_mode(138)) {
		fdpass_send(conn, "garbage", 7, NULL, 0);
		pause();
	}
	state = CTL_STATE_RUNNING;
	reply(c->h.seq, 0, "", -1);
	if (is_mode(130) || getenv("PODFLARE_FAKE_PANIC")) {
		console("Kernel panic - not syncing: fake\n");
		leave(CTL_EXIT_RESET, "fake reset");
	}
	up_at = now_ns() + (is_mode(142) ? 2000000000ULL : 1000000);
	if (is_mode(132))
		up_at = UINT64_MAX;
}

static void give_stream(uint64_t seq, void (*serve)(int fd))
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       sv) < 0 || fake_thread(sv[0], serve) < 0) {
		reply(seq, errno, "fake: no stream", -1);
		return;
	}
	reply(seq, 0, "", sv[1]);
	close(sv[1]);
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

static void on_message(const union fake_message *m, size_t len, int *fds,
		       size_t nfds)
{
	char bad[250];

	switch (m->h.type) {
	case CTL_CONFIG:
		configure(&m->config, fds, nfds);
		return;
	case CTL_STATUS:
		reply(m->h.seq, 0, "", -1);
		return;
	case CTL_PAUSE:
	case CTL_RESUME:
		if (is_mode(146)) {
			memset(bad, 0xff, sizeof(bad) - 1);
			bad[sizeof(bad) - 1] = '\0';
			leave(CTL_EXIT_BUG, bad);
		}
		state = m->h.type == CTL_PAUSE ? CTL_STATE_PAUSED
					       : CTL_STATE_RUNNING;
		reply(m->h.seq, 0, "", -1);
		return;
	case CTL_CONNECT:
		if (m->connect.port == 1024 && state == CTL_STATE_RUNNING)
			give_stream(m->h.seq, fake_agent);
		else
			reply(m->h.seq, ETIMEDOUT, "fake: no answer", -1);
		return;
	case CTL_CONSOLE:
		give_stream(m->h.seq, serve_console);
		return;
	case CTL_QUIT:
		if (is_mode(144))
			return;
		reply(m->h.seq, 0, "", -1);
		leave(CTL_EXIT_QUIT, "");
	}
}

static void on_readable(void)
{
	union fake_message m;
	int fds[FDPASS_MAX];
	size_t nfds = FDPASS_MAX;
	ssize_t n = fdpass_recv(conn, &m, sizeof(m), fds, &nfds);

	if (n <= 0) {
		close(conn);
		conn = -1;
		if (state == CTL_STATE_NEW)
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
				       { conn, POLLIN } };
		int n = poll(p, 2, 5);

		if (terminated && !is_mode(144))
			leave(CTL_EXIT_QUIT, "terminated");
		if (powered_off) {
			event(CTL_EV_EXIT);
			leave(CTL_EXIT_POWEROFF, "");
		}
		if (up_at && up_at != UINT64_MAX && now_ns() >= up_at &&
		    conn >= 0) {
			up_at = 0;
			event(CTL_EV_AGENT_UP);
		}
		if (n <= 0)
			continue;
		if (p[0].revents) {
			int fd = accept4(CTL_LISTEN_FD, NULL, NULL,
					 SOCK_CLOEXEC);

			if (conn >= 0)
				close(conn);
			conn = fd;
		} else if (p[1].revents) {
			on_readable();
		}
	}
}
