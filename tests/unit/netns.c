/* SPDX-License-Identifier: MIT */
/* tests/unit/netns.c - a network of the test's own */
#include "tests/unit/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "network namespace: %s: %s\n", what, strerror(errno));
	_exit(99);
}

/* The one thing that all of this relies on. */
static void check_alone(void)
{
	struct if_nameindex *list = if_nameindex();

	if (!list || !list[0].if_name || strcmp(list[0].if_name, "lo") != 0)
		die("no loopback device");
	for (int i = 1; list[i].if_name; i++)
		/* what some kernels put into each new namespace, down */
		if (strncmp(list[i].if_name, "tunl", 4) != 0 &&
		    strncmp(list[i].if_name, "sit", 3) != 0 &&
		    strncmp(list[i].if_name, "gre", 3) != 0 &&
		    strncmp(list[i].if_name, "erspan", 6) != 0 &&
		    strncmp(list[i].if_name, "ip", 2) != 0 &&
		    strncmp(list[i].if_name, "teql", 4) != 0)
			die(list[i].if_name);
	if_freenameindex(list);
}

struct request {
	struct nlmsghdr h;
	union {
		struct rtmsg route;
		struct ifaddrmsg addr;
	};
	uint8_t attrs[64];
};

static void put(struct request *r, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (void *)((uint8_t *)r + NLMSG_ALIGN(r->h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

/* Return: 0, or the kernel's errno. */
static int ask(struct request *r)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		uint8_t rest[256];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	r->h.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
	if (fd < 0 || send(fd, r, r->h.nlmsg_len, 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < 0)
		die("netlink");
	close(fd);
	return -answer.e.error;
}

/* All of a family's addresses are local. */
static int route_all(uint8_t family)
{
	struct request r = {
		.h = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
		       .nlmsg_type = RTM_NEWROUTE },
		.route = { .rtm_family = family, .rtm_table = RT_TABLE_LOCAL,
			   .rtm_protocol = RTPROT_STATIC,
			   .rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL },
	};
	int lo = (int)if_nametoindex("lo");

	put(&r, RTA_OIF, &lo, sizeof(lo));
	return ask(&r);
}

void netns_add_address(const char *ip4, int prefix)
{
	struct request r = {
		.h = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)),
		       .nlmsg_type = RTM_NEWADDR },
		.addr = { .ifa_family = AF_INET,
			  .ifa_prefixlen = (uint8_t)prefix,
			  .ifa_index = if_nametoindex("lo") },
	};
	struct in_addr a;

	if (inet_pton(AF_INET, ip4, &a) != 1)
		die(ip4);
	put(&r, IFA_LOCAL, &a, sizeof(a));
	put(&r, IFA_ADDRESS, &a, sizeof(a));
	errno = ask(&r);
	if (errno != 0)
		die(ip4);
}

bool netns_v6(void)
{
	return access("/proc/net/if_inet6", R_OK) == 0;
}

bool netns_enter(void)
{
	struct ifreq up = { .ifr_name = "lo" };
	int fd;

	if (unshare(geteuid() == 0 ? CLONE_NEWNET :
				     CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	check_alone();
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &up) < 0)
		die("lo");
	up.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &up) < 0)
		die("lo");
	close(fd);
	errno = route_all(AF_INET);
	if (errno == 0 && netns_v6())
		errno = route_all(AF_INET6);
	if (errno != 0)
		die("route");
	return true;
}

int netns_listen(int type, uint16_t port)
{
	int v6 = netns_v6(), off = 0, one = 1;
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	int fd = socket(v6 ? AF_INET6 : AF_INET,
			type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, v6 ? (void *)&a6 : (void *)&a4,
		 v6 ? sizeof(a6) : sizeof(a4)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, 256) < 0))
		die("listen");
	return fd;
}
