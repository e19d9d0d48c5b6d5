/* SPDX-License-Identifier: MIT */
/*
 * cli/opts.c - option tables: parsing
 *
 * Runs in the CLI.  argv is the user's and may hold anything: every value is
 * checked by its kind, and a mistake names the option and the nearest one.
 */
#include "cli/opts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/size.h"
#include "common/suggest.h"

/* Shown as "-n" or "--name" in messages. */
struct opt_hit {
	const struct opt *opt;
	void *base;
	char shown[80];
};

static bool find_in(const struct opt *table, void *base, char letter,
		    const char *name, size_t len, struct opt_hit *hit)
{
	for (const struct opt *o = table; o->kind != OPT_END; o++) {
		void *at = (char *)base + o->offset;

		if (o->kind == OPT_GROUP) {
			if (find_in(o->group, at, letter, name, len, hit))
				return true;
			continue;
		}
		if (letter ? o->letter == letter
			   : o->name && strlen(o->name) == len &&
				     !memcmp(o->name, name, len)) {
			hit->opt = o;
			hit->base = at;
			return true;
		}
	}
	return false;
}

static bool find(const struct opts_target *targets, size_t n, char letter,
		 const char *name, size_t len, struct opt_hit *hit)
{
	for (size_t i = 0; i < n; i++) {
		if (targets[i].table &&
		    find_in(targets[i].table, targets[i].base, letter, name,
			    len, hit))
			return true;
	}
	return false;
}

static void offer_all(const struct opt *table, struct suggest *s)
{
	for (const struct opt *o = table; o->kind != OPT_END; o++) {
		if (o->kind == OPT_GROUP)
			offer_all(o->group, s);
		else if (o->name && o->help)
			suggest_offer(s, o->name);
	}
}

static int unknown_long(const struct opts_target *targets, size_t n,
			const char *arg, struct err *err)
{
	char name[64];
	struct suggest s = { .word = name };

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(arg + 2, "="),
		 arg + 2);
	for (size_t i = 0; i < n; i++)
		if (targets[i].table)
			offer_all(targets[i].table, &s);
	err_set(err, ERR_USAGE, "unknown option \"--%s\"", name);
	if (s.best)
		err_hint(err, "did you mean \"--%s\"?", s.best);
	return -1;
}

static int list_add(struct opt_list *list, const char *value, struct err *err)
{
	const char **v = realloc(list->v, (list->n + 1) * sizeof(*v));

	if (!v)
		return err_sys(err, ENOMEM, "options");
	list->v = v;
	list->v[list->n++] = value;
	return 0;
}

/* Zero is what an option has that was not given. */
static int check_positive(int rc, const char *value, const uint64_t *stored,
			  struct err *err)
{
	if (rc == 0 && *stored == 0)
		return err_set(err, ERR_USAGE, "\"%s\" is not more than 0",
			       value);
	return rc;
}

static int store(const struct opt_hit *hit, const char *value, struct err *err)
{
	int rc = 0;

	switch (hit->opt->kind) {
	case OPT_FLAG:
		*(bool *)hit->base = true;
		break;
	case OPT_COUNT:
		if (*(int *)hit->base < 100)
			*(int *)hit->base += 1;
		break;
	case OPT_STRING:
		*(const char **)hit->base = value;
		break;
	case OPT_LIST:
		rc = list_add(hit->base, value, err);
		break;
	case OPT_NUMBER:
		rc = check_positive(number_parse(value, hit->base, err), value,
				    hit->base, err);
		break;
	case OPT_SIZE:
		rc = check_positive(size_parse(value, hit->base, err), value,
				    hit->base, err);
		break;
	case OPT_TIME:
		rc = check_positive(duration_parse(value, hit->base, err), value,
				    hit->base, err);
		break;
	case OPT_END:
	case OPT_GROUP:
		BUG("such an option is never found");
	}
	if (rc < 0)
		err_context(err, "option %s", hit->shown);
	return rc;
}

static int missing_value(const struct opt_hit *hit, struct err *err)
{
	return err_set(err, ERR_USAGE, "option %s: needs a value, %s",
		       hit->shown, hit->opt->arg);
}

/* "--name", "--name=value", "--name value": @next is the argument behind.
 * Return: how many arguments were taken. */
static int parse_long(const struct opts_target *targets, size_t n,
		      const char *arg, const char *next, struct err *err)
{
	size_t len = strcspn(arg + 2, "=");
	const char *value = arg[2 + len] == '=' ? arg + 2 + len + 1 : NULL;
	struct opt_hit hit = { 0 };
	int taken = 1;

	if (!len || !find(targets, n, 0, arg + 2, len, &hit))
		return unknown_long(targets, n, arg, err);
	snprintf(hit.shown, sizeof(hit.shown), "--%s", hit.opt->name);
	if (!hit.opt->arg) {
		if (value)
			return err_set(err, ERR_USAGE,
				       "option %s: takes no value", hit.shown);
	} else if (!value) {
		if (!next)
			return missing_value(&hit, err);
		value = next;
		taken = 2;
	}
	return store(&hit, value, err) < 0 ? -1 : taken;
}

/* "-it", "-nNAME", "-n NAME". */
static int parse_short(const struct opts_target *targets, size_t n,
		       const char *arg, const char *next, struct err *err)
{
	for (const char *p = arg + 1; *p; p++) {
		struct opt_hit hit = { 0 };
		const char *value = NULL;

		if (!find(targets, n, *p, NULL, 0, &hit)) {
			err_set(err, ERR_USAGE, "unknown option \"-%c\"",
				*p > ' ' && *p < 127 ? *p : '?');
			if (find(targets, n, 0, arg + 1, strlen(arg + 1), &hit))
				err_hint(err, "did you mean \"-%s\"?", arg);
			return -1;
		}
		snprintf(hit.shown, sizeof(hit.shown), "-%c", *p);
		if (!hit.opt->arg) {
			if (store(&hit, NULL, err) < 0)
				return -1;
			continue;
		}
		value = p[1] ? p + 1 : next;
		if (!value)
			return missing_value(&hit, err);
		if (store(&hit, value, err) < 0)
			return -1;
		return p[1] ? 1 : 2;
	}
	return 1;
}

/* See opts.h. */
int opts_parse(const struct opts_target *targets, size_t n, enum opts_mode mode,
	       int argc, char **argv, int *split, struct err *err)
{
	int operands = 0;
	int i = 0;

	while (i < argc) {
		char *arg = argv[i];
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;
		int taken;

		if (!strcmp(arg, "--")) {
			i++;
			break;
		}
		if (arg[0] != '-' || !arg[1]) {
			if (mode == OPTS_LEADING)
				break;
			argv[operands++] = argv[i++];
			continue;
		}
		if (arg[1] == '-')
			taken = parse_long(targets, n, arg, next, err);
		else
			taken = parse_short(targets, n, arg, next, err);
		if (taken < 0)
			return -1;
		i += taken;
	}
	if (split)
		*split = operands;
	while (i < argc)
		argv[operands++] = argv[i++];
	return operands;
}

/* See opts.h. */
void opts_free(const struct opt *table, void *base)
{
	for (const struct opt *o = table; o && o->kind != OPT_END; o++) {
		void *at = (char *)base + o->offset;

		if (o->kind == OPT_GROUP)
			opts_free(o->group, at);
		if (o->kind == OPT_LIST) {
			struct opt_list *list = at;

			free(list->v);
			*list = (struct opt_list){ 0 };
		}
	}
}
