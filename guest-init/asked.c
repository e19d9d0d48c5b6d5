/* SPDX-License-Identifier: MIT */
/*
 * guest-init/asked.c - the files that HASH or FETCH is about
 *
 * A child of pid 1.  The host's stream is checked in form.
 */
#include "guest-init/asked.h"

#include <errno.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/tlv.h"

#define RECORD_MAX (64 * KIB)

/* Return: as stream_read(). */
static int read_part(struct stream_in *in, void *to, size_t len, struct err *err)
{
	int rc = stream_read(in, to, len, err);

	if (rc < 0 && err->code == ERR_FAILED)
		err_set(err, ERR_PROTOCOL, "a record is cut short");
	return rc;
}

int asked_record(struct buf *b, size_t max, struct stream_in *in,
		 struct err *err)
{
	uint32_t len;
	void *to;
	int rc = read_part(in, &len, sizeof(len), err);

	if (rc <= 0)
		return rc;
	if (len > max)
		return err_set(err, ERR_PROTOCOL, "a record of %u bytes", len);
	b->len = 0;
	to = buf_reserve(b, len);
	if (!to)
		return err_sys(err, errno, "record");
	b->len = len;
	rc = len ? read_part(in, to, len, err) : 1;
	if (rc == 0)
		return err_set(err, ERR_PROTOCOL, "a record is cut short");
	return rc;
}

static int parse(struct asked *a, const struct buf *b, struct err *err)
{
	struct tlv t;
	size_t pos = 0;
	int rc;

	while ((rc = tlv_next(b->data, b->len, &pos, &t)) > 0) {
		if (t.tag == AGENT_T_IMAGE)
			a->image = tlv_u32(&t) != 0;
		if (t.tag != AGENT_T_PATH)
			continue;
		free(a->path);
		a->path = tlv_strdup(&t);
		if (!a->path)
			return err_set(err, ERR_PROTOCOL, "a value holds a NUL");
	}
	if (rc < 0 || !a->path)
		return err_set(err, ERR_PROTOCOL, "malformed record");
	return 0;
}

static struct asked *add(struct asked_list *l, size_t bytes, struct err *err)
{
	size_t room = l->room ? 2 * l->room : 64;
	struct asked *grown;

	l->bytes += bytes + sizeof(*grown);
	if (l->bytes > ASKED_MAX) {
		err_set(err, ERR_LIMIT, "more than %llu MiB of paths",
			ASKED_MAX / MIB);
		return NULL;
	}
	if (l->n == l->room) {
		grown = realloc(l->items, room * sizeof(*grown));
		if (!grown) {
			err_sys(err, ENOMEM, "paths");
			return NULL;
		}
		l->items = grown;
		l->room = room;
	}
	l->items[l->n] = (struct asked){ 0 };
	return &l->items[l->n++];
}

int asked_read(struct asked_list *l, struct stream_in *in, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int rc;

	while ((rc = asked_record(&b, RECORD_MAX, in, err)) > 0) {
		struct asked *a = add(l, b.len, err);

		if (!a || parse(a, &b, err) < 0)
			return -1;
	}
	return rc;
}

void asked_free(struct asked_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i].path);
	free(l->items);
	*l = (struct asked_list){ 0 };
}
