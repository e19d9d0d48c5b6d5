/* SPDX-License-Identifier: MIT */
/*
 * cli/image-sources.h - the host's own apt sources, as far as a suite needs them
 */
#ifndef PODFLARE_CLI_IMAGE_SOURCES_H
#define PODFLARE_CLI_IMAGE_SOURCES_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

/* What is wanted of them. */
struct sources_want {
	const char *suite;	/* "bookworm": also bookworm-updates, ... */
	const char *alias;	/* another name for it ("stable"), or NULL */
	const char *instead;	/* take this suite's sources, renamed to suite;
				 * NULL: none */
};

/* Append the binary sources in @text that are wanted, as deb822 stanzas with
 * only the suites that are wanted. @line_format: sources.list(5)'s one-line
 * format. Return: how many, -1 when memory is out. */
int sources_select(const char *text, bool line_format,
		   const struct sources_want *want, struct buf *out);
/* Append deb822 @text without user names and passwords in URIs, nor sources
 * that are only on this host (file:, cdrom:, copy:). Return: 0, or -1. */
int sources_scrub(const char *text, struct buf *out);
/*
 * All of the host's files (sources.list, sources.list.d) and, in front, the
 * user's own PATH_CONFIG/SUITE.sources, if it is there.
 * Return: 0 with @out filled in, or -1 with @err (hint).
 */
int sources_of_host(const char *suite, struct buf *out, struct err *err);

#endif
