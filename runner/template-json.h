/* SPDX-License-Identifier: MIT */
/* runner/template-json.h - templates as the API shows them */
#ifndef PODFLARE_RUNNER_TEMPLATE_JSON_H
#define PODFLARE_RUNNER_TEMPLATE_JSON_H

#include "runner/sandbox.h"

/* Bytes of memory that its process has, most of it shared with its copies. */
uint64_t template_resident(const struct sandbox *t);
json_t *template_to_json(const struct sandbox *t);
/* Those of an image. */
json_t *template_list(struct runner *r, const char *digest);

#endif
