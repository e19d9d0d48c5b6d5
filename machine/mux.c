/* SPDX-License-Identifier: MIT */
/*
 * machine/mux.c - many byte streams over one
 *
 * Both ends, one thread.  Distrusts the peer: what it sends is bounded by what
 * was granted, channel numbers only grow, anything else ends the session.  See
 * mux.h for how it works.
 */
#include "machine/mux.h"

#include <endian.h>
#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

#include "machine/mux-wire.h"

#define PEER(m) ((m)->role == MUX_HOST ? MUX_GUEST : MUX_HOST)

void mux_init(struct mux *m, enum mux_role role, const struct mux_ops *ops)
{
	memset(m, 0, sizeof(*m));
	m->role = role;
	m->ops = ops;
	m->out.max = MUX_OUT_MAX;
}

static void chan_free(struct mux_chan *ch)
{
	struct mux *m = ch->mux;

	for (struct mux_chan **at = &m->chans; *at; at = &(*at)->next) {
		if (*at == ch) {
			*at = ch->next;
			break;
		}
	}
	m->nr_chans--;
	buf_free(&ch->rx);
	free(ch);
}

static void session_end(struct mux *m)
{
	bool was_up = m->up;

	m->up = m->stuck = false;
	m->found_len = 0;
	m->out.len = 0;
	while (m->chans) {
		struct mux_chan *ch = m->chans;

		m->ops->gone(ch);
		chan_free(ch);
	}
	if (was_up)
		m->ops->session(m, false);
}

/* Free all channels (gone() is called) and buffers. */
void mux_free(struct mux *m)
{
	session_end(m);
	buf_free(&m->in);
	buf_free(&m->out);
}

void mux_hangup(struct mux *m)
{
	session_end(m);
	m->in.len = 0;
}

void mux_hello(struct mux *m)
{
	session_end(m);
	mux_wire_filler(&m->out);
	if (m->role == MUX_GUEST)
		return;
	/* fails only before the kernel's pool is up, long past for us */
	if (getrandom(m->nonce, MUX_NONCE, 0) != MUX_NONCE)
		BUG("getrandom");
	mux_wire_hello(&m->out, MUX_HOST, m->nonce);
}

static void put(struct mux *m, enum mux_type type, uint32_t id,
		const void *data, size_t len)
{
	/* the peer reads nothing; no callback expects the session to end here,
	 * so that waits for the next input */
	if (mux_wire_put(&m->out, m->nonce, type, id, data, len) < 0)
		m->stuck = true;
}

static struct mux_chan *chan_find(struct mux *m, uint32_t id)
{
	struct mux_chan *ch = m->chans;

	while (ch && ch->id != id)
		ch = ch->next;
	return ch;
}

static struct mux_chan *chan_new(struct mux *m, uint32_t id)
{
	struct mux_chan *ch;

	if (m->nr_chans == MUX_CHANNELS) {
		errno = EMFILE;
		return NULL;
	}
	ch = calloc(1, sizeof(*ch));
	if (!ch)
		return NULL;
	ch->mux = m;
	ch->id = id;
	ch->credit = ch->granted = MUX_WINDOW;
	ch->rx.max = MUX_WINDOW;
	ch->next = m->chans;
	m->chans = ch;
	m->nr_chans++;
	return ch;
}

struct mux_chan *mux_open(struct mux *m, const char *kind, void *user)
{
	struct mux_chan *ch;

	BUG_ON(m->role != MUX_HOST || strlen(kind) > MUX_KIND_MAX);
	if (!m->up || m->last_id == UINT32_MAX) {
		errno = ENOTCONN;
		return NULL;
	}
	ch = chan_new(m, m->last_id + 1);
	if (!ch)
		return NULL;
	m->last_id++;
	ch->user = user;
	put(m, MUX_OPEN, ch->id, kind, strlen(kind));
	return ch;
}

size_t mux_room(const struct mux_chan *ch)
{
	size_t out = ch->mux->out.len;

	if (ch->tx_eof || ch->rx_closed || out >= MUX_OUT_SOFT)
		return 0;
	return MIN(ch->credit, MUX_OUT_SOFT - out);
}

size_t mux_send(struct mux_chan *ch, const void *data, size_t len)
{
	size_t room = MIN(len, mux_room(ch)), done = 0;

	while (done < room) {
		size_t n = MIN(room - done, (size_t)MUX_DATA_MAX);

		put(ch->mux, MUX_DATA, ch->id, (const char *)data + done, n);
		done += n;
	}
	ch->credit -= (uint32_t)done;
	return done;
}

void mux_want(struct mux_chan *ch)
{
	ch->waits = true;
}

void mux_send_eof(struct mux_chan *ch)
{
	if (ch->tx_eof || ch->rx_closed)
		return;
	ch->tx_eof = true;
	put(ch->mux, MUX_EOF, ch->id, NULL, 0);
}

void mux_consumed(struct mux_chan *ch, size_t n)
{
	uint32_t le;

	buf_consume(&ch->rx, n);
	ch->owed += (uint32_t)n;
	if (ch->owed < MUX_WINDOW / 4 || ch->rx_eof || ch->rx_closed)
		return;
	ch->granted += ch->owed;
	le = htole32(ch->owed);
	ch->owed = 0;
	put(ch->mux, MUX_GRANT, ch->id, &le, sizeof(le));
}

