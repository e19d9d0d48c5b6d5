/* SPDX-License-Identifier: MIT */
/* runner/sandbox-json.h - a sandbox as the API shows it */
#ifndef PODFLARE_RUNNER_SANDBOX_JSON_H
#define PODFLARE_RUNNER_SANDBOX_JSON_H

#include "runner/sandbox.h"

/* The sandbox of the API. */
json_t *sandbox_to_json(struct sandbox *sb);
/* The same as an element of a list: what is long is left to sandbox.show once
 * @used bytes are many, as all have to fit one line. */
json_t *sandbox_to_item(struct sandbox *sb, size_t *used);
/* {how, steps ...}; a new reference. */
json_t *sandbox_origin_json(const struct sandbox *sb);

#endif
