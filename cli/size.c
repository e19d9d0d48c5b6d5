/* SPDX-License-Identifier: MIT */
/*
 * cli/size.c - sizes, durations and times as people write and read them
 *
 * Runs in the CLI; pure functions.  The text is the user's and may be anything.
 */
#include "cli/size.h"

#include <stdbool.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

/* Digits, and up to six decimals, as millionths: what 1.5 needs, exactly.
 * Return: what follows the number, NULL when there is none or it overflows. */
static const char *decimal(const char *s, uint64_t *whole, uint32_t *millionths)
{
	uint32_t scale = 100000;

	*whole = 0;
	*millionths = 0;
	if (*s < '0' || *s > '9')
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (__builtin_mul_overflow(*whole, 10, whole) ||
		    __builtin_add_overflow(*whole, (uint64_t)(*s - '0'), whole))
			return NULL;
	}
	if (*s != '.')
		return s;
	s++;
	if (*s < '0' || *s > '9')
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++, scale /= 10)
		*millionths += (uint32_t)(*s - '0') * scale;
	return s;
}

/* whole.millionths times @unit. Return: false on overflow. */
static bool scaled(uint64_t whole, uint32_t millionths, uint64_t unit,
		   uint64_t *out)
{
	__uint128_t v = (__uint128_t)whole * unit +
			(__uint128_t)millionths * unit / 1000000;

	*out = (uint64_t)v;
	return v <= INT64_MAX;
}

/* See size.h. */
int number_parse(const char *text, uint64_t *value, struct err *err)
{
	uint32_t millionths;
	const char *end = decimal(text, value, &millionths);

	if (!end || *end || strchr(text, '.'))
		return err_set(err, ERR_USAGE, "\"%s\" is not a number", text);
	return 0;
}

/* See size.h. */
int size_parse(const char *text, uint64_t *bytes, struct err *err)
{
	static const char units[] = "KMGTP";
	uint64_t whole, unit = 1;
	uint32_t millionths;
	const char *s = decimal(text, &whole, &millionths);
	const char *found;

	if (s && *s) {
		found = strchr(units, *s >= 'a' ? *s - 32 : *s);
		if (found) {
			unit = 1ULL << (10 * (found - units + 1));
			s++;
		}
		if (!strcasecmp(s, "B") || (found && !strcasecmp(s, "iB")))
			s = "";
	}
	if (!s || *s || (unit == 1 && millionths) ||
	    !scaled(whole, millionths, unit, bytes)) {
		err_set(err, ERR_USAGE, "\"%s\" is not a size", text);
		return err_hint(err, "sizes look like 512M or 8G");
	}
	return 0;
}

/* See size.h. */
int duration_parse(const char *text, uint64_t *ms, struct err *err)
{
	static const struct {
		char name[3];
		uint64_t ms;
	} units[] = { { "ms", 1 },	 { "s", 1000 },	      { "m", 60000 },
		      { "h", 3600000 },	 { "d", 86400000 },   { "w", 604800000 } };
	const char *s = text;
	uint64_t part;

	*ms = 0;
	do {
		uint64_t whole, unit = 0;
		uint32_t millionths;
		size_t len;

		s = decimal(s, &whole, &millionths);
		if (!s)
			break;
		len = strcspn(s, "0123456789");
		for (size_t i = 0; i < ARRAY_SIZE(units); i++)
			if (strlen(units[i].name) == len &&
			    !strncmp(s, units[i].name, len))
				unit = units[i].ms;
		if (!len && *ms == 0)
			unit = 1000;
		if (!unit || !scaled(whole, millionths, unit, &part) ||
		    __builtin_add_overflow(*ms, part, ms) || *ms > INT64_MAX)
			s = NULL;
		else
			s += len;
	} while (s && *s);
	if (!s) {
		err_set(err, ERR_USAGE, "\"%s\" is not a duration", text);
		return err_hint(err, "durations look like 30s, 5m or 1h30m");
	}
	return 0;
}

/* See size.h. */
char *size_format(uint64_t bytes, char out[SIZE_TEXT])
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB",
					     "PiB", "EiB" };
	double v = (double)bytes / 1024;
	size_t u = 0;

	if (bytes < 1024) {
		snprintf(out, SIZE_TEXT, "%u B", (unsigned int)bytes);
		return out;
	}
	for (; v >= 1023.95 && u + 1 < ARRAY_SIZE(units); u++)
		v /= 1024;
	if (v < 100 && v != (double)(uint64_t)v)
		snprintf(out, SIZE_TEXT, "%.1f %s", v, units[u]);
	else
		snprintf(out, SIZE_TEXT, "%.0f %s", v, units[u]);
	return out;
}

/* See size.h. */
char *duration_format(uint64_t ms, char out[SIZE_TEXT])
{
	uint64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(out, SIZE_TEXT, "%u ms", (unsigned int)ms);
	else if (s < 120)
		snprintf(out, SIZE_TEXT, "%u s", (unsigned int)s);
	else if (s < 2 * 3600)
		snprintf(out, SIZE_TEXT, "%u min", (unsigned int)(s / 60));
	else if (s < 2 * 86400)
		snprintf(out, SIZE_TEXT, "%u h", (unsigned int)(s / 3600));
	else
		snprintf(out, SIZE_TEXT, "%u d", (unsigned int)(s / 86400 % 1000000));
	return out;
}

/* See size.h. */
char *age_format(const char *time, int64_t now, char out[SIZE_TEXT])
{
	struct tm tm = { 0 };
	int64_t then;

	out[0] = '\0';
	if (!strptime(time, "%Y-%m-%dT%H:%M:%S", &tm))
		return out;
	then = timegm(&tm);
	if (now <= then)
		return strcpy(out, "0 s");
	return duration_format((uint64_t)(now - then) * 1000, out);
}
