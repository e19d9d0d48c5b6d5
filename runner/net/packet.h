/* SPDX-License-Identifier: MIT */
/*
 * runner/net/packet.h - the headers of a frame, read with their bounds
 *
 * A frame of the guest may have any bytes at any place: fields are read by
 * offset, each after its bounds were checked.
 */
#ifndef PODFLARE_NET_PACKET_H
#define PODFLARE_NET_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define ETHER_HEADER 14u
#define ETHERTYPE4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE6 0x86dd
#define IP4_HEADER 20u
#define IP6_HEADER 40u
#define TCP_HEADER 20u
#define UDP_HEADER 8u
#define ICMP_HEADER 8u

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_URG 0x20

#define ICMP4_ECHO 8
#define ICMP6_ECHO 128
#define ICMP6_SOLICIT_ROUTER 133
#define ICMP6_SOLICIT 135
#define ICMP6_ADVERT 136

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

/* The internet checksum of parts: begin with 0, fold at the end. Each part but the
 * last has an even length. */
static inline uint32_t sum_add(uint32_t sum, const uint8_t *p, size_t len)
{
	for (; len > 1; p += 2, len -= 2)
		sum += get16(p);
	return len ? sum + ((uint32_t)p[0] << 8) : sum;
}

static inline uint16_t sum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

#endif
