/* SPDX-License-Identifier: MIT */
/*
 * guest-init/links.c - which files with several names were archived already
 *
 * A transfer's process.  When memory for it runs out, the remaining ones are
 * archived as files of their own.
 */
#include "guest-init/links.h"

#include "common/util.h"

struct link {
	dev_t dev;
	ino_t ino;
	char name[];
};

static size_t slot(const struct links *l, dev_t dev, ino_t ino)
{
	uint64_t h = ((uint64_t)ino ^ (uint64_t)dev << 40) * 0x9e3779b97f4a7c15;
	size_t i = (size_t)(h >> 20) & (l->size - 1);

	while (l->table[i] && (l->table[i]->ino != ino || l->table[i]->dev != dev))
		i = (i + 1) & (l->size - 1);
	return i;
}

static int grow(struct links *l)
{
	struct links bigger = { .size = l->size ? l->size * 2 : 256 };

	bigger.table = calloc(bigger.size, sizeof(struct link *));
	if (!bigger.table)
		return -1;
	for (size_t i = 0; i < l->size; i++) {
		struct link *k = l->table[i];

		if (k)
			bigger.table[slot(&bigger, k->dev, k->ino)] = k;
	}
	free(l->table);
	l->table = bigger.table;
	l->size = bigger.size;
	return 0;
}

const char *links_find(struct links *l, const struct stat *st, const char *name)
{
	size_t len = strlen(name) + 1, i;
	struct link *k;

	if (st->st_nlink < 2)
		return NULL;
	if (l->used * 2 >= l->size && grow(l) < 0)
		return NULL;
	i = slot(l, st->st_dev, st->st_ino);
	if (l->table[i])
		return l->table[i]->name;
	if (l->bytes + sizeof(*k) + len > LINKS_BYTES_MAX)
		return NULL;
	k = malloc(sizeof(*k) + len);
	if (!k)
		return NULL;
	k->dev = st->st_dev;
	k->ino = st->st_ino;
	memcpy(k->name, name, len);
	l->table[i] = k;
	l->used++;
	l->bytes += sizeof(*k) + len;
	return NULL;
}

void links_free(struct links *l)
{
	for (size_t i = 0; i < l->size; i++)
		free(l->table[i]);
	free(l->table);
	memset(l, 0, sizeof(*l));
}
