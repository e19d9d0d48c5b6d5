/* SPDX-License-Identifier: MIT */
/*
 * runner/param.h - checked parameters of a call
 *
 * A method's parameters are described by a string of words: NAME:KIND, or
 * NAME?KIND when it may be absent (null counts as absent).  Kinds: s text,
 * i integer from 0, b boolean, o object of texts, a array of texts, l array of
 * anything (the method checks it).
 */
#ifndef PODFLARE_RUNNER_PARAM_H
#define PODFLARE_RUNNER_PARAM_H

#include <stdbool.h>

#include <jansson.h>

#include "common/err.h"

/* Check @params against @spec. Return: 0, or -1 with @err (ERR_USAGE). */
int param_check(const json_t *params, const char *spec, struct err *err);
/* Return: the text, @def when absent. Lives as long as @params. */
const char *param_str(const json_t *params, const char *name, const char *def);
int64_t param_int(const json_t *params, const char *name, int64_t def);
bool param_bool(const json_t *params, const char *name);
/* Return: the value, NULL when absent. */
json_t *param_get(const json_t *params, const char *name);
/* An integer in [@min, @max]. Return: 0 with *@out untouched when absent, -1
 * with @err (ERR_USAGE). */
int param_range(const json_t *params, const char *name, uint64_t min,
		uint64_t max, uint64_t *out, struct err *err);

#endif
