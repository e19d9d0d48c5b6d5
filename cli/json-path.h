/* SPDX-License-Identifier: MIT */
/* cli/json-path.h - names of files in JSON, which knows no bytes */
#ifndef PODFLARE_CLI_JSON_PATH_H
#define PODFLARE_CLI_JSON_PATH_H

#include <jansson.h>

/*
 * Set @key of @obj to a path. One that is not UTF-8 is there as KEY_bytes, an
 * array of its bytes, and with "?" for those that are not as KEY.
 */
void json_path_set(json_t *obj, const char *key, const char *path);

#endif
