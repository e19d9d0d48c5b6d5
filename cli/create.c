/* SPDX-License-Identifier: MIT */
/*
 * cli/create.c - what create and run have in common
 *
 * Runs in the CLI.  Bounds (CPUs, memory, names) are checked by the runner.
 */
#include "cli/create.h"

#include "cli/exec.h"

const struct opt create_options[] = {
	{ OPT_STRING, 'n', "name", "NAME", "its name (else one is made up)",
	  offsetof(struct create_opts, name) },
	{ OPT_STRING, 0, "image", "IMAGE", "what it boots (default: default)",
	  offsetof(struct create_opts, image) },
	{ OPT_STRING, 0, "from", "SNAPSHOT", "a copy of this snapshot, not of an "
	  "image", offsetof(struct create_opts, from) },
	{ OPT_NUMBER, 0, "cpus", "N", "virtual CPUs, 1 to 8 (default: 1)",
	  offsetof(struct create_opts, cpus) },
	{ OPT_SIZE, 0, "memory", "SIZE", "RAM, 128M to 16G (default: 512M)",
	  offsetof(struct create_opts, memory) },
	{ OPT_SIZE, 0, "disk", "SIZE", "writable disk, to 64G (default: 8G)",
	  offsetof(struct create_opts, disk) },
	{ OPT_TIME, 0, "idle-timeout", "TIME", "freeze it when nobody has used it "
	  "for so long", offsetof(struct create_opts, idle) },
	{ OPT_STRING, 0, "on-idle", "ACTION", "freeze (the default) or rm",
	  offsetof(struct create_opts, on_idle) },
	{ OPT_STRING, 0, "net", "POLICY", "off (the default), on, allow=ITEM,...",
	  offsetof(struct create_opts, net) },
	{ OPT_LIST, 'e', "env", "K=V", "a variable of every command; K alone: "
	  "ours", offsetof(struct create_opts, env) },
	{ OPT_LIST, 0, "label", "K=V", "a label, shown by show and --json",
	  offsetof(struct create_opts, labels) },
	OPT_TABLE_END,
};

static int set_text(json_t *params, const char *key, const char *text,
		    struct err *err)
{
	json_t *v;

	if (!text)
		return 0;
	v = json_string(text);
	if (!v)
		return err_set(err, ERR_USAGE, "--%s: not UTF-8", key);
	return json_object_set_new(params, key, v);
}

static void set_number(json_t *params, const char *key, uint64_t value)
{
	if (value)
		json_object_set_new(params, key,
				    json_integer((json_int_t)value));
}

static json_t *label_object(const struct opt_list *list, struct err *err)
{
	CLEANUP_JSON json_t *labels = json_object();

	for (size_t i = 0; i < list->n; i++) {
		if (!strchr(list->v[i], '=')) {
			err_set(err, ERR_USAGE, "label \"%.64s\": is not K=V",
				list->v[i]);
			return NULL;
		}
		if (env_add(labels, list->v[i], err) < 0)
			return NULL;
	}
	return json_incref(labels);
}

/* See create.h. */
json_t *create_params(const struct create_opts *o, struct err *err)
{
	CLEANUP_JSON json_t *params = json_object();
	CLEANUP_JSON json_t *env = env_object(&o->env, err);
	CLEANUP_JSON json_t *labels = env ? label_object(&o->labels, err)
					  : NULL;

	if (!labels || set_text(params, "name", o->name, err) < 0 ||
	    set_text(params, "image", o->image, err) < 0 ||
	    set_text(params, "from", o->from, err) < 0 ||
	    set_text(params, "on_idle", o->on_idle, err) < 0 ||
	    set_text(params, "net", o->net, err) < 0)
		return NULL;
	set_number(params, "cpus", o->cpus);
	set_number(params, "memory", o->memory);
	set_number(params, "disk", o->disk);
	set_number(params, "idle_timeout_ms", o->idle);
	if (json_object_size(env))
		json_object_set(params, "env", env);
	if (json_object_size(labels))
		json_object_set(params, "labels", labels);
	return json_incref(params);
}
