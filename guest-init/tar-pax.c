/* SPDX-License-Identifier: MIT */
/*
 * guest-init/tar-pax.c - pax records, "LEN KEY=VALUE\n"
 *
 * A transfer's process.  Distrusts the records it reads; keys that it does not
 * know are passed over, as pax(1) demands.
 */
#include "guest-init/tar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static int bad(struct err *err, const char *why)
{
	return err_set(err, ERR_FAILED, "not a valid tar archive: %s", why);
}

/* Decimal digits up to @end. Return: where they stop, NULL when none or too
 * many. */
static const char *digits(const char *p, const char *end, uint64_t *value)
{
	const char *start = p;
	uint64_t v = 0;

	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		if (v > (UINT64_MAX - 9) / 10)
			return NULL;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	*value = v;
	return p == start ? NULL : p;
}

static int number(const char *p, const char *end, uint64_t max, uint64_t *value,
		  struct err *err)
{
	if (digits(p, end, value) != end || *value > max)
		return bad(err, "a number in an extended header");
	return 0;
}

/* Seconds, maybe negative, maybe with a fraction. */
static int time_value(const char *p, const char *end, struct timespec *ts,
		      struct err *err)
{
	bool negative = p < end && *p == '-';
	uint64_t seconds;
	long ns = 0, unit = 100000000;

	p = digits(p + negative, end, &seconds);
	if (!p || seconds > INT64_MAX / 2)
		return bad(err, "a time in an extended header");
	if (p < end && *p == '.')
		for (p++; p < end && *p >= '0' && *p <= '9'; p++, unit /= 10)
			ns += unit * (*p - '0');
	if (p != end)
		return bad(err, "a time in an extended header");
	ts->tv_sec = negative ? -(time_t)seconds : (time_t)seconds;
	ts->tv_nsec = ns;
	if (negative && ns) {
		ts->tv_sec--;
		ts->tv_nsec = 1000000000 - ns;
	}
	return 0;
}

static int text(const char *p, const char *end, char **to, struct err *err)
{
	if (memchr(p, '\0', (size_t)(end - p)))
		return bad(err, "a name holds a NUL");
	free(*to);
	*to = strndup(p, (size_t)(end - p));
	return *to ? 0 : err_sys(err, ENOMEM, "archive");
}

/* "offset,length,offset,length,...": GNU's sparse format 0.1 */
static int map_value(const char *p, const char *end, struct tar_entry *e,
		     struct err *err)
{
	uint64_t offset, len;

	e->nr_extents = 0;
	while (p < end) {
		p = digits(p, end, &offset);
		if (!p || p == end || *p != ',')
			return bad(err, "a sparse file's map");
		p = digits(p + 1, end, &len);
		if (!p || (p < end && *p++ != ','))
			return bad(err, "a sparse file's map");
		if (tar_extent_add(e, offset, len, err) < 0)
			return -1;
	}
	return 0;
}

static int sparse_value(struct tar_entry *e, const char *key, const char *p,
			const char *end, struct err *err)
{
	uint64_t v = 0;

	if (strcmp(key, "name") == 0)
		return text(p, end, &e->name, err);
	if (strcmp(key, "map") == 0)
		return map_value(p, end, e, err);
	if (number(p, end, INT64_MAX, &v, err) < 0)
		return -1;
	e->sparse = true;
	if (strcmp(key, "realsize") == 0 || strcmp(key, "size") == 0) {
		e->size = v;
	} else if (strcmp(key, "major") == 0 && v == 1) {
		e->map_in_data = true;
	} else if (strcmp(key, "offset") == 0) {
		return tar_extent_add(e, v, 0, err);
	} else if (strcmp(key, "numbytes") == 0) {
		if (e->nr_extents == 0)
			return bad(err, "a sparse file's map");
		e->extents[e->nr_extents - 1].len = v;
	}
	return 0;
}

static int record(struct tar_entry *e, const char *key, const char *p,
		  const char *end, struct err *err)
{
	uint64_t v = 0;

	if (strcmp(key, "path") == 0)
		return text(p, end, &e->name, err);
	if (strcmp(key, "linkpath") == 0)
		return text(p, end, &e->link, err);
	if (strcmp(key, "mtime") == 0)
		return time_value(p, end, &e->mtime, err);
	if (strcmp(key, "uid") == 0 || strcmp(key, "gid") == 0) {
		if (number(p, end, UINT32_MAX - 1, &v, err) < 0)
			return -1;
		*(key[0] == 'u' ? &e->uid : &e->gid) = (uint32_t)v;
		return 0;
	}
	if (strcmp(key, "size") == 0) {
		if (number(p, end, INT64_MAX, &v, err) < 0)
			return -1;
		e->stored = v;
		if (!e->sparse)
			e->size = v;
		return 0;
	}
	if (strncmp(key, "GNU.sparse.", 11) == 0)
		return sparse_value(e, key + 11, p, end, err);
	return 0;
}

int tar_pax_apply(struct tar_entry *e, const struct buf *records,
		  struct err *err)
{
	const char *at = (const char *)records->data;
	const char *stop = at + records->len;
	char key[64];

	while (at < stop) {
		uint64_t len;
		const char *p = digits(at, stop, &len), *end, *eq;

		if (!p || *p != ' ' || len > (uint64_t)(stop - at) ||
		    len < (uint64_t)(p - at) + 3 || at[len - 1] != '\n')
			return bad(err, "an extended header");
		end = at + len - 1;
		at += len;
		p++;
		eq = memchr(p, '=', (size_t)(end - p));
		if (!eq)
			return bad(err, "an extended header");
		if ((size_t)(eq - p) >= sizeof(key))
			continue;
		snprintf(key, sizeof(key), "%.*s", (int)(eq - p), p);
		/* an empty value takes an earlier one back: nothing to do */
		if (eq + 1 < end && record(e, key, eq + 1, end, err) < 0)
			return -1;
	}
	return 0;
}

/* The length counts itself: its own digits may make it longer. */
int tar_pax_put(struct buf *records, const char *key, const void *value,
		size_t len)
{
	size_t rest = strlen(key) + len + 3, total = rest + 1;
	char digit_text[24];

	for (;;) {
		size_t n = (size_t)snprintf(digit_text, sizeof(digit_text), "%zu",
					    total);

		if (n + rest == total)
			break;
		total = n + rest;
	}
	if (buf_printf(records, "%zu %s=", total, key) < 0 ||
	    buf_append(records, value, len) < 0)
		return -1;
	return buf_append(records, "\n", 1);
}
