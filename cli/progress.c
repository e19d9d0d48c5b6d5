/* SPDX-License-Identifier: MIT */
/*
 * cli/progress.c - what is going on, on stderr
 *
 * Runs in the CLI.  Distrusts the texts: steps are named by the runner.
 */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/size.h"
#include "cli/term.h"
#include "cli/text.h"
#include "common/loop.h"

#define DELAY_NS 1000000000ULL	/* shorter work shows nothing */
#define REDRAW_NS 200000000ULL
#define BAR 20

/* See progress.h. */
void progress_start(struct progress *p, const struct globals *g)
{
	*p = (struct progress){ .off = g->quiet || g->json,
				.tty = isatty(STDERR_FILENO),
				.start_ns = now_ns(),
				.percent = -1 };
	p->step_ns = p->start_ns;
	p->next_ns = p->start_ns + DELAY_NS;
}

static void put_amount(const struct progress *p, char *out, size_t size)
{
	char done[SIZE_TEXT], total[SIZE_TEXT];

	out[0] = '\0';
	if (p->total)
		snprintf(out, size, "  %s of %s", size_format(p->done, done),
			 size_format(p->total, total));
	else if (p->done)
		snprintf(out, size, "  %s", size_format(p->done, done));
}

static void draw_tty(struct progress *p)
{
	uint64_t ms = (now_ns() - p->step_ns) / 1000000;
	char line[256], amount[64], time[SIZE_TEXT];
	size_t cols = term_columns(STDERR_FILENO);
	int percent = p->percent;
	int n;

	if (p->total)
		percent = (int)(p->done * 100 / p->total);
	put_amount(p, amount, sizeof(amount));
	duration_format(ms, time);
	if (percent >= 0 && percent <= 100)
		n = snprintf(line, sizeof(line), "%s  [%.*s%*s] %3d %%%s",
			     p->text, percent * BAR / 100,
			     "####################", BAR - percent * BAR / 100,
			     "", percent, amount);
	else
		n = snprintf(line, sizeof(line), "%s%s%s%s", p->text, amount,
			     ms < 1000 ? "" : "  ", ms < 1000 ? "" : time);
	if (n > 0 && cols > 1 && (size_t)n >= cols && cols < sizeof(line))
		line[cols - 1] = '\0';
	fprintf(stderr, "\r\033[K%s", line);
	fflush(stderr);
	p->drawn = true;
}

static void draw(struct progress *p)
{
	uint64_t now = now_ns();

	if (p->off || !p->text[0] || now < p->next_ns)
		return;
	if (p->tty) {
		draw_tty(p);
		p->next_ns = now + REDRAW_NS;
		return;
	}
	if (strcmp(p->text, p->shown)) {
		fprintf(stderr, "podflare: %s\n", p->text);
		memcpy(p->shown, p->text, sizeof(p->shown));
	}
}

static void set_text(struct progress *p, const char *text)
{
	char clean[sizeof(p->text)];

	text_clean(text, clean, sizeof(clean));
	if (strcmp(clean, p->text)) {
		memcpy(p->text, clean, sizeof(clean));
		p->step_ns = now_ns();
		p->done = 0;
		p->total = 0;
		p->percent = -1;
	}
}

/* See progress.h. */
void progress_step(struct progress *p, const char *text, int percent)
{
	set_text(p, text);
	p->percent = percent;
	draw(p);
}

/* See progress.h. */
void progress_bytes(struct progress *p, const char *text, uint64_t done,
		    uint64_t total)
{
	set_text(p, text);
	p->done = MIN(done, UINT64_MAX / 100);
	p->total = MAX(MIN(total, UINT64_MAX / 100), total ? p->done : 0);
	draw(p);
}

/* See progress.h. */
int progress_timeout(const struct progress *p)
{
	uint64_t now = now_ns();

	if (p->off || !p->text[0] ||
	    (!p->tty && !strcmp(p->text, p->shown)))
		return -1;
	return now >= p->next_ns ? 0 : (int)((p->next_ns - now) / 1000000) + 1;
}

/* See progress.h. */
void progress_tick(struct progress *p)
{
	draw(p);
}

/* See progress.h. */
void progress_end(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
	p->text[0] = '\0';
	p->shown[0] = '\0';
}
