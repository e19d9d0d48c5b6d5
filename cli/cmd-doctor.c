/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-doctor.c - podflare doctor
 *
 * Runs in the CLI.  Changes nothing: it says what is wrong and how to cure it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/doctor.h"
#include "cli/output.h"
#include "cli/text.h"

static const char *const level_names[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_WARNING] = "warning",
	[DOCTOR_ERROR] = "error",
};

/* See doctor.h. */
struct doctor_finding *doctor_add(struct doctor *d, enum doctor_level level,
				  const char *check, const char *fmt, ...)
{
	struct doctor_finding *f = &d->findings[d->n];
	va_list ap;

	BUG_ON(d->n == DOCTOR_MAX);
	d->n++;
	f->level = level;
	f->check = check;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return f;
}

/* See doctor.h. */
void doctor_hint(struct doctor_finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->hint, sizeof(f->hint), fmt, ap);
	va_end(ap);
}

/* See doctor.h. */
char *doctor_search(const char *program)
{
	const char *env = getenv("PATH");
	char dirs[4096], *save = NULL, *path;

	snprintf(dirs, sizeof(dirs), "%s:/usr/sbin:/sbin",
		 env ? env : "");
	for (char *dir = strtok_r(dirs, ":", &save); dir;
	     dir = strtok_r(NULL, ":", &save)) {
		if (asprintf(&path, "%s/%s", dir, program) < 0)
			return NULL;
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

static void print_text(const char *text)
{
	text_write(stdout, text, strlen(text), TEXT_ONE_LINE);
	putchar('\n');
}

static void print(const struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_finding *f = &d->findings[i];

		printf("%-8s %-15s ", level_names[f->level], f->check);
		print_text(f->text);
		if (!f->hint[0])
			continue;
		printf("%25s", "hint: ");
		print_text(f->hint);
	}
}

static void print_json(const struct doctor *d, bool fit)
{
	CLEANUP_JSON json_t *checks = json_array();

	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_finding *f = &d->findings[i];
		char text[2048], hint[2048];
		json_t *obj;

		text_clean(f->text, text, sizeof(text));
		text_clean(f->hint, hint, sizeof(hint));
		obj = json_pack("{s:s, s:s, s:s}", "check", f->check, "level",
				level_names[f->level], "message", text);
		if (hint[0])
			json_object_set_new(obj, "hint", json_string(hint));
		json_array_append_new(checks, obj);
	}
	output_json(json_pack("{s:b, s:O}", "ok", fit, "checks", checks));
}

static int run(struct cmd_ctx *ctx, struct err *err)
{
	struct doctor *d = calloc(1, sizeof(*d));
	bool fit = true;

	if (!d)
		return err_set(err, ERR_NO_MEMORY, "doctor");
	d->globals = ctx->globals;
	if (host_which(&d->kind, NULL, err) < 0) {
		free(d);
		return -1;
	}
	/* of a host elsewhere only its runner can tell */
	if (d->kind == HOST_LOCAL || d->kind == HOST_MACHINE) {
		doctor_check_kvm(d);
		doctor_check_host(d);
		doctor_check_tools(d);
	}
	doctor_check_runner(d);
	for (size_t i = 0; i < d->n; i++)
		fit = fit && d->findings[i].level != DOCTOR_ERROR;
	if (ctx->globals->json)
		print_json(d, fit);
	else
		print(d);
	free(d);
	return fit ? 0 : CMD_EXIT_FAILURE;
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.summary = "Check whether sandboxes will run here, and what is missing",
	.operands = "",
	.run = run,
};
