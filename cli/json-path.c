/* SPDX-License-Identifier: MIT */
/*
 * cli/json-path.c - names of files in JSON, which knows no bytes
 *
 * Runs in the CLI.  Distrusts the name: a guest chose its bytes.
 */
#include "cli/json-path.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

static json_t *bytes(const char *path)
{
	json_t *list = json_array();

	for (; *path; path++)
		json_array_append_new(list, json_integer((unsigned char)*path));
	return list;
}

/* See json-path.h. */
void json_path_set(json_t *obj, const char *key, const char *path)
{
	CLEANUP_FREE char *clean = NULL;
	json_t *text = json_string(path);
	char name[64];

	if (text) {
		json_object_set_new(obj, key, text);
		return;
	}
	snprintf(name, sizeof(name), "%s_bytes", key);
	json_object_set_new(obj, name, bytes(path));
	clean = strdup(path);
	for (char *p = clean; p && *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	json_object_set_new(obj, key, json_string(clean ? clean : ""));
}
