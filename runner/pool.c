/* SPDX-License-Identifier: MIT */
/*
 * runner/pool.c - sandboxes that are ready before anybody asks for them
 *
 * podflared, loop thread.
 *
 * Theory of operation: a timer looks at what config.yaml wants, at what is there
 * and at the host's memory, and does one thing: it removes a member that is of
 * no use or one too many, gives one up when memory is short, or has one made
 * (pool-make.c).  One is made only when nothing in the foreground has begun for
 * QUIET_MS and nothing goes on; not for ever, as somebody may always be busy
 * (PATIENCE_MS).  What fails is tried again after a while that doubles.
 *
 * While no pool is wanted and none is there, the timer does not run.
 */
#include "runner/pool.h"

#include <stdio.h>

#include "common/log.h"
#include "runner/life.h"
#include "runner/limits.h"
#include "runner/pool-make.h"
#include "runner/template.h"

#define QUIET_MS 500
#define PATIENCE_MS 10000
#define LOOK_MS 2000	/* at memory, and at config.yaml */
#define RETRY_MS 5000
#define RETRY_MAX_MS 600000
#define YIELDED_MS 60000	/* none is made after memory was short */
#define RESERVE_MIN (256 * MIB)	/* available memory that is nobody's */
#define RESERVE_PART 16		/* or that part of all of it */

struct pool {
	struct runner *runner;
	struct loop_timer timer;
	struct pool_make *make;
	uint64_t wanted_ns;	/* since when one is missing, 0: none is */
	uint64_t not_before_ns;	/* none is made */
	unsigned int retry_ms;	/* the next time one fails */
	LIST_HEAD(, pool_yield) yields;
	unsigned int yielding;	/* members that are being removed for them */
};

static uint64_t ms(uint64_t n)
{
	return n * 1000000;
}

static void removed(void *arg, const struct err *err)
{
	if (err)
		log_error("%s", err->msg);
}

static bool is_member(const struct sandbox *sb)
{
	return sb->kind == SB_POOL && sb->state != SB_REMOVING;
}

static bool is_ready(const struct sandbox *sb)
{
	return sb->kind == SB_POOL && sb->state == SB_PAUSED && sb->vm &&
	       vmproc_ctl(sb->vm);
}

unsigned int pool_ready(struct runner *r, const char *digest)
{
	struct sandbox *sb;
	unsigned int n = 0;

	TAILQ_FOREACH(sb, &r->hidden, link)
		n += is_ready(sb) && strcmp(sb->digest, digest) == 0;
	return n;
}

/* The digest of what config.yaml names. Return: false: there is no such image. */
static bool digest_of(struct runner *r, const struct config_pool *p,
		      char digest[IMAGE_DIGEST_LEN + 1])
{
	if (image_digest_valid(p->image))
		memcpy(digest, p->image, IMAGE_DIGEST_LEN + 1);
	else if (image_read_name(r, p->image, digest) < 0)
		return false;
	return true;
}

unsigned int pool_wanted(struct runner *r, const char *digest)
{
	const struct config *c = &r->settings.now;
	char d[IMAGE_DIGEST_LEN + 1];
	unsigned int n = 0;

	if (r->cold)
		return 0;
	for (size_t i = 0; i < c->nr_pools; i++)
		if (digest_of(r, &c->pools[i], d) && strcmp(d, digest) == 0)
			n += c->pools[i].size;
	return n;
}

static bool any_wanted(const struct runner *r)
{
	const struct config *c = &r->settings.now;

	for (size_t i = 0; i < c->nr_pools && !r->cold; i++)
		if (c->pools[i].size)
			return true;
	return false;
}

static struct sandbox *any_member(struct runner *r)
{
	struct sandbox *sb;

	TAILQ_FOREACH(sb, &r->hidden, link)
		if (is_member(sb))
			return sb;
	return NULL;
}

