/* SPDX-License-Identifier: MIT */
/* tests/unit/mux-pair.h - two ends of a multiplexer in memory */
#ifndef PODFLARE_TESTS_MUX_PAIR_H
#define PODFLARE_TESTS_MUX_PAIR_H

#include <endian.h>

#include "machine/mux-wire.h"
#include "machine/mux.h"
#include "tests/unit/unit.h"

struct end {
	struct mux mux;
	int ups, downs, gones, inputs, outputs;
	struct mux_chan *opened;	/* the last one */
	char kind[MUX_KIND_MAX + 1];
	bool refuse;
};

static struct end *end_of(struct mux *m)
{
	return container_of(m, struct end, mux);
}

static void on_session(struct mux *m, bool up)
{
	*(up ? &end_of(m)->ups : &end_of(m)->downs) += 1;
}

static void on_opened(struct mux_chan *ch, const char *kind)
{
	struct end *e = end_of(ch->mux);

	strcpy(e->kind, kind);
	e->opened = ch;
	if (e->refuse)
		mux_close(ch);
}

#define COUNTER(name, member) \
	static void name(struct mux_chan *ch) { end_of(ch->mux)->member++; }

COUNTER(on_input, inputs)
COUNTER(on_output, outputs)
COUNTER(on_gone, gones)

static const struct mux_ops ops = {
	on_session, on_opened, on_input, on_output, on_gone,
};

struct pair {
	struct end host, guest;
	unsigned int seed;
};

/* Carry at most @max bytes from @a to @b. Return: bytes carried. */
static size_t carry(struct pair *p, struct end *a, struct end *b, size_t max)
{
	size_t n = MIN(a->mux.out.len, max);
	uint8_t *copy;

	if (n > 1)
		n = 1 + (size_t)rand_r(&p->seed) % n;
	copy = malloc(n + 1);
	if (n)
		memcpy(copy, a->mux.out.data, n);
	mux_written(&a->mux, n);
	mux_input(&b->mux, copy, n);
	free(copy);
	return n;
}

static void settle(struct pair *p)
{
	while (carry(p, &p->host, &p->guest, 70000) +
	       carry(p, &p->guest, &p->host, 70000))
		;
}

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	p->seed = 1;
	mux_init(&p->host.mux, MUX_HOST, &ops);
	mux_init(&p->guest.mux, MUX_GUEST, &ops);
	mux_hello(&p->guest.mux);
	mux_hello(&p->host.mux);
	settle(p);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	mux_free(&p->host.mux);
	mux_free(&p->guest.mux);
	free(p);
	return 0;
}

static struct mux_chan *open_one(struct pair *p, struct mux_chan **far)
{
	struct mux_chan *ch = mux_open(&p->host.mux, "runner", p);

	assert_non_null(ch);
	settle(p);
	*far = p->guest.opened;
	assert_non_null(*far);
	return ch;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
