/* SPDX-License-Identifier: MIT */
/*
 * common/netpolicy.c - what of the network a sandbox may reach: its text
 *
 * Runs in the CLI and the runner, which read it, and in podflare-net, which
 * checks what it is given.  Distrusts the text: whatever is not wholly
 * understood is an error, and an error is "off".
 */
#include "common/netpolicy.h"

#include <arpa/inet.h>
#include <stdio.h>

#define ITEM_MAX 300

static int bad(struct err *err, const char *item, const char *why)
{
	err_set(err, ERR_USAGE, "network policy: \"%.*s\": %s", ITEM_MAX, item,
		why);
	return err_hint(err, "on, off, or allow= with names (*.example.org), "
			"addresses and networks (192.0.2.0/24, [2001:db8::]/32), "
			"each with or without :PORT");
}

/* A label of letters, digits and inner hyphens. Underscores are in use. */
static bool label_ok(const char *s, size_t len)
{
	if (len < 1 || len > 63 || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!(s[i] >= 'a' && s[i] <= 'z') &&
		    !(s[i] >= '0' && s[i] <= '9') && s[i] != '-' && s[i] != '_')
			return false;
	return true;
}

/* 127.1, 0x7f000001, 2130706433: what some would read as an address. */
static bool ends_in_number(const char *last)
{
	return last[strspn(last, "0123456789")] == '\0' ||
	       (last[0] == '0' && last[1] == 'x' &&
		last[2 + strspn(last + 2, "0123456789abcdef")] == '\0');
}

bool netpolicy_name_ok(const char *name)
{
	const char *label = name;

	if (strnlen(name, NETPOLICY_NAME_MAX + 1) > NETPOLICY_NAME_MAX)
		return false;
	for (;;) {
		size_t len = strcspn(label, ".");

		if (!label_ok(label, len))
			return false;
		if (label[len] == '\0')
			return !ends_in_number(label);
		label += len + 1;
	}
}

bool netpolicy_name_matches(const struct netpolicy_rule *r, const char *name)
{
	size_t all = strlen(name), len = strlen(r->name);

	if (r->kind == NETPOLICY_NAME)
		return strcmp(name, r->name) == 0;
	return r->kind == NETPOLICY_SUFFIX && all > len + 1 &&
	       name[all - len - 1] == '.' &&
	       strcmp(name + all - len, r->name) == 0;
}

/* Return: the number, -1: it is none, or above @max. */
static long number(const char *s, size_t len, long max)
{
	long v = 0;

	if (len < 1 || len > 5 || strspn(s, "0123456789") < len)
		return -1;
	for (size_t i = 0; i < len; i++)
		v = v * 10 + (s[i] - '0');
	return v > max ? -1 : v;
}

/* ":443", ":8000-8999" or nothing. */
static int parse_ports(struct netpolicy_rule *r, const char *s)
{
	size_t len;
	long first, last;

	r->first = 0;
	r->last = 65535;
	if (*s == '\0')
		return 0;
	if (*s++ != ':')
		return -1;
	len = strcspn(s, "-");
	first = last = number(s, len, 65535);
	if (s[len] == '-')
		last = number(s + len + 1, strlen(s + len + 1), 65535);
	if (first < 1 || last < first)
		return -1;
	r->first = (uint16_t)first;
	r->last = (uint16_t)last;
	return 0;
}

/* Bits behind the prefix are a slip of somebody's, and not guessed at. */
static bool net_ok(const struct netpolicy_rule *r)
{
	unsigned int bits = r->kind == NETPOLICY_NET4 ? 32 : 128;

	if (r->length > bits)
		return false;
	for (unsigned int i = r->length; i < 128; i++)
		if (r->addr[i / 8] >> (7 - i % 8) & 1)
			return false;
	return true;
}

