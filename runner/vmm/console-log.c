/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/console-log.c - the bounded file that keeps the console's output
 *
 * Owns the file's contents, not its descriptor.  Runs in podflare-vmm under the
 * console's lock, on any thread.  The bytes are the guest's: they are kept as
 * they are and never looked at, line ends apart.
 */
#include "runner/vmm/console-log.h"

#include <errno.h>
#include <unistd.h>

#define CHUNK 4096

int console_log_init(struct console_log *l, int fd, uint64_t max,
		     struct err *err)
{
	*l = (struct console_log){ .fd = fd, .max = MAX(max, CONSOLE_LOG_MIN) };
	if (fd < 0)
		return 0;
	if (util_file_size(fd, &l->size) < 0)
		return err_sys(err, errno, "console log");
	return 0;
}

/* pwrite(2), whole. */
static int write_at(int fd, const uint8_t *p, size_t n, uint64_t off)
{
	while (n) {
		ssize_t w = TEMP_FAILURE_RETRY(pwrite(fd, p, n, (off_t)off));

		if (w < 0)
			return -1;
		p += w;
		n -= (size_t)w;
		off += (uint64_t)w;
	}
	return 0;
}

/* The first line's beginning at or after @off, if one is near. */
static uint64_t line_start(int fd, uint64_t off)
{
	uint8_t buf[CHUNK], *nl;
	ssize_t n = TEMP_FAILURE_RETRY(pread(fd, buf, sizeof(buf), (off_t)off));

	nl = n > 0 ? memchr(buf, '\n', (size_t)n) : NULL;
	return nl ? off + (uint64_t)(nl - buf) + 1 : off;
}

/* Move the newest half to the front. A copy forward: what is read was not yet
 * written over. */
static int trim(struct console_log *l)
{
	uint64_t from = line_start(l->fd, l->size - l->max / 2), to = 0;
	uint8_t buf[CHUNK];

	while (from < l->size) {
		size_t want = MIN(sizeof(buf), l->size - from);
		ssize_t n = TEMP_FAILURE_RETRY(pread(l->fd, buf, want,
						     (off_t)from));

		if (n < 0 || (n > 0 && write_at(l->fd, buf, (size_t)n, to) < 0))
			return -1;
		if (n == 0)
			break;	/* somebody truncated it */
		from += (uint64_t)n;
		to += (uint64_t)n;
	}
	if (ftruncate(l->fd, (off_t)to) < 0)
		return -1;
	l->size = to;
	return 0;
}

int console_log_append(struct console_log *l, const void *data, size_t n)
{
	const uint8_t *p = data;

	if (l->fd < 0)
		return 0;
	if (n > l->max / 2) {
		p += n - l->max / 2;
		n = l->max / 2;
	}
	if (l->size + n > l->max && l->size > l->max / 2 && trim(l) < 0)
		return -1;
	if (write_at(l->fd, p, n, l->size) < 0)
		return -1;
	l->size += n;
	return 0;
}
