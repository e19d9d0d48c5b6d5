/* SPDX-License-Identifier: MIT */
/* tests/unit/tar-maker.c - tar streams with whatever a header can say */
#include "tests/unit/tar-maker.h"

#include <stdio.h>

#define BLOCK 512

static void put_data(struct buf *b, const char *data, size_t len)
{
	static const char zeros[BLOCK];

	buf_append(b, data, len);
	buf_append(b, zeros, (BLOCK - len % BLOCK) % BLOCK);
}

static void put_header(struct buf *b, const struct tar_member *m, char type,
		       size_t len)
{
	char h[BLOCK] = "";
	unsigned int sum = 0;

	strncpy(h, m->name ? m->name : "", 100);
	snprintf(h + 100, 8, "%07o", (m->mode ? m->mode : 0644) & 07777);
	snprintf(h + 108, 8, "%07o", 0);
	snprintf(h + 116, 8, "%07o", 0);
	if (m->size)
		strncpy(h + 124, m->size, 12);
	else
		snprintf(h + 124, 12, "%011o", (unsigned int)len & 0xffffff);
	snprintf(h + 136, 12, "%011o", 1000000000);
	h[156] = type;
	strncpy(h + 157, m->link ? m->link : "", 100);
	memcpy(h + 257, "ustar\0" "00", 8);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	buf_append(b, h, BLOCK);
}

/* "LEN KEY=VALUE\n" for each line. */
static void put_pax(struct buf *b, const char *lines)
{
	CLEANUP_BUF struct buf records = BUF_INIT;

	while (*lines) {
		size_t n = strcspn(lines, "\n");
		char number[16];
		size_t len = n + 3;

		/* the length counts its own digits */
		do {
			len++;
			snprintf(number, sizeof(number), "%zu", len);
		} while (strlen(number) + n + 2 != len);
		buf_printf(&records, "%s %.*s\n", number, (int)n, lines);
		lines += n;
		lines += *lines == '\n';
	}
	put_header(b, &(struct tar_member){ .name = "pax" }, 'x', records.len);
	put_data(b, (const char *)records.data, records.len);
}

void tar_put(struct buf *b, const struct tar_member *m)
{
	size_t len = m->data ? strlen(m->data) : 0;

	if (m->pax)
		put_pax(b, m->pax);
	if (m->gnu_name) {
		put_header(b, &(struct tar_member){ .name = "././@LongLink" },
			   'L', strlen(m->gnu_name) + 1);
		put_data(b, m->gnu_name, strlen(m->gnu_name) + 1);
	}
	put_header(b, m, m->type ? m->type : '0', len);
	put_data(b, m->data ? m->data : "", len);
}

void tar_end(struct buf *b)
{
	static const char zeros[2 * BLOCK];

	buf_append(b, zeros, sizeof(zeros));
}
