/* SPDX-License-Identifier: MIT */
/*
 * guest-init/netif.c - the network card, when there is one
 *
 * Pid 1, at boot.  The addresses are the same in all sandboxes (netwire.h), so
 * that a copy goes on with its own.  Nothing is sent: the host starts a process
 * at the first frame, and many sandboxes never have one.  So there is no IPv6 yet:
 * the kernel would announce itself.
 */
#include "guest-init/netif.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/netwire.h"
#include "common/util.h"
#include "guest-init/kmsg.h"

#define CARD "eth0"
#define OWN_RESOLV "/run/podflare-resolv.conf"
#define RESOLV "/etc/resolv.conf"

static int write_text(const char *path, int flags, const char *text)
{
	CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);
	size_t len = strlen(text);

	return fd >= 0 && write(fd, text, len) == (ssize_t)len ? 0 : -1;
}

static void set_addr(struct sockaddr *sa, uint32_t host_order)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(host_order) };

	memcpy(sa, &in, sizeof(in));
}

static int set_up(int sock)
{
	struct ifreq addr = { .ifr_name = CARD }, mask = { .ifr_name = CARD },
		     flags = { .ifr_name = CARD };
	struct rtentry way = { .rt_flags = RTF_UP | RTF_GATEWAY,
			       .rt_dev = (char *)CARD };

	set_addr(&addr.ifr_addr, WIRE_GUEST4);
	set_addr(&mask.ifr_netmask, WIRE_MASK4);
	set_addr(&way.rt_dst, 0);
	set_addr(&way.rt_genmask, 0);
	set_addr(&way.rt_gateway, WIRE_GATEWAY4);
	flags.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(sock, SIOCSIFADDR, &addr) < 0 ||
	    ioctl(sock, SIOCSIFNETMASK, &mask) < 0 ||
	    ioctl(sock, SIOCSIFFLAGS, &flags) < 0)
		return -1;
	return ioctl(sock, SIOCADDRT, &way);
}

static int lay_resolv(void)
{
	char text[64];

	snprintf(text, sizeof(text), "nameserver %u.%u.%u.%u\n",
		 WIRE_DNS4 >> 24, WIRE_DNS4 >> 16 & 255, WIRE_DNS4 >> 8 & 255,
		 WIRE_DNS4 & 255);
	if (write_text(OWN_RESOLV, O_CREAT | O_TRUNC, text) < 0)
		return -1;
	/* images have one, which is empty; of others it is made */
	if (access(RESOLV, F_OK) < 0 && write_text(RESOLV, O_CREAT, "") < 0)
		return -1;
	return mount(OWN_RESOLV, RESOLV, NULL, MS_BIND, NULL);
}

void netif_start(void)
{
	CLEANUP_FD int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq card = { .ifr_name = CARD };

	if (sock < 0 || ioctl(sock, SIOCGIFINDEX, &card) < 0)
		return;
	if (write_text("/proc/sys/net/ipv6/conf/" CARD "/disable_ipv6", 0,
		       "1") < 0 && errno != ENOENT)
		kmsg_line(KMSG_WARN, CARD ": IPv6: %s", strerror(errno));
	if (set_up(sock) < 0)
		kmsg_line(KMSG_WARN, CARD ": %s", strerror(errno));
	if (lay_resolv() < 0)
		kmsg_line(KMSG_WARN, RESOLV ": %s", strerror(errno));
}
