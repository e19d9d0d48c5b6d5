/* SPDX-License-Identifier: MIT */
/*
 * common/jsonrpc.c - JSON-RPC 2.0, one object per line
 *
 * Client and runner.  Distrusts the line: its depth is counted before the
 * parser sees it, so that nesting cannot use up the stack.
 */
#include "common/jsonrpc.h"

#include <errno.h>
#include <stdbool.h>

#define CODE_BASE (-32000)

/* Nesting of braces and brackets outside strings. */
static int depth_of(const char *line, size_t len)
{
	bool in_string = false;
	int depth = 0, deepest = 0;

	for (size_t i = 0; i < len; i++) {
		char c = line[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			depth++;	/* MAX() counts its arguments twice */
			deepest = MAX(deepest, depth);
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return deepest;
}

json_t *jsonrpc_parse(const char *line, size_t len, struct err *err)
{
	json_error_t why;
	json_t *obj;

	if (len > JSONRPC_LINE_MAX) {
		err_set(err, ERR_PROTOCOL, "line over %d bytes",
			JSONRPC_LINE_MAX);
		return NULL;
	}
	if (depth_of(line, len) > JSONRPC_DEPTH_MAX) {
		err_set(err, ERR_PROTOCOL, "JSON nests deeper than %d",
			JSONRPC_DEPTH_MAX);
		return NULL;
	}
	obj = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
	if (!obj) {
		err_set(err, ERR_PROTOCOL, "bad JSON: %s", why.text);
		return NULL;
	}
	if (!json_is_object(obj)) {
		json_decref(obj);
		err_set(err, ERR_PROTOCOL, "bad JSON: not an object");
		return NULL;
	}
	return obj;
}

static int dump_cb(const char *data, size_t len, void *b)
{
	return buf_append(b, data, len);
}

int jsonrpc_put(struct buf *b, const json_t *obj)
{
	if (json_dump_callback(obj, dump_cb, b,
			       JSON_COMPACT | JSON_REAL_PRECISION(9)) < 0)
		return -1;
	return buf_append(b, "\n", 1);
}

json_t *jsonrpc_request(int64_t id, const char *method, json_t *params)
{
	return json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id",
			 (json_int_t)id, "method", method, "params",
			 params ? params : json_object());
}

json_t *jsonrpc_result(json_t *id, json_t *result)
{
	return json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id",
			 id ? id : json_null(), "result",
			 result ? result : json_object());
}

/* See jsonrpc.h; a hint that is not known is left out. */
json_t *jsonrpc_error(json_t *id, const struct err *err)
{
	json_t *data = json_pack("{s:s}", "code", err_code_name(err->code));

	if (err->hint[0])
		json_object_set_new(data, "hint", json_string(err->hint));
	return json_pack("{s:s, s:O, s:{s:i, s:s#, s:o}}", "jsonrpc", "2.0",
			 "id", id ? id : json_null(), "error", "code",
			 CODE_BASE - (int)err->code, "message", err->msg,
			 (int)strlen(err->msg), "data", data);
}

int jsonrpc_reply_error(const json_t *reply, struct err *err)
{
	json_t *error = json_object_get(reply, "error");
	json_t *data = json_object_get(error, "data");
	const char *msg, *code, *hint;

	if (!error)
		return 0;
	msg = json_string_value(json_object_get(error, "message"));
	code = json_string_value(json_object_get(data, "code"));
	hint = json_string_value(json_object_get(data, "hint"));
	err_set(err, code ? err_code_parse(code) : ERR_FAILED, "%s",
		msg ? msg : "error without a message");
	if (hint)
		err_hint(err, "%s", hint);
	return -1;
}
