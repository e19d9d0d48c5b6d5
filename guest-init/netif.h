/* SPDX-License-Identifier: MIT */
/* guest-init/netif.h - the network card, when there is one */
#ifndef PODFLARE_GUEST_NETIF_H
#define PODFLARE_GUEST_NETIF_H

/* Give eth0 its address and its way out, and say where names are asked (the file
 * is laid over /etc/resolv.conf, which stays what it is). What fails is logged. */
void netif_start(void);

#endif
