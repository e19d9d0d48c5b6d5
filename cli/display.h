/* SPDX-License-Identifier: MIT */
/* cli/display.h - pictures and tables that code in a sandbox has shown */
#ifndef PODFLARE_CLI_DISPLAY_H
#define PODFLARE_CLI_DISPLAY_H

#include <jansson.h>

#include "cli/cmd.h"
#include "common/frame.h"

#define DISPLAYS_MAX 256	/* forms of all */
#define DISPLAYS_BYTES (64 * MIB)

/* One form of one thing. */
struct display {
	uint32_t id;
	char mime[128];
	struct buf content;
};

struct displays {
	struct display *v;
	size_t n, bytes;
};

#define DISPLAYS_INIT { 0 }
#define CLEANUP_DISPLAYS __attribute__((cleanup(displays_free)))

void displays_free(struct displays *d);
/* Take a DISPLAY frame. Return: 0, or -1 with @err (ERR_PROTOCOL, ERR_LIMIT). */
int displays_put(struct displays *d, const struct frame *f, struct err *err);
/* A list of objects, MIME type to content: text, or base64. @d may be NULL */
json_t *displays_json(const struct displays *d);
/* Write those of types that we know to @dir, which is made if it is missing, under
 * names that are not taken, and say which. Return: 0, or -1 with @err. */
int displays_write(const struct displays *d, const struct globals *g,
		   const char *dir, struct err *err);
/* Text in which what is no UTF-8 has become U+FFFD. */
json_t *json_clean(const struct buf *b);

#endif