/* Return: 1 when it is a network, 0: it is none, -1: it is a wrong one. */
static int parse_net(struct netpolicy_rule *r, const char *item)
{
	bool v6 = item[0] == '[';
	size_t len = v6 ? strcspn(++item, "]") : strspn(item, "0123456789.");
	char text[64];
	long bits;

	if (len >= sizeof(text) || (!v6 && len == 0))
		return v6 ? -1 : 0;
	memcpy(text, item, len);
	text[len] = '\0';
	item += len;
	if (!v6 && *item != '\0' && *item != '/' && *item != ':')
		return 0;
	r->kind = v6 ? NETPOLICY_NET6 : NETPOLICY_NET4;
	bits = r->length = v6 ? 128 : 32;
	if ((v6 && *item++ != ']') ||
	    inet_pton(v6 ? AF_INET6 : AF_INET, text, r->addr) != 1)
		return -1;
	if (*item == '/') {
		len = strcspn(++item, ":");
		bits = number(item, len, bits);
		if (bits < 0)
			return -1;
		r->length = (uint8_t)bits;
		item += len;
	}
	return parse_ports(r, item) < 0 || !net_ok(r) ? -1 : 1;
}

static int parse_name(struct netpolicy_rule *r, const char *item)
{
	size_t len;

	r->kind = NETPOLICY_NAME;
	if (strncmp(item, "*.", 2) == 0) {
		r->kind = NETPOLICY_SUFFIX;
		item += 2;
	}
	len = strcspn(item, ":");
	if (len > NETPOLICY_NAME_MAX)
		return -1;
	for (size_t i = 0; i < len; i++)
		r->name[i] = item[i] >= 'A' && item[i] <= 'Z' ?
			     (char)(item[i] + 'a' - 'A') : item[i];
	r->name[len] = '\0';
	return netpolicy_name_ok(r->name) ? parse_ports(r, item + len) : -1;
}

static int parse_item(struct netpolicy *p, const char *item, struct err *err)
{
	struct netpolicy_rule *r = &p->rules[p->nr];
	int rc;

	if (p->nr == NETPOLICY_RULES_MAX)
		return err_set(err, ERR_LIMIT, "network policy: more than %d "
			       "items", NETPOLICY_RULES_MAX);
	for (const char *c = item; *c; c++)
		if (*c & 0x80)
			return bad(err, "a name", "letters of ASCII alone; "
				   "others have a form that begins with xn--");
	rc = parse_net(r, item);
	if (rc < 0)
		return bad(err, item, "not an address, or not a network");
	if (rc == 0 && parse_name(r, item) < 0)
		return bad(err, item, "neither a name nor an address");
	p->nr++;
	return 0;
}

static int parse_list(struct netpolicy *p, const char *text, struct err *err)
{
	for (;;) {
		char item[ITEM_MAX];
		size_t len = strcspn(text, ",");

		if (len >= sizeof(item))
			return bad(err, text, "too long");
		memcpy(item, text, len);
		item[len] = '\0';
		if (parse_item(p, item, err) < 0)
			return -1;
		if (text[len] == '\0')
			return 0;
		text += len + 1;
	}
}

int netpolicy_parse(struct netpolicy *p, const char *text, struct err *err)
{
	memset(p, 0, sizeof(*p));
	if (strcmp(text, "off") == 0)
		return 0;
	if (strcmp(text, "on") == 0) {
		p->mode = NETPOLICY_ON;
		return 0;
	}
	if (strncmp(text, "allow=", 6) != 0)
		return bad(err, text, "not a policy");
	if (parse_list(p, text + 6, err) < 0) {
		memset(p, 0, sizeof(*p));
		return -1;
	}
	p->mode = NETPOLICY_ALLOW;
	return 0;
}

static bool rule_ok(const struct netpolicy_rule *r)
{
	if (r->last < r->first)
		return false;
	switch (r->kind) {
	case NETPOLICY_NAME:
	case NETPOLICY_SUFFIX:
		return netpolicy_name_ok(r->name);
	case NETPOLICY_NET4:
	case NETPOLICY_NET6:
		return net_ok(r);
	default:
		return false;
	}
}

bool netpolicy_check(struct netpolicy *p)
{
	bool ok = p->mode <= NETPOLICY_ALLOW && p->nr <= NETPOLICY_RULES_MAX;

	for (uint32_t i = 0; ok && i < p->nr; i++)
		ok = rule_ok(&p->rules[i]);
	if (!ok)
		memset(p, 0, sizeof(*p));
	return ok;
}
