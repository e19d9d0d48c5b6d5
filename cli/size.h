/* SPDX-License-Identifier: MIT */
/* cli/size.h - sizes, durations and times as people write and read them */
#ifndef PODFLARE_CLI_SIZE_H
#define PODFLARE_CLI_SIZE_H

#include "common/err.h"

/* "512M", "8G", "1.5GiB", "4096", "64k": powers of 1024.
 * Return: 0, or -1 with @err (ERR_USAGE). */
int size_parse(const char *text, uint64_t *bytes, struct err *err);
/* "30s", "5m", "1h30m", "2d", "250ms"; a bare number is seconds.
 * Return: 0, or -1 with @err (ERR_USAGE). */
int duration_parse(const char *text, uint64_t *ms, struct err *err);
/* A decimal number. Return: 0, or -1 with @err (ERR_USAGE). */
int number_parse(const char *text, uint64_t *value, struct err *err);

#define SIZE_TEXT 16
/* "512 MiB", "8.0 GiB", "731 B". Return: @out. */
char *size_format(uint64_t bytes, char out[SIZE_TEXT]);
/* "850 ms", "12 s", "5 min", "3 h", "2 d". Return: @out. */
char *duration_format(uint64_t ms, char out[SIZE_TEXT]);
/* How long ago an RFC 3339 time in UTC was, @now in seconds since the epoch:
 * "12 s", "" when it cannot be read. Return: @out. */
char *age_format(const char *time, int64_t now, char out[SIZE_TEXT]);

#endif