void mux_close(struct mux_chan *ch)
{
	if (!ch->rx_closed)
		put(ch->mux, MUX_CLOSE, ch->id, NULL, 0);
	chan_free(ch);
}

/* Whoever waits and may send, in turn: the next number after the last served. */
static struct mux_chan *next_waiting(struct mux *m)
{
	struct mux_chan *after = NULL, *first = NULL;

	for (struct mux_chan *ch = m->chans; ch; ch = ch->next) {
		if (!ch->waits || !mux_room(ch))
			continue;
		if (!first || ch->id < first->id)
			first = ch;
		if (ch->id > m->served && (!after || ch->id < after->id))
			after = ch;
	}
	return after ? after : first;
}

static void serve_waiting(struct mux *m)
{
	struct mux_chan *ch;

	while (m->out.len < MUX_OUT_SOFT && (ch = next_waiting(m))) {
		m->served = ch->id;
		ch->waits = false;
		m->ops->output(ch);
	}
}

void mux_written(struct mux *m, size_t n)
{
	buf_consume(&m->out, n);
	serve_waiting(m);
}

static int on_open(struct mux *m, const struct mux_frame *f)
{
	char kind[MUX_KIND_MAX + 1];
	struct mux_chan *ch;

	if (m->role != MUX_GUEST || f->id <= m->last_id ||
	    f->len > MUX_KIND_MAX || memchr(f->data, '\0', f->len))
		return -1;
	memcpy(kind, f->data, f->len);
	kind[f->len] = '\0';
	m->last_id = f->id;
	ch = chan_new(m, f->id);
	if (ch)
		m->ops->opened(ch, kind);
	else
		put(m, MUX_CLOSE, f->id, NULL, 0);
	return 0;
}

static int on_data(struct mux_chan *ch, const struct mux_frame *f)
{
	if (ch->rx_eof || f->len > ch->granted)
		return -1;
	if (buf_append(&ch->rx, f->data, f->len) < 0)
		return -1;
	ch->granted -= f->len;
	ch->mux->ops->input(ch);
	return 0;
}

static int on_grant(struct mux_chan *ch, const struct mux_frame *f)
{
	uint32_t n;

	if (f->len != sizeof(n))
		return -1;
	memcpy(&n, f->data, sizeof(n));
	n = le32toh(n);
	if (n > MUX_WINDOW - ch->credit)
		return -1;
	ch->credit += n;
	return 0;
}

static int on_frame(struct mux *m, const struct mux_frame *f)
{
	struct mux_chan *ch;

	if (f->type == MUX_OPEN)
		return on_open(m, f);
	if (f->id > m->last_id)
		return -1;
	ch = chan_find(m, f->id);
	if (!ch || ch->rx_closed)
		return 0;	/* we closed it before that was sent */
	switch (f->type) {
	case MUX_DATA:
		return on_data(ch, f);
	case MUX_GRANT:
		return on_grant(ch, f);
	case MUX_EOF:
		if (f->len || ch->rx_eof)
			return -1;
		ch->rx_eof = true;
		m->ops->input(ch);
		return 0;
	case MUX_CLOSE:
		if (f->len)
			return -1;
		ch->rx_eof = ch->rx_closed = true;
		m->ops->input(ch);
		return 0;
	default:
		return -1;
	}
}

static void session_begin(struct mux *m)
{
	const uint8_t *nonce = m->found + MUX_MAGIC;

	m->found_len = 0;
	/* an answer to an earlier hello of ours: go on looking */
	if (m->role == MUX_HOST && memcmp(nonce, m->nonce, MUX_NONCE) != 0)
		return;
	if (m->role == MUX_GUEST) {
		memcpy(m->nonce, nonce, MUX_NONCE);
		mux_wire_hello(&m->out, MUX_GUEST, m->nonce);
	}
	m->last_id = 0;
	m->up = true;
	m->ops->session(m, true);
}

/* Return: bytes of @data that are done with, 0 when more are needed. What ends
 * a session is searched again, for it may hold the beginning of the next. */
static size_t step(struct mux *m, const uint8_t *data, size_t len)
{
	struct mux_frame f;
	ssize_t n;

	if (!m->up) {
		size_t used = mux_wire_search(m, PEER(m), data, len);

		if (m->found_len == MUX_MAGIC + MUX_NONCE)
			session_begin(m);
		return used;
	}
	n = mux_wire_get(data, len, m->nonce, &f);
	if (n == 0)
		return 0;
	if (n < 0 || m->stuck || on_frame(m, &f) < 0) {
		m->failures++;
		mux_hello(m);
		return step(m, data, len);
	}
	return (size_t)n;
}

void mux_input(struct mux *m, const void *data, size_t len)
{
	size_t pos = 0, n;

	if (buf_append(&m->in, data, len) < 0) {
		m->failures++;
		mux_hello(m);
		m->in.len = 0;
		return;
	}
	while (pos < m->in.len &&
	       (n = step(m, m->in.data + pos, m->in.len - pos)) > 0)
		pos += n;
	buf_consume(&m->in, pos);
	serve_waiting(m);
}