/* Remove what is of no use. */
static void clear(struct pool *p)
{
	struct runner *r = p->runner;
	struct sandbox *sb, *next;

	for (sb = TAILQ_FIRST(&r->hidden); sb; sb = next) {
		const char *why = NULL;

		next = TAILQ_NEXT(sb, link);
		if (!is_member(sb))
			continue;
		if (sb->state == SB_FAILED || sb->state == SB_STOPPED)
			why = sb->reason;
		else if (!is_ready(sb))
			continue;	/* it is being made, or looked at */
		else if (!template_is_current(sb))
			why = "made by another version";
		else if (pool_ready(r, sb->digest) >
			 pool_wanted(r, sb->digest))
			why = "one too many";
		if (!why)
			continue;
		log_info("pool: %s of %s: removed: %s", sb->id, sb->image, why);
		life_remove(sb, false, removed, NULL);
	}
}

/* Available memory that is to stay so; with @more: for one to be made. */
static bool is_short(bool more)
{
	struct limits_memory m;

	if (limits_memory(&m) < 0)
		return false;
	return m.available < MAX(RESERVE_MIN, m.total / RESERVE_PART) *
			     (more ? 2 : 1);
}

/* Return: the image of which one is missing, NULL. */
static const char *missing(struct pool *p)
{
	const struct config *c = &p->runner->settings.now;
	char d[IMAGE_DIGEST_LEN + 1];

	for (size_t i = 0; i < c->nr_pools && !p->runner->cold; i++)
		if (c->pools[i].size &&
		    digest_of(p->runner, &c->pools[i], d) &&
		    pool_ready(p->runner, d) < pool_wanted(p->runner, d))
			return c->pools[i].image;
	return NULL;
}

static bool is_busy(const struct runner *r)
{
	return r->nr_forks + r->nr_boots + r->nr_freezes > 0;
}

static void set_timer(struct pool *p, uint64_t in_ms)
{
	loop_timer_set(&p->runner->loop, &p->timer, (unsigned int)in_ms);
}

static void made(void *arg, const struct err *err)
{
	struct pool *p = arg;

	p->make = NULL;
	p->wanted_ns = 0;
	if (!err) {
		p->retry_ms = RETRY_MS;
	} else if (err->code != ERR_CANCELLED) {
		log_warn("pool: %s; again in %u s", err->msg,
			 p->retry_ms / 1000);
		p->not_before_ns = now_ns() + ms(p->retry_ms);
		p->retry_ms = MIN(2 * p->retry_ms, RETRY_MAX_MS);
	}
	pool_adjust(p->runner);
}

static void make_one(struct pool *p, const char *image)
{
	struct err err = ERR_INIT;

	/* what is tried again is another one, as this one is half made */
	p->make = pool_make_start(p->runner, image, made, p, &err);
	if (!p->make)
		made(p, &err);
}

/* Return: ms until the next look. */
static uint64_t make_missing(struct pool *p)
{
	struct runner *r = p->runner;
	const char *image = p->make ? NULL : missing(p);
	uint64_t now = now_ns(), quiet = r->busy_ns + ms(QUIET_MS);

	if (!image) {
		p->wanted_ns = 0;
		return LOOK_MS;
	}
	if (!p->wanted_ns)
		p->wanted_ns = now;
	if (now < p->not_before_ns)
		return MIN((p->not_before_ns - now) / ms(1) + 1, LOOK_MS);
	if (is_short(true))
		return LOOK_MS;
	if ((now < quiet || is_busy(r)) &&
	    now < p->wanted_ns + ms(PATIENCE_MS))
		return now < quiet ? (quiet - now) / ms(1) + 1 : QUIET_MS;
	make_one(p, image);
	return LOOK_MS;
}

static void look(struct loop_timer *t)
{
	struct pool *p = container_of(t, struct pool, timer);
	struct runner *r = p->runner;
	struct sandbox *sb;

	if (r->ending)
		return;
	settings_check(&r->settings);
	clear(p);
	sb = any_member(r);
	if (!sb && !p->make && !any_wanted(r))
		return;
	if (sb && is_ready(sb) && is_short(false)) {
		log_info("pool: %s of %s: given up, as memory is short",
			 sb->id, sb->image);
		life_remove(sb, false, removed, NULL);
		p->not_before_ns = now_ns() + ms(YIELDED_MS);
	}
	set_timer(p, make_missing(p));
}

