/* SPDX-License-Identifier: MIT */
/*
 * cli/config-check.c - tell the user of a config.yaml that does not count
 *
 * Runs in the CLI, before the command.  Distrusts the file (common/config.h).
 */
#include "cli/config-check.h"

#include "cli/output.h"
#include "common/cleanup.h"
#include "common/config.h"
#include "common/path.h"

/* See config-check.h. */
int config_look(char **path, struct err *err)
{
	struct config ignored;

	*path = path_place(PATH_CONFIG, CONFIG_FILE, false, err);
	return *path ? config_load(*path, &ignored, err) : -1;
}

/* See config-check.h. */
void config_check(const struct globals *g)
{
	CLEANUP_FREE char *path = NULL;
	struct err err = ERR_INIT;

	if (config_look(&path, &err) == 0)
		return;
	output_warn(g, "%s%s%s; settings stay as they were", err.msg,
		    err.hint[0] ? "; " : "", err.hint);
}
