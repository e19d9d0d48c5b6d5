/* SPDX-License-Identifier: MIT */
/*
 * cli/origin-show.c - how a sandbox came to be, in words
 *
 * Runs in the CLI.  Distrusts the runner's answers for form: what it does not
 * know is shown as it is.
 */
#include "cli/origin-show.h"

#include <stdio.h>

#include "cli/output.h"
#include "cli/text.h"

#define KEY "%-14s"

/* What the first word of the line means. */
static const struct {
	const char *how;
	const char *before, *after;	/* the name */
	const char *member;	/* of the origin; NULL: it is the image's name */
} ways[] = {
	{ "pool", "a sandbox of image ", " that stood ready", NULL },
	{ "zygote", "a copy of image ", ", which is kept booted and warm",
	  NULL },
	{ "template file", "a copy of image ", ", booted and warm, whose memory "
	  "was read from files first", NULL },
	{ "cold boot", "image ", " was booted for it", NULL },
	{ "snapshot", "a copy of snapshot ", "", "parent_name" },
	{ "fork", "a live copy of sandbox ", "", "parent_name" },
};

static const struct {
	const char *name, *words;
} steps[] = {
	{ "wait", "waited for other boots" },
	{ "disk", "made or checked the disk" },
	{ "vmm", "started the virtual machine" },
	{ "kernel", "booted the kernel" },
	{ "warmup", "ran the image's warm-up commands" },
	{ "restore", "read the memory from files" },
	{ "prepare", "made files and sockets" },
	{ "freeze", "stopped the parent's processes for the instant" },
	{ "fork", "copied the machine" },
	{ "resume", "let its processors go on" },
	{ "agent", "gave the guest its name, the time and fresh randomness" },
	{ "save", "wrote down that it exists" },
};

static void put(const char *text)
{
	text_write(stdout, text, strlen(text), TEXT_ONE_LINE);
	fputc('\n', stdout);
}

static double total(const json_t *list)
{
	double ms = 0;
	json_t *step;
	size_t i;

	json_array_foreach((json_t *)list, i, step)
		ms += json_number_value(json_object_get(step, "ms"));
	return ms;
}

static void show_how(const json_t *sb, const json_t *origin)
{
	const char *how = json_text(origin, "how");
	char text[512];

	snprintf(text, sizeof(text), "%s", how);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (strcmp(how, ways[i].how) == 0)
			snprintf(text, sizeof(text), "%s: %s%.160s%s", how,
				 ways[i].before, ways[i].member
				 ? json_text(origin, ways[i].member)
				 : json_text(sb, "image"), ways[i].after);
	printf(KEY, "origin:");
	put(text);
}

/* What the steps tell of: how it was made, or started again since. */
static void show_total(const json_t *origin)
{
	const char *started = json_text(origin, "started");
	double ms = total(json_object_get(origin, "steps"));
	char text[96];

	if (ms <= 0)
		return;
	snprintf(text, sizeof(text), "%8.1f ms  %s", ms,
		 strcmp(started, "thaw") == 0 ? "when it was last thawed:" :
		 *started ? "when it was last started:" : "in all:");
	printf(KEY, "");
	put(text);
}

static void show_step(const json_t *step)
{
	const char *name = json_text(step, "name"), *words = "";
	char text[160];

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (strcmp(steps[i].name, name) == 0)
			words = steps[i].words;
	snprintf(text, sizeof(text), "%8.1f ms  %-8.20s %s",
		 json_number_value(json_object_get(step, "ms")), name, words);
	printf(KEY, "");
	put(text);
}

/* See origin-show.h. */
void origin_show(const json_t *sb)
{
	const json_t *origin = json_object_get(sb, "origin");
	json_t *step;
	size_t i;

	if (!*json_text(origin, "how"))
		return;
	show_how(sb, origin);
	show_total(origin);
	json_array_foreach(json_object_get(origin, "steps"), i, step)
		show_step(step);
}
