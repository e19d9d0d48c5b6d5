/* SPDX-License-Identifier: MIT */
/*
 * machine/mux.h - many byte streams over one
 *
 * Theory of operation: between the host's supervisor and the emulated machine
 * there is one virtio-serial port, a byte stream whose ends are restarted at
 * will while the other lives on; bytes of an earlier life may then still come.
 * So a session begins with a search: the host sends filler, which completes
 * (and spoils) whatever frame the guest may wait for, then a magic number with
 * a fresh nonce; the guest answers with its own magic number and that nonce;
 * each drops all it reads until it has found the other's.  Every frame ends
 * with the session's number, and counts only then: a frame cut short by a death
 * is never delivered.  A frame that is not right ends the session, all channels
 * with it, and the search begins again.
 *
 * A frame: le32 length, u8 type, 3 zero bytes, le32 channel, payload, le64
 * session.  The host opens channels; a channel's number is never used twice.
 * Each direction of a channel has a window: no more than MUX_WINDOW bytes are
 * under way or kept for a slow reader, and no channel waits for another's.
 *
 * This file does no input and output: bytes are put in with mux_input() and
 * taken from mux.out.  Callbacks may close any channel.
 */
#ifndef PODFLARE_MACHINE_MUX_H
#define PODFLARE_MACHINE_MUX_H

#include <stdbool.h>

#include "common/buf.h"

#define MUX_DATA_MAX (32 * 1024)	/* payload of a frame */
#define MUX_WINDOW (256 * 1024)		/* bytes, per channel and direction */
#define MUX_CHANNELS 256
#define MUX_KIND_MAX 31			/* bytes of a channel's kind */
#define MUX_OUT_SOFT (256 * 1024)	/* above it, mux_send() takes nothing */
#define MUX_OUT_MAX (4 * 1024 * 1024)	/* above it, the session ends */

struct mux;

struct mux_chan {
	struct mux *mux;
	struct mux_chan *next;
	void *user;		/* the owner's */
	uint32_t id;
	uint32_t credit;	/* bytes we may send */
	uint32_t granted;	/* bytes the peer may send */
	uint32_t owed;		/* consumed, to be granted again */
	struct buf rx;		/* bytes for the owner: mux_consumed() */
	bool rx_eof;		/* no more will come */
	bool rx_closed;		/* and the peer takes nothing any more */
	bool tx_eof;
	bool waits;		/* for mux_ops.output */
};

struct mux_ops {
	/* The session stands (@up), or ended: its channels are gone. */
	void (*session)(struct mux *m, bool up);
	/* Guest only: the peer opened a channel; mux_close() refuses it. */
	void (*opened)(struct mux_chan *ch, const char *kind);
	/* rx grew, rx_eof or rx_closed was set. */
	void (*input)(struct mux_chan *ch);
	/* After mux_want(): there is room to send. */
	void (*output)(struct mux_chan *ch);
	/* The session ended; @ch is freed on return. */
	void (*gone)(struct mux_chan *ch);
};

enum mux_role { MUX_HOST, MUX_GUEST };

struct mux {
	const struct mux_ops *ops;
	enum mux_role role;
	bool up;
	bool stuck;		/* out ran over: the session ends */
	uint8_t nonce[16];
	uint8_t found[32];	/* of the search: what matches so far */
	size_t found_len;
	uint32_t last_id;	/* of the newest channel */
	uint32_t served;	/* whose output() was called last */
	unsigned int nr_chans;
	struct mux_chan *chans;
	struct buf in;
	struct buf out;		/* to be written to the port */
	unsigned long failures;	/* sessions that ended by a wrong frame */
};

/* Guest: @m waits for a host. Host: call mux_hello() when connected. */
void mux_init(struct mux *m, enum mux_role role, const struct mux_ops *ops);
void mux_free(struct mux *m);
/* The port was closed: end the session, drop what was to be written. */
void mux_hangup(struct mux *m);
/* Host: begin a session (again); out begins with filler and nonce.
 * Guest: make a host that believes in an older session notice. */
void mux_hello(struct mux *m);
/* Bytes from the port, in pieces of any size. */
void mux_input(struct mux *m, const void *data, size_t len);
/* @n bytes of m->out were written: calls output() of those who wait. */
void mux_written(struct mux *m, size_t n);

/* Host, while the session stands. Return: a channel, or NULL with errno
 * (ENOTCONN, EMFILE, ENOMEM). */
struct mux_chan *mux_open(struct mux *m, const char *kind, void *user);
/* How much mux_send() would take now. */
size_t mux_room(const struct mux_chan *ch);
/* Return: bytes taken, at most mux_room(). */
size_t mux_send(struct mux_chan *ch, const void *data, size_t len);
/* Ask for one output() call as soon as mux_room() is not 0. */
void mux_want(struct mux_chan *ch);
/* Nothing more will be sent. */
void mux_send_eof(struct mux_chan *ch);
/* The owner took @n bytes off rx (this drops them and grants them again). */
void mux_consumed(struct mux_chan *ch, size_t n);
/* End the channel, both ways; @ch is freed. What was sent arrives. */
void mux_close(struct mux_chan *ch);

#endif
