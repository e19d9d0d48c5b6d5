/* SPDX-License-Identifier: MIT */
/*
 * runner/net/dns.c - questions for names, and their answers (RFC 1035)
 *
 * Pure functions.  Runs in podflare-net.  Distrusts the guest and the server.
 * Names may be compressed in what a server sends: they are skipped, never
 * followed, but for the question's, which has to be the one that was asked.
 */
#include "runner/net/dns.h"

#include <string.h>

#include "common/util.h"
#include "runner/net/packet.h"

#define HEADER 12u
#define FLAG_QR 0x8000
#define FLAG_OPCODE 0x7800
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define CLASS_IN 1
#define RECORDS_MAX 128		/* of an answer; the rest is not looked at */
#define POINTER 0xc0

/* A name without compression, at *pos. Return: 0, -1: it is none, or not a host
 * name. */
static int read_name(const uint8_t *m, size_t len, size_t *pos, char *name)
{
	size_t out = 0;

	for (;;) {
		size_t n;

		if (*pos >= len)
			return -1;
		n = m[(*pos)++];
		if (n == 0)
			break;
		if (n > 63 || n > len - *pos ||
		    out + n + (out > 0) > NETPOLICY_NAME_MAX)
			return -1;
		if (out > 0)
			name[out++] = '.';
		for (; n > 0; n--, (*pos)++) {
			uint8_t c = m[*pos];

			/* a dot or a NUL in a label is neither to us */
			if (c == '.' || c == '\0')
				return -1;
			name[out++] = (char)(c >= 'A' && c <= 'Z' ?
					     c + 'a' - 'A' : c);
		}
	}
	name[out] = '\0';
	return netpolicy_name_ok(name) ? 0 : -1;
}

/* Return: 0, or -1. */
static int skip_name(const uint8_t *m, size_t len, size_t *pos)
{
	while (*pos < len) {
		size_t n = m[(*pos)++];

		if (n == 0)
			return 0;
		if ((n & POINTER) == POINTER) {
			++*pos;
			return *pos <= len ? 0 : -1;
		}
		if (n > 63 || n > len - *pos)
			return -1;
		*pos += n;
	}
	return -1;
}

int dns_read_question(const uint8_t *m, size_t len, struct dns_question *q,
		      enum dns_rcode *rcode)
{
	size_t pos = HEADER;
	uint16_t flags;

	*rcode = DNS_OK;
	memset(q, 0, sizeof(*q));
	if (len < HEADER)
		return -1;
	flags = get16(m + 2);
	if (flags & FLAG_QR)
		return -1;
	q->id = get16(m);
	q->recurse = flags & FLAG_RD;
	*rcode = DNS_FORMAT;
	/* a plain question, with EDNS's record or without */
	if ((flags & FLAG_OPCODE) || get16(m + 4) != 1 || get16(m + 6) != 0 ||
	    get16(m + 8) != 0 || get16(m + 10) > 1)
		return -1;
	*rcode = DNS_REFUSED;
	if (read_name(m, len, &pos, q->name) < 0) {
		q->name[0] = '\0';
		return -1;
	}
	*rcode = DNS_FORMAT;
	if (len - pos < 4 || get16(m + pos + 2) != CLASS_IN) {
		q->name[0] = '\0';
		return -1;
	}
	q->type = get16(m + pos);
	*rcode = DNS_OK;
	return 0;
}

/* Return: where it ends. */
static size_t put_question(const struct dns_question *q, uint8_t *m)
{
	const char *label = q->name;
	size_t pos = HEADER;

	put16(m + 4, 1);
	for (;;) {
		size_t n = strcspn(label, ".");

		m[pos++] = (uint8_t)n;
		memcpy(m + pos, label, n);
		pos += n;
		if (label[n] == '\0')
			break;
		label += n + 1;
	}
	m[pos++] = 0;
	put16(m + pos, q->type);
	put16(m + pos + 2, CLASS_IN);
	return pos + 4;
}

size_t dns_make_question(const struct dns_question *q, uint16_t id, uint8_t *m)
{
	memset(m, 0, HEADER);
	put16(m, id);
	put16(m + 2, FLAG_RD);
	return put_question(q, m);
}

/* One record; an address is put into @a. Return: 0, -1: there is none. */
static int read_record(const uint8_t *m, size_t len, size_t *pos, uint16_t type,
		       struct dns_answer *a)
{
	size_t size = type == DNS_A ? 4 : 16;
	uint16_t kind, class, data;
	uint32_t ttl;

	if (skip_name(m, len, pos) < 0 || len - *pos < 10)
		return -1;
	kind = get16(m + *pos);
	class = get16(m + *pos + 2);
	ttl = get32(m + *pos + 4);
	data = get16(m + *pos + 8);
	*pos += 10;
	if (data > len - *pos)
		return -1;
	if (kind == type && class == CLASS_IN && data == size &&
	    a->nr < DNS_ADDRS) {
		struct addr *to = &a->addrs[a->nr++];

		*to = (struct addr){ .v6 = type == DNS_AAAA };
		memcpy(to->b, m + *pos, size);
		a->ttl = MIN(a->ttl, ttl);
	}
	*pos += data;
	return 0;
}

int dns_read_answer(const uint8_t *m, size_t len, const struct dns_question *q,
		    uint16_t id, struct dns_answer *a)
{
	char name[NETPOLICY_NAME_MAX + 1];
	size_t pos = HEADER;
	unsigned int n;

	*a = (struct dns_answer){ .ttl = 86400 };
	if (len < HEADER || get16(m) != id || !(get16(m + 2) & FLAG_QR) ||
	    get16(m + 4) != 1 || read_name(m, len, &pos, name) < 0 ||
	    strcmp(name, q->name) != 0 || len - pos < 4 ||
	    get16(m + pos) != q->type || get16(m + pos + 2) != CLASS_IN)
		return -1;
	pos += 4;
	switch (get16(m + 2) & 0x0f) {
	case DNS_OK:
		break;
	case DNS_NO_NAME:
		a->rcode = DNS_NO_NAME;
		return 0;
	default:
		a->rcode = DNS_FAILED;
		return 0;
	}
	/* aliases on the way are of no interest: the addresses count */
	n = MIN(get16(m + 6), RECORDS_MAX);
	while (n-- > 0 && read_record(m, len, &pos, q->type, a) == 0)
		continue;
	return 0;
}

size_t dns_make_answer(const struct dns_question *q, const struct dns_answer *a,
		       uint8_t *m)
{
	size_t pos = HEADER, size = q->type == DNS_A ? 4 : 16;
	unsigned int nr = 0;

	memset(m, 0, HEADER);
	put16(m, q->id);
	put16(m + 2, (uint16_t)(FLAG_QR | FLAG_RA |
				(q->recurse ? FLAG_RD : 0) | a->rcode));
	if (q->name[0])
		pos = put_question(q, m);
	for (unsigned int i = 0; i < a->nr && q->name[0]; i++) {
		if (pos + 12 + size > DNS_MAX)
			break;
		put16(m + pos, POINTER << 8 | HEADER);	/* the question's name */
		put16(m + pos + 2, q->type);
		put16(m + pos + 4, CLASS_IN);
		put32(m + pos + 6, a->ttl);
		put16(m + pos + 10, (uint16_t)size);
		memcpy(m + pos + 12, a->addrs[i].b, size);
		pos += 12 + size;
		nr++;
	}
	put16(m + 6, (uint16_t)nr);
	return pos;
}
