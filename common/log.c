/* SPDX-License-Identifier: MIT */
/*
 * common/log.c - diagnostics on stderr, one line each
 *
 * Any process, any thread: a line is one write(2).  Control characters in a
 * line become '?', so that text from a guest cannot forge lines or drive a
 * terminal.
 */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "common/loop.h"

#define LIMIT_WINDOW_NS (10 * 1000000000ULL)
#define LIMIT_LINES 10

static const char *log_name = "podflare";
static enum log_level log_max = LOG_INFO;

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

void log_init(const char *name, enum log_level level)
{
	const char *env = getenv("PODFLARE_LOG");

	log_name = name;
	log_max = level;
	for (size_t i = 0; env && i < ARRAY_SIZE(level_names); i++)
		if (strcmp(env, level_names[i]) == 0)
			log_max = i;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	struct timespec ts;
	struct tm tm;
	va_list ap;
	size_t n, start;

	if (level > log_max)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ldZ %s[%d]: %s: ",
			      ts.tv_nsec / 1000000, log_name, (int)getpid(),
			      level_names[level]);
	start = n;
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	for (size_t i = start; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return;	/* nowhere to say so */
}

/* See log.h; on the first line of a window the count starts anew. */
int ratelimit_ok(struct ratelimit *rl)
{
	uint64_t now = now_ns();

	if (rl->window_ns == 0 || now - rl->window_ns > LIMIT_WINDOW_NS) {
		rl->window_ns = now;
		rl->lines = 0;
	}
	return rl->lines++ < LIMIT_LINES;
}
