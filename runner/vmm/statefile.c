/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/statefile.c - a machine's state in a file: named, checked sections
 *
 * Runs in podflare-vmm on the main thread.  Distrusts the file that it reads:
 * every length is checked against what is there before it is used.
 */
#include "runner/vmm/statefile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "common/crc32.h"

_Static_assert(sizeof(struct statefile_header) == 32, "layout");
_Static_assert(sizeof(struct statefile_section) == 40, "layout");

void statefile_begin(struct statefile_writer *w)
{
	const struct statefile_header h = { .magic = STATEFILE_MAGIC };

	*w = (struct statefile_writer){ .buf = { .max = STATEFILE_MAX } };
	w->failed = buf_append(&w->buf, &h, sizeof(h)) < 0;
}

void statefile_put(struct statefile_writer *w, const void *data, size_t len,
		   const char *name, ...)
{
	static const uint8_t zeros[8];
	struct statefile_section s = {
		.length = (uint32_t)len, .crc = crc32_of(data, len),
	};
	va_list ap;

	va_start(ap, name);
	vsnprintf(s.name, sizeof(s.name), name, ap);
	va_end(ap);
	w->sections++;
	if (buf_append(&w->buf, &s, sizeof(s)) < 0 ||
	    buf_append(&w->buf, data, len) < 0 ||
	    buf_append(&w->buf, zeros, ALIGN_UP(len, 8) - len) < 0)
		w->failed = true;
}

int statefile_end(struct statefile_writer *w, int fd, struct err *err)
{
	struct statefile_header *h = (void *)w->buf.data;
	size_t done = 0;
	int rc = 0;

	if (w->failed) {
		rc = err_set(err, ERR_NO_MEMORY, "state: out of memory");
		goto out;
	}
	h->version = STATEFILE_VERSION;
	h->sections = w->sections;
	h->length = w->buf.len;
	h->crc = crc32_of(h, offsetof(struct statefile_header, crc));
	while (done < w->buf.len && rc == 0) {
		ssize_t n = TEMP_FAILURE_RETRY(pwrite(fd, w->buf.data + done,
						      w->buf.len - done,
						      (off_t)done));

		if (n <= 0)
			rc = err_sys(err, n < 0 ? errno : EIO, "state");
		else
			done += (size_t)n;
	}
out:
	buf_free(&w->buf);
	return rc;
}

/* Return: the section at @off, NULL with @err when it does not fit. */
static const struct statefile_section *
section_at(const struct statefile *s, size_t off, struct err *err)
{
	const struct statefile_section *sec = (const void *)(s->data + off);

	if (s->len - off < sizeof(*sec) ||
	    ALIGN_UP((size_t)sec->length, 8) > s->len - off - sizeof(*sec)) {
		err_set(err, ERR_IO, "state: cut short");
		return NULL;
	}
	return sec;
}

static size_t next_section(const struct statefile_section *sec, size_t off)
{
	return off + sizeof(*sec) + ALIGN_UP((size_t)sec->length, 8);
}

/* Return: whether it ends, and nothing comes behind its end. */
static bool name_ok(const char *name)
{
	static const char zeros[STATEFILE_NAME];
	size_t len = strnlen(name, STATEFILE_NAME);

	return len < STATEFILE_NAME &&
	       memcmp(name + len, zeros, STATEFILE_NAME - len) == 0;
}

static int check(const struct statefile *s, struct err *err)
{
	const struct statefile_header *h = (const void *)s->data;
	size_t off = sizeof(*h);

	if (s->len < sizeof(*h) ||
	    memcmp(h->magic, STATEFILE_MAGIC, sizeof(h->magic)) != 0)
		return err_set(err, ERR_IO, "state: not a machine's state");
	if (h->crc != crc32_of(h, offsetof(struct statefile_header, crc)))
		return err_set(err, ERR_IO, "state: damaged header");
	if (h->version != STATEFILE_VERSION)
		return err_set(err, ERR_VERSION, "state: version %u, this "
			       "program knows %d", h->version,
			       STATEFILE_VERSION);
	if (h->length != s->len)
		return err_set(err, ERR_IO, "state: %zu bytes, not %llu",
			       s->len, (unsigned long long)h->length);
	for (uint32_t i = 0; i < h->sections; i++) {
		const struct statefile_section *sec = section_at(s, off, err);

		if (!sec)
			return -1;
		if (!name_ok(sec->name) ||
		    sec->crc != crc32_of(sec + 1, sec->length))
			return err_set(err, ERR_IO, "state: section %u is "
				       "damaged", i);
		off = next_section(sec, off);
	}
	if (off != s->len)
		return err_set(err, ERR_IO, "state: bytes behind the end");
	return 0;
}

int statefile_load(struct statefile *s, int fd, struct err *err)
{
	uint64_t size;

	*s = (struct statefile){ 0 };
	if (util_file_size(fd, &size) < 0)
		return err_sys(err, errno, "state");
	if (size > STATEFILE_MAX)
		return err_set(err, ERR_IO, "state: %llu bytes are too many",
			       (unsigned long long)size);
	s->data = malloc(size + 1);
	if (!s->data)
		return err_set(err, ERR_NO_MEMORY, "state: out of memory");
	while (s->len < size) {
		ssize_t n = TEMP_FAILURE_RETRY(pread(fd, s->data + s->len,
						     size - s->len,
						     (off_t)s->len));

		if (n <= 0) {
			err_sys(err, n < 0 ? errno : EIO, "state");
			statefile_free(s);
			return -1;
		}
		s->len += (size_t)n;
	}
	if (check(s, err) == 0)
		return 0;
	statefile_free(s);
	return -1;
}

void statefile_free(struct statefile *s)
{
	free(s->data);
	*s = (struct statefile){ 0 };
}

static const void *find(const struct statefile *s, size_t *len,
			const char *want)
{
	const struct statefile_header *h = (const void *)s->data;
	size_t off = sizeof(*h);

	for (uint32_t i = 0; i < h->sections; i++) {
		const struct statefile_section *sec =
			(const void *)(s->data + off);

		if (strcmp(sec->name, want) == 0) {
			*len = sec->length;
			return sec + 1;
		}
		off = next_section(sec, off);
	}
	return NULL;
}

const void *statefile_find(const struct statefile *s, size_t *len,
			   const char *name, ...)
{
	char want[STATEFILE_NAME];
	va_list ap;

	va_start(ap, name);
	vsnprintf(want, sizeof(want), name, ap);
	va_end(ap);
	return find(s, len, want);
}

int statefile_get(const struct statefile *s, void *data, size_t len,
		  struct err *err, const char *name, ...)
{
	char want[STATEFILE_NAME];
	const void *found;
	size_t there;
	va_list ap;

	va_start(ap, name);
	vsnprintf(want, sizeof(want), name, ap);
	va_end(ap);
	found = find(s, &there, want);
	if (!found)
		return err_set(err, ERR_IO, "state: no section \"%s\"", want);
	if (there != len)
		return err_set(err, ERR_IO, "state: section \"%s\" has %zu "
			       "bytes, not %zu", want, there, len);
	memcpy(data, found, len);
	return 0;
}
