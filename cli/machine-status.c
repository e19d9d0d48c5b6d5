/* SPDX-License-Identifier: MIT */
/*
 * cli/machine-status.c - what the supervisor says about the machine
 *
 * Runs in the CLI.
 */
#include "cli/machine-status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/output.h"
#include "cli/size.h"
#include "common/cleanup.h"

static void set_value(struct machine_status *st, const char *key,
		      const char *v)
{
	if (!strcmp(key, "state"))
		snprintf(st->state, sizeof(st->state), "%s", v);
	else if (!strcmp(key, "version"))
		snprintf(st->version, sizeof(st->version), "%s", v);
	else if (!strcmp(key, "pid"))
		st->pid = (pid_t)strtol(v, NULL, 10);
	else if (!strcmp(key, "memory"))
		st->memory = strtoull(v, NULL, 10);
	else if (!strcmp(key, "uptime"))
		st->uptime = strtoull(v, NULL, 10);
	else if (!strcmp(key, "icount"))
		st->icount = !strcmp(v, "1");
	else if (!strcmp(key, "restart"))
		st->restart = !strcmp(v, "1");
}

/* See machine-status.h. */
int machine_status_get(struct machine_status *st,
		       const struct machine_start *how, struct err *err)
{
	CLEANUP_FD int fd = machine_open("status", how, err);
	CLEANUP_FILE FILE *f = NULL;
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;

	*st = (struct machine_status){ .sandboxes = -1 };
	if (fd < 0)
		return -1;
	f = fdopen(fd, "r");
	if (!f)
		return err_sys(err, ENOMEM, "status");
	steal_fd(&fd);
	while (getline(&line, &size, f) > 0) {
		char *eq = strchr(line, '=');

		line[strcspn(line, "\n")] = '\0';
		if (!eq)
			continue;
		*eq = '\0';
		set_value(st, line, eq + 1);
	}
	return 0;
}

/* See machine-status.h. */
void machine_status_sandboxes(struct machine_status *st, struct globals *g)
{
	CLEANUP_JSON json_t *result = NULL;

	if (strcmp(st->state, "running") || setenv("PODFLARE_HOST", "machine", 1))
		return;
	result = client_once(g, "sandbox.list", NULL, NULL);
	if (result)
		st->sandboxes = (int)json_array_size(
			json_object_get(result, "sandboxes"));
}

/* See machine-status.h. */
void machine_status_print(const struct machine_status *st)
{
	char text[SIZE_TEXT];

	printf("state:      %s%s\n", st->state, !strcmp(st->state, "stalled") ?
	       ": the host's disk is full" : "");
	if (!st->pid)
		return;
	printf("pid:        %d\n", (int)st->pid);
	printf("uptime:     %s\n", duration_format(st->uptime * 1000, text));
	printf("memory:     %s\n", size_format(st->memory, text));
	if (st->sandboxes >= 0)
		printf("sandboxes:  %d\n", st->sandboxes);
	printf("version:    %s\n", st->version);
	if (st->icount)
		printf("time:       instructions are counted (--icount)\n");
	if (st->restart)
		printf("restart:    needed, podflare or its image is newer: "
		       "podflare machine stop\n");
}

/* See machine-status.h. */
void machine_status_json(const struct machine_status *st)
{
	json_t *obj = json_pack("{s:s}", "state", st->state);

	if (st->pid) {
		json_object_set_new(obj, "pid", json_integer(st->pid));
		json_object_set_new(obj, "uptime_s",
				    json_integer((json_int_t)st->uptime));
		json_object_set_new(obj, "memory",
				    json_integer((json_int_t)st->memory));
		json_object_set_new(obj, "version", json_string(st->version));
		json_object_set_new(obj, "icount", json_boolean(st->icount));
		json_object_set_new(obj, "restart_needed",
				    json_boolean(st->restart));
	}
	if (st->sandboxes >= 0)
		json_object_set_new(obj, "sandboxes",
				    json_integer(st->sandboxes));
	output_json(obj);
	json_decref(obj);
}
