/* SPDX-License-Identifier: MIT */
/*
 * runner/net/host.c - the addresses that the host itself answers to
 *
 * Runs in podflare-net.  Addresses come and go (VPNs, DHCP): the kernel tells of
 * it, and all are read anew.
 */
#include "runner/net/host.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Return: whether it is an address of IP. */
static bool take(const struct sockaddr *sa, struct addr *a)
{
	*a = (struct addr){ .v6 = false };
	if (!sa)
		return false;
	switch (sa->sa_family) {
	case AF_INET:
		memcpy(a->b, &((const struct sockaddr_in *)sa)->sin_addr, 4);
		return true;
	case AF_INET6:
		a->v6 = true;
		memcpy(a->b, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
		return true;
	default:
		return false;
	}
}

/* The address, and of IPv4 the two that mean all hosts of its network. */
static void add(struct addr_host *h, const struct ifaddrs *i)
{
	struct addr a, mask, edge;

	if (!take(i->ifa_addr, &a))
		return;
	addr_host_add(h, &a);
	if (a.v6 || !take(i->ifa_netmask, &mask) || mask.v6)
		return;
	/* a pair or a single one has no such */
	if (mask.b[3] >= 0xfe)
		return;
	edge = a;
	for (int n = 0; n < 4; n++)
		edge.b[n] = a.b[n] & mask.b[n];
	addr_host_add(h, &edge);
	for (int n = 0; n < 4; n++)
		edge.b[n] = (uint8_t)(a.b[n] | ~mask.b[n]);
	addr_host_add(h, &edge);
}

int host_read(struct addr_host *h, struct err *err)
{
	struct ifaddrs *list;

	memset(h, 0, sizeof(*h));
	if (getifaddrs(&list) < 0) {
		h->overflow = true;
		return err_sys(err, errno, "the host's addresses");
	}
	for (const struct ifaddrs *i = list; i; i = i->ifa_next)
		add(h, i);
	freeifaddrs(list);
	return 0;
}

int host_watch(struct err *err)
{
	const struct sockaddr_nl nl = {
		.nl_family = AF_NETLINK,
		.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_ROUTE);

	if (fd < 0)
		return err_sys(err, errno, "watch the host's addresses");
	if (bind(fd, (const struct sockaddr *)&nl, sizeof(nl)) < 0) {
		err_sys(err, errno, "watch the host's addresses");
		close(fd);
		return -1;
	}
	return fd;
}

bool host_drain(int fd)
{
	char buf[8192];
	ssize_t n;

	/* what it says is not looked at; ENOBUFS: there was more */
	do {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	} while (n > 0 || (n < 0 && (errno == EINTR || errno == ENOBUFS)));
	return n < 0 && errno == EAGAIN;
}

bool host_has_v6(void)
{
	/* A datagram socket that is connected sends nothing: the kernel looks
	 * for a route, no more. */
	const struct sockaddr_in6 to = {
		.sin6_family = AF_INET6, .sin6_port = htons(9),
		.sin6_addr = { .s6_addr = { 0x20, 0x00, [15] = 1 } },
	};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool has;

	if (fd < 0)
		return false;
	has = connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0;
	close(fd);
	return has;
}
