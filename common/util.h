/* SPDX-License-Identifier: MIT */
/* common/util.h - small macros that every file may use */
#ifndef PODFLARE_COMMON_UTIL_H
#define PODFLARE_COMMON_UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define ALIGN_UP(x, a) (((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Repeat a system call that a signal interrupted (as glibc has it). */
#ifndef TEMP_FAILURE_RETRY
#define TEMP_FAILURE_RETRY(call) \
	({ \
		long _rc; \
		do { \
			_rc = (long)(call); \
		} while (_rc == -1 && errno == EINTR); \
		_rc; \
	})
#endif

/* Our own invariant is broken: log where, and abort this one process.
 * Never for data from outside. */
#define BUG(why) bug_abort(__FILE__, __LINE__, why)
#define BUG_ON(cond) \
	do { \
		if (cond) \
			BUG(#cond); \
	} while (0)

/* The size of a file in bytes, by lseek(2), where fstat(3) is out of reach: newer
 * C libraries make it newfstatat(2), and a filter that lets that through lets
 * path names through. Return: 0, or -1 with errno (ESPIPE: not a file). */
int util_file_size(int fd, uint64_t *size);

void bug_abort(const char *file, int line, const char *why)
	__attribute__((noreturn));

#endif
