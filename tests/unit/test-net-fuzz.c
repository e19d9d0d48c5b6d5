/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-net-fuzz.c - a real podflare-net and frames without manners
 *
 * As test-net-process.c.  What passes the filter with odd bytes behind its headers
 * is libslirp's to judge: whatever it makes of it, the process lives, and nothing
 * forbidden is reached.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/loop.h"
#include "tests/unit/net-rig.h"
#include "tests/unit/netns.h"
#include "tests/unit/unit.h"

#define SECONDS 3

static const char *const to[] = {
	"192.0.2.1", "10.0.2.3", "10.0.2.2", "2001:db8::1", "fd00:7066::2",
	"10.0.0.1",
};
static const int protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };

static uint32_t any(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 32);
}

static void odd_frame(struct frame_buf *b, uint64_t *seed)
{
	uint8_t data[600];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)any(seed);
	frame_make(b, to[any(seed) % ARRAY_SIZE(to)],
		   protocols[any(seed) % ARRAY_SIZE(protocols)],
		   any(seed) % 2 ? 53 : PORT, data, any(seed) % sizeof(data));
	for (unsigned int n = any(seed) % 4; n > 0; n--)
		b->b[any(seed) % b->len] = (uint8_t)any(seed);
	if (any(seed) % 3)
		frame_sum(b);
	if (any(seed) % 8 == 0)
		b->len = 1 + any(seed) % b->len;
}

/* Take what came. */
static void drain(struct rig *r, int ms)
{
	char c;
	int fd;

	while (rig_receive(r, ms))
		continue;
	while ((fd = accept4(r->tcp, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(fd);
	while (recv(r->udp, &c, 1, MSG_DONTWAIT) >= 0 ||
	       recv(r->dns, &c, 1, MSG_DONTWAIT) >= 0)
		continue;
}

static void any_frame_is_survived(void **state)
{
	static const char *const policies[] = { "on", "allow=*.example.org,"
						"192.0.2.0/24", "off" };
	struct rig *r = *state;
	uint64_t seed = 0xf00d, end;
	struct frame_buf b;
	char c;

	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		rig_policy(r, policies[i]);
		end = now_ns() + SECONDS * 1000000000ULL / 3;
		while (now_ns() < end) {
			odd_frame(&b, &seed);
			if (send(r->wire, b.b, b.len, MSG_DONTWAIT) < 0)
				assert_int_equal(errno, EAGAIN);
			drain(r, 0);
		}
		assert_int_equal(waitpid(r->pid, NULL, WNOHANG), 0);
	}
	rig_policy(r, "on");
	drain(r, 300);
	frame_make(&b, "203.0.113.9", IPPROTO_UDP, PORT, "alive", 5);
	rig_transmit(r, &b);
	drain(r, 300);	/* takes it, too: say it again and look */
	rig_transmit(r, &b);
	while (rig_receive(r, 300))
		continue;
	assert_int_equal(recv(r->udp, &c, 1, MSG_DONTWAIT), 1);
	assert_int_equal(c, 'a');
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(any_frame_is_survived),
	};

	if (!netns_enter()) {
		printf("skipped: no network namespace can be made here\n");
		return 77;
	}
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
