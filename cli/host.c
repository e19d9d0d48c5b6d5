/* SPDX-License-Identifier: MIT */
/*
 * cli/host.c - which runner to talk to (PODFLARE_HOST), and how
 *
 * Runs in the CLI.  PODFLARE_HOST is the user's own word and is trusted.
 */
#include "cli/host.h"

#include <string.h>

#include "common/dial.h"

/* See host.h. */
int host_connect(bool start, struct err *err)
{
	const char *host = getenv("PODFLARE_HOST");

	if (host && !strncmp(host, "unix:", 5))
		return dial_runner(host + 5, false, err);
	if (host && *host)
		return err_set(err, ERR_USAGE,
			       "PODFLARE_HOST \"%s\": not supported", host);
	return dial_runner(NULL, start, err);
}