void pool_adjust(struct runner *r)
{
	struct pool *p = r->pool;

	if (p && !r->ending && (any_wanted(r) || any_member(r)))
		set_timer(p, 0);
}

int pool_start(struct runner *r, struct err *err)
{
	r->pool = calloc(1, sizeof(*r->pool));
	if (!r->pool)
		return err_set(err, ERR_NO_MEMORY, "pool");
	r->pool->runner = r;
	r->pool->timer.cb = look;
	r->pool->retry_ms = RETRY_MS;
	r->busy_ns = now_ns();
	pool_adjust(r);
	return 0;
}

/* ---- handing out ---- */

static bool fits(const struct sandbox *m, const struct sandbox *sb)
{
	return is_ready(m) && m->refs == 1 &&
	       template_alike(m, sb) && template_is_current(m);
}

static void take_over(struct sandbox *sb, struct sandbox *m)
{
	memcpy(sb->id, m->id, sizeof(sb->id));
	memcpy(sb->disk_base, m->disk_base, sizeof(sb->disk_base));
	memcpy(sb->origin.how, m->origin.how, sizeof(sb->origin.how));
	sb->dirfd = m->dirfd;
	m->dirfd = -1;
	sb->vm = m->vm;
	m->vm = NULL;
	vmproc_given(sb->vm, sb);
	sandbox_unregister(m);
}

bool pool_take(struct sandbox *sb)
{
	struct runner *r = sb->runner;
	struct sandbox *m, *next;

	for (m = TAILQ_FIRST(&r->hidden); m; m = next) {
		next = TAILQ_NEXT(m, link);
		if (!fits(m, sb))
			continue;
		/* it may have been killed just now */
		vmproc_check(m->vm);
		if (!fits(m, sb))
			continue;
		take_over(sb, m);
		pool_adjust(r);
		return true;
	}
	return false;
}

/* ---- giving up ---- */

static void drop(struct runner *r, const char *digest)
{
	struct sandbox *sb, *next;

	for (sb = TAILQ_FIRST(&r->hidden); sb; sb = next) {
		next = TAILQ_NEXT(sb, link);
		if (is_member(sb) && (!digest || !strcmp(sb->digest, digest)))
			life_remove(sb, false, removed, NULL);
	}
}

void pool_drop_image(struct runner *r, const char *digest)
{
	drop(r, digest);
	pool_adjust(r);
}

void pool_distrust(struct runner *r)
{
	drop(r, NULL);
	if (r->pool)
		r->pool->not_before_ns = now_ns() + ms(RETRY_MS);
}

static void yielded(void *arg, const struct err *err)
{
	struct pool *p = arg;
	struct pool_yield *y;

	/* one that cannot be killed will not help anybody */
	if (--p->yielding)
		return;
	while ((y = LIST_FIRST(&p->yields))) {
		LIST_REMOVE(y, link);
		y->cb(y);
	}
}

bool pool_yield(struct runner *r, struct pool_yield *y)
{
	struct pool *p = r->pool;
	struct sandbox *sb, *next;

	if (!p)
		return false;
	for (sb = TAILQ_FIRST(&r->hidden); sb; sb = next) {
		next = TAILQ_NEXT(sb, link);
		if (!is_ready(sb))
			continue;
		p->yielding++;
		life_remove(sb, false, yielded, p);
	}
	p->not_before_ns = now_ns() + ms(YIELDED_MS);
	if (!p->yielding)
		return false;
	LIST_INSERT_HEAD(&p->yields, y, link);
	return true;
}

void pool_yield_cancel(struct pool_yield *y)
{
	LIST_REMOVE(y, link);
}

void pool_let_go(struct runner *r)
{
	struct pool *p = r->pool;

	if (!p)
		return;
	loop_timer_cancel(&r->loop, &p->timer);
	if (p->make)
		pool_make_cancel(p->make);
	free(p);
	r->pool = NULL;
}
