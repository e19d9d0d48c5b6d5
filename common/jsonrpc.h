/* SPDX-License-Identifier: MIT */
/*
 * common/jsonrpc.h - JSON-RPC 2.0, one object per line (client and runner)
 *
 * Lines have at most JSONRPC_LINE_MAX bytes, values nest at most 32 deep,
 * duplicate keys are refused.  A reply may carry one file descriptor: then the
 * byte stream goes on there (SCM_RIGHTS, on the line's last sendmsg).
 */
#ifndef PODFLARE_COMMON_JSONRPC_H
#define PODFLARE_COMMON_JSONRPC_H

#include <jansson.h>

#include "common/buf.h"
#include "common/err.h"

#define JSONRPC_LINE_MAX (1024 * 1024)
#define JSONRPC_DEPTH_MAX 32
#define JSONRPC_PROTOCOL 1

/* Parse one line. Return: a new reference to an object, NULL with @err
 * (ERR_PROTOCOL; duplicate keys, depth, no object). */
json_t *jsonrpc_parse(const char *line, size_t len, struct err *err);
/* Append @obj as one line. Return: 0, or -1 with errno. */
int jsonrpc_put(struct buf *b, const json_t *obj);
/* {"jsonrpc":"2.0","id":ID,"method":M,"params":P}; @params is stolen. */
json_t *jsonrpc_request(int64_t id, const char *method, json_t *params);
/* @id is not stolen, @result is. */
json_t *jsonrpc_result(json_t *id, json_t *result);
/* {"error":{"code":-32000-CODE,"message":M,"data":{"code":NAME,"hint":H}}} */
json_t *jsonrpc_error(json_t *id, const struct err *err);
/* Fill @err from a reply's "error" member. Return: -1 if there was one, 0. */
int jsonrpc_reply_error(const json_t *reply, struct err *err);

#endif
