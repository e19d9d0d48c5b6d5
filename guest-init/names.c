/* SPDX-License-Identifier: MIT */
/*
 * guest-init/names.c - the names of a folder, sorted
 *
 * A child of pid 1.  Whoever made the folder chose the names: sorting takes
 * n log n steps whatever they are.
 */
#include "guest-init/names.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/util.h"

#define TEXT_MIN 1024
#define LIST_MIN 32
#define RUN 8			/* sorted by insertion */

/* As the kernel writes it. */
struct dent {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

void names_init(struct names *s, size_t *budget)
{
	*s = (struct names){ .budget = budget };
}

void names_free(struct names *s)
{
	*s->budget += s->cap + s->room * sizeof(*s->list);
	free(s->text);
	free(s->list);
	names_init(s, s->budget);
}

/* Twice the room. @param size of one element. Return: how many there are now. */
static size_t grow(struct names *s, void *array, size_t room, size_t size,
		   size_t first)
{
	size_t more = room ? room : first;
	void *grown;

	if (more * size > *s->budget) {
		errno = ENOBUFS;
		return 0;
	}
	grown = realloc(*(void **)array, (room + more) * size);
	if (!grown)
		return 0;
	*s->budget -= more * size;
	*(void **)array = grown;
	return room + more;
}

int names_add(struct names *s, const char *name, size_t len)
{
	size_t room;

	while (s->cap - s->len <= len) {
		room = grow(s, &s->text, s->cap, 1, TEXT_MIN);
		if (!room)
			return -1;
		s->cap = room;
	}
	if (s->n == s->room) {
		room = grow(s, &s->list, s->room, sizeof(*s->list), LIST_MIN);
		if (!room)
			return -1;
		s->room = room;
	}
	s->list[s->n++] = (struct name){ 0, (uint32_t)s->len, NAMES_NONE };
	memcpy(s->text + s->len, name, len);
	s->text[s->len + len] = '\0';
	s->len += len + 1;
	return 0;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' &&
	       (!name[1] || (name[1] == '.' && !name[2]));
}

int names_read(struct names *s, int fd)
{
	static _Alignas(struct dent) char bytes[128 * 1024];
	long n;

	while ((n = syscall(SYS_getdents64, fd, bytes, sizeof(bytes))) > 0) {
		for (long at = 0; at < n;) {
			struct dent *d = (struct dent *)(void *)(bytes + at);

			at += d->len;
			if (!is_dots(d->name) &&
			    names_add(s, d->name, strlen(d->name)) < 0)
				return -1;
		}
	}
	return n < 0 ? -1 : 0;
}

/* Bytes that all names begin with. */
static size_t common_start(const struct names *s)
{
	const char *first = s->text + s->list[0].at;
	size_t len = strlen(first);

	for (size_t i = 1; i < s->n && len; i++) {
		const char *name = s->text + s->list[i].at;
		size_t k = 0;

		while (k < len && name[k] == first[k])
			k++;
		len = k;
	}
	return len;
}

/* The next eight bytes of each name, as a number of the same order. */
static void make_keys(struct names *s, size_t skip)
{
	for (size_t i = 0; i < s->n; i++) {
		const uint8_t *p = (uint8_t *)s->text + s->list[i].at + skip;
		uint64_t key = 0;
		int k = 0;

		while (k < 8 && p[k])
			key = key << 8 | p[k++];
		s->list[i].key = k ? key << (8 * (8 - k)) : 0;
	}
}

static int compare(const struct names *s, const struct name *a,
		   const struct name *b)
{
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return strcmp(s->text + a->at, s->text + b->at);
}

static void insert_run(const struct names *s, struct name *list, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct name one = list[i];
		size_t k = i;

		for (; k && compare(s, &list[k - 1], &one) > 0; k--)
			list[k] = list[k - 1];
		list[k] = one;
	}
}

static void merge(const struct names *s, const struct name *a, size_t na,
		  const struct name *b, size_t nb, struct name *to)
{
	while (na && nb) {
		if (compare(s, a, b) <= 0) {
			*to++ = *a++;
			na--;
		} else {
			*to++ = *b++;
			nb--;
		}
	}
	memcpy(to, na ? a : b, (na + nb) * sizeof(*to));
}

/* From runs of @len to runs of twice that. */
static void merge_runs(const struct names *s, const struct name *from,
		       struct name *to, size_t len)
{
	for (size_t i = 0; i < s->n; i += 2 * len) {
		size_t na = MIN(len, s->n - i);
		size_t nb = MIN(len, s->n - i - na);

		merge(s, from + i, na, from + i + na, nb, to + i);
	}
}

static void drop_doubles(struct names *s)
{
	size_t n = 1;

	for (size_t i = 1; i < s->n; i++)
		if (compare(s, &s->list[n - 1], &s->list[i]) != 0)
			s->list[n++] = s->list[i];
	s->n = n;
}

int names_sort(struct names *s)
{
	struct name *other;

	if (s->n < 2)
		return 0;
	make_keys(s, common_start(s));
	for (size_t i = 0; i < s->n; i += RUN)
		insert_run(s, s->list + i, MIN(RUN, s->n - i));
	other = s->n > RUN ? malloc(s->room * sizeof(*other)) : NULL;
	if (s->n > RUN && !other)
		return -1;
	for (size_t len = RUN; len < s->n; len *= 2) {
		struct name *from = s->list;

		merge_runs(s, from, other, len);
		s->list = other;
		other = from;
	}
	free(other);
	drop_doubles(s);
	return 0;
}
