/* SPDX-License-Identifier: MIT */
/* runner/agent-json.h - between the API's JSON and the agent protocol's values */
#ifndef PODFLARE_RUNNER_AGENT_JSON_H
#define PODFLARE_RUNNER_AGENT_JSON_H

#include <stdbool.h>

#include <jansson.h>

#include "common/buf.h"
#include "common/err.h"

/* What an EXEC takes from the image and the sandbox. */
enum hello_kind {
	HELLO_SAME,	/* the machine that it was before */
	HELLO_COPY,	/* another machine than the one that it was a copy of */
	HELLO_VIEW,	/* a copy to look at: what ran stays stopped */
};

struct exec_defaults {
	const json_t *image_env, *sandbox_env;	/* objects of texts */
	const char *user, *workdir;	/* the image's, "" for none */
};

/* @env: an object of texts. Return: 0, or -1 with @err (ERR_USAGE). */
int agent_check_env(const json_t *env, struct err *err);

/* The payloads; @out is empty before. Return: 0, or -1 with @err. */
int agent_put_hello(struct buf *out, const char *hostname,
		    enum hello_kind kind, struct err *err);
int agent_put_exec(struct buf *out, const json_t *params,
		   const struct exec_defaults *def, struct err *err);
/* CODE. @params may be NULL; @flags beside those that it has. */
int agent_put_code(struct buf *out, const json_t *params,
		   const struct exec_defaults *def, uint32_t flags,
		   struct err *err);
int agent_put_session(struct buf *out, int64_t session, struct err *err);
/* PUT, GET, STAT: path, name, user, follow, image of @params. */
int agent_put_file(struct buf *out, const json_t *params, struct err *err);
/* CHANGES: paths, all. */
int agent_put_changes(struct buf *out, const json_t *params, struct err *err);

/* The results; NULL with @err (ERR_PROTOCOL) when a guest's values are
 * malformed. */
json_t *agent_get_sessions(const uint8_t *values, size_t len, struct err *err);
json_t *agent_get_info(const uint8_t *values, size_t len, struct err *err);
json_t *agent_get_stat(const uint8_t *values, size_t len, struct err *err);
/* HELLO's OK: the guest must speak our protocol. Return: 0, or -1 with @err. */
int agent_check_hello(const uint8_t *values, size_t len, struct err *err);

#endif
