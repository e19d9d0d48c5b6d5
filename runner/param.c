/* SPDX-License-Identifier: MIT */
/*
 * runner/param.c - checked parameters of a call
 *
 * podflared, loop thread.  Distrusts the client for form: what is not in the
 * method's description is an error, so that a misspelt option never passes.
 */
#include "runner/param.h"

#include <stdio.h>

#define OBJECT_MAX 512		/* members of an object, elements of an array */
#define SPEC_WORD 40

static bool all_strings(const json_t *v)
{
	const char *key;
	json_t *e;
	size_t i;

	if (json_is_array(v)) {
		json_array_foreach(v, i, e)
			if (!json_is_string(e))
				return false;
		return true;
	}
	json_object_foreach((json_t *)v, key, e)
		if (!json_is_string(e))
			return false;
	return true;
}

static const char *kind_wanted(char kind, const json_t *v)
{
	switch (kind) {
	case 's':
		return json_is_string(v) ? NULL : "a text";
	case 'i':
		if (json_is_integer(v) && json_integer_value(v) >= 0)
			return NULL;
		return "an integer from 0";
	case 'b':
		return json_is_boolean(v) ? NULL : "true or false";
	case 'o':
		if (json_is_object(v) && json_object_size(v) <= OBJECT_MAX &&
		    all_strings(v))
			return NULL;
		return "an object of at most 512 texts";
	case 'a':
		return json_is_array(v) && all_strings(v) ? NULL
							  : "a list of texts";
	case 'l':
		return json_is_array(v) ? NULL : "a list";
	default:
		BUG("kind of a parameter");
	}
}

/* The next word of @spec. Return: what follows it, NULL at the end. */
static const char *next_word(const char *spec, char *name, bool *optional,
			     char *kind)
{
	size_t n;

	while (*spec == ' ')
		spec++;
	n = strcspn(spec, ":?");
	if (!spec[n])
		return NULL;
	BUG_ON(n >= SPEC_WORD);
	memcpy(name, spec, n);
	name[n] = '\0';
	*optional = spec[n] == '?';
	*kind = spec[n + 1];
	return spec + n + 2;
}

static int check_known(const json_t *params, const char *spec, struct err *err)
{
	char name[SPEC_WORD], kind;
	const char *key, *at;
	json_t *v;
	bool opt;

	json_object_foreach((json_t *)params, key, v) {
		bool known = false;

		for (at = spec; (at = next_word(at, name, &opt, &kind));)
			known = known || strcmp(name, key) == 0;
		if (known)
			continue;
		err_set(err, ERR_USAGE, "unknown parameter \"%.64s\"", key);
		if (*spec)
			err_hint(err, "known are: %s", spec);
		return -1;
	}
	return 0;
}

int param_check(const json_t *params, const char *spec, struct err *err)
{
	char name[SPEC_WORD], kind;
	const char *wanted, *at = spec;
	bool optional;
	json_t *v;

	if (check_known(params, spec, err) < 0)
		return -1;
	while ((at = next_word(at, name, &optional, &kind))) {
		v = param_get(params, name);
		if (!v && optional)
			continue;
		if (!v)
			return err_set(err, ERR_USAGE,
				       "parameter \"%s\" is missing", name);
		wanted = kind_wanted(kind, v);
		if (wanted)
			return err_set(err, ERR_USAGE,
				       "parameter \"%s\": must be %s", name,
				       wanted);
	}
	return 0;
}

json_t *param_get(const json_t *params, const char *name)
{
	json_t *v = json_object_get(params, name);

	return json_is_null(v) ? NULL : v;
}

const char *param_str(const json_t *params, const char *name, const char *def)
{
	json_t *v = param_get(params, name);

	return v ? json_string_value(v) : def;
}

int64_t param_int(const json_t *params, const char *name, int64_t def)
{
	json_t *v = param_get(params, name);

	return v ? json_integer_value(v) : def;
}

bool param_bool(const json_t *params, const char *name)
{
	return json_is_true(param_get(params, name));
}

/* "128 MiB", or the number alone. */
static const char *amount(uint64_t n, char *out, size_t size)
{
	bool mib = n >= MIB && n % MIB == 0;

	snprintf(out, size, "%llu%s", (unsigned long long)(mib ? n / MIB : n),
		 mib ? " MiB" : "");
	return out;
}

int param_range(const json_t *params, const char *name, uint64_t min,
		uint64_t max, uint64_t *out, struct err *err)
{
	json_t *v = param_get(params, name);
	char is[32], from[32], to[32];
	uint64_t n;

	if (!v)
		return 0;
	n = (uint64_t)json_integer_value(v);
	if (n < min || n > max)
		return err_set(err, ERR_USAGE, "%s %s: must be from %s to %s",
			       name, amount(n, is, sizeof(is)),
			       amount(min, from, sizeof(from)),
			       amount(max, to, sizeof(to)));
	*out = n;
	return 0;
}
