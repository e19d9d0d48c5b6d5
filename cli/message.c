/* SPDX-License-Identifier: MIT */
/*
 * cli/message.c - errors, warnings and notes on stderr
 *
 * Runs in the CLI.  Distrusts the texts: an error may quote a guest.
 */
#include "cli/output.h"

#include <stdarg.h>
#include <stdio.h>

#include "cli/text.h"

static void put_line(const char *prefix, const char *text)
{
	fputs(prefix, stderr);
	text_write(stderr, text, strlen(text), TEXT_ONE_LINE);
	fputc('\n', stderr);
}

static void error_json(const struct globals *g, const struct err *err)
{
	json_t *inner = json_object();
	json_t *outer = json_object();

	json_object_set_new(inner, "code",
			    json_string(err_code_name(err->code)));
	/* json_string() refuses what is not UTF-8 */
	for (int i = 0; i < 3; i++) {
		static const char *const keys[] = { "message", "hint",
						    "console" };
		const char *text = i == 0 ? err->msg :
				   i == 1 ? err->hint :
					    g->console;
		char clean[4 * sizeof(err->msg)];

		if (!text || !*text)
			continue;
		if (i < 2)
			text = text_clean(text, clean, sizeof(clean));
		json_object_set_new(inner, keys[i], json_string(text));
	}
	json_object_set_new(outer, "error", inner);
	json_dumpf(outer, stderr, JSON_COMPACT);
	fputc('\n', stderr);
	json_decref(outer);
}

/* See output.h. */
void output_error(const struct globals *g, const struct err *err)
{
	fflush(stdout);
	if (g->json) {
		error_json(g, err);
		return;
	}
	if (g->console && *g->console) {
		fputs("podflare: the console's last lines:\n", stderr);
		text_write(stderr, g->console, strlen(g->console),
			   TEXT_MANY_LINES);
		if (g->console[strlen(g->console) - 1] != '\n')
			fputc('\n', stderr);
	}
	put_line("podflare: error: ", err->msg);
	if (err->hint[0])
		put_line("hint: ", err->hint);
}

static void put_message(const char *prefix, const char *fmt, va_list ap)
{
	char text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	put_line(prefix, text);
}

/* See output.h. */
void output_note(const struct globals *g, const char *fmt, ...)
{
	va_list ap;

	if (g->quiet)
		return;
	va_start(ap, fmt);
	put_message("podflare: ", fmt, ap);
	va_end(ap);
}

/* See output.h. */
void output_warn(const struct globals *g, const char *fmt, ...)
{
	va_list ap;

	(void)g;
	va_start(ap, fmt);
	put_message("podflare: warning: ", fmt, ap);
	va_end(ap);
}
