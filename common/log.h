/* SPDX-License-Identifier: MIT */
/* common/log.h - diagnostics on stderr, one line each, with a level */
#ifndef PODFLARE_COMMON_LOG_H
#define PODFLARE_COMMON_LOG_H

#include "common/util.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* @param name prefix of every line, must outlive the process's logging
 * @param level lines above it are dropped; PODFLARE_LOG=debug overrides */
void log_init(const char *name, enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/* A guest or client must not fill the log: at most 10 lines in 10 s.
 * Return: true when the line may be written. */
struct ratelimit {
	uint64_t window_ns;
	unsigned int lines;
};
int ratelimit_ok(struct ratelimit *rl);
#define log_warn_limited(rl, ...) \
	do { \
		if (ratelimit_ok(rl)) \
			log_warn(__VA_ARGS__); \
	} while (0)

#endif
