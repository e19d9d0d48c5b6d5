/* SPDX-License-Identifier: MIT */
/*
 * cli/cmd-image.c - podflare image ls, show, rm
 *
 * Runs in the CLI.
 *
 * Theory of operation: images live on this file system, whether sandboxes run
 * here or in the emulated machine, which gets a copy of what it needs.  Only a
 * runner that PODFLARE_HOST names has images of its own.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmds.h"
#include "cli/host.h"
#include "cli/image-store.h"
#include "cli/output.h"
#include "cli/size.h"
#include "cli/term.h"

static const struct column columns[] = {
	{ "NAME", .flexible = true }, { "DIGEST" },
	{ "SIZE", .right = true },    { "KERNEL", .flexible = true },
	{ "AGE", .right = true },
};

/* Whether the runner's images are those of another host. */
static int is_elsewhere(bool *elsewhere, struct err *err)
{
	enum host_kind kind;

	if (host_which(&kind, NULL, err) < 0)
		return -1;
	*elsewhere = kind != HOST_LOCAL && kind != HOST_MACHINE;
	return 0;
}

static json_t *list(struct globals *g, struct err *err)
{
	CLEANUP_STORE struct store s = STORE_INIT;
	CLEANUP_JSON json_t *result = NULL;
	bool elsewhere;

	if (is_elsewhere(&elsewhere, err) < 0)
		return NULL;
	if (elsewhere) {
		result = client_once(g, "image.list", NULL, err);
		return json_incref(json_object_get(result, "images"));
	}
	if (store_open(&s, false, err) == 0)
		return store_list(&s, err);
	/* no folder, no images */
	return err && err->code == ERR_NOT_FOUND ? json_array() : NULL;
}

static void add_row(struct table *t, const json_t *image)
{
	char text[SIZE_TEXT], digest[24];

	table_cell(t, json_text(image, "name"));
	store_short(json_text(image, "digest"), digest);
	table_cell(t, digest);
	if (json_object_get(image, "broken")) {
		table_cell(t, "broken");
		table_cell(t, json_text(image, "broken"));
		table_cell(t, NULL);
		return;
	}
	table_cell(t, size_format(json_number(image, "size"), text));
	table_cell(t, json_text(image, "kernel"));
	table_cell(t, age_format(json_text(image, "created"), time(NULL),
				 text));
}

static int run_ls(struct cmd_ctx *ctx, struct err *err)
{
	CLEANUP_JSON json_t *images = list(ctx->globals, err);
	CLEANUP_TABLE struct table t;
	json_t *image;
	size_t i;

	table_init(&t, columns, ARRAY_SIZE(columns));
	if (!images)
		return -1;
	if (ctx->globals->json) {
		output_json(images);
		return 0;
	}
	json_array_foreach(images, i, image) {
		if (!ctx->globals->quiet)
			add_row(&t, image);
		else if (*json_text(image, "name"))
			output_name(json_text(image, "name"));
		else
			output_name(json_text(image, "digest"));
	}
	if (!ctx->globals->quiet)
		table_print(&t, stdout, term_columns(STDOUT_FILENO));
	return 0;
}

/* Only a runner has templates. None is started to say that it has none. */
static void add_templates(struct globals *g, json_t *image)
{
	static const char *const keys[] = { "templates", "pool" };
	struct err ignored = ERR_INIT;
	CLEANUP_JSON json_t *there = NULL;
	int fd = host_connect(g, false, &ignored);

	if (fd < 0)
		return;
	close(fd);
	there = client_once(g, "image.show", json_pack(
		"{s:s}", "image", json_text(image, "digest")), &ignored);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (json_object_get(there, keys[i]))
			json_object_set(image, keys[i],
					json_object_get(there, keys[i]));
}

static json_t *show(struct globals *g, const char *name, struct err *err)
{
	CLEANUP_STORE struct store s = STORE_INIT;
	char dir[STORE_DIR_MAX];
	json_t *image;
	bool elsewhere;

	if (is_elsewhere(&elsewhere, err) < 0)
		return NULL;
	if (elsewhere)
		return client_once(g, "image.show",
				   json_pack("{s:s}", "image", name), err);
	if (store_open(&s, true, err) < 0 ||
	    store_resolve(&s, name, dir, err) < 0)
		return NULL;
	image = store_show(&s, dir, err);
	if (image)
		add_templates(g, image);
	return image;
}

static void show_line(const char *title, const char *text)
{
	if (*text) {
		printf("%-11s", title);
		output_name(text);
	}
}

static void show_list(const char *title, const json_t *values)
{
	const json_t *v, *code;
	const char *lang;
	char line[256];
	size_t i;

	json_array_foreach(values, i, v) {
		if (json_is_string(v))
			show_line(i ? "" : title, json_string_value(v));
		json_object_foreach((json_t *)v, lang, code) {
			snprintf(line, sizeof(line), "%s: %s", lang,
				 json_string_value(code));
			show_line(i ? "" : title, line);
		}
	}
}

/* " in memory 90 MiB", when it is there */
static void place(char *out, size_t size, const char *where, const json_t *t,
		  const char *there, const char *used)
{
	char text[SIZE_TEXT];

	out[0] = '\0';
	if (json_is_true(json_object_get(t, there)))
		snprintf(out, size, " %s %s", where,
			 size_format(json_number(t, used), text));
}

static void show_templates(const json_t *list)
{
	char memory[SIZE_TEXT], disk[SIZE_TEXT], held[64], file[64], text[256];
	const json_t *t;
	size_t i;

	json_array_foreach(list, i, t) {
		size_format(json_number(t, "memory"), memory);
		size_format(json_number(t, "disk"), disk);
		place(held, sizeof(held), "in memory", t, "in_memory",
		      "memory_used");
		place(file, sizeof(file), "in files", t, "on_disk",
		      "disk_used");
		snprintf(text, sizeof(text), "%s, %u CPU, disk %s:%s%s%s",
			 memory, (unsigned int)json_number(t, "cpus"), disk,
			 held, *held && *file ? "," : "", file);
		show_line(i ? "" : "templates", text);
	}
}

static void show_pool(const json_t *pool)
{
	char text[64];

	snprintf(text, sizeof(text), "%u of %u ready",
		 (unsigned int)json_number(pool, "ready"),
		 (unsigned int)json_number(pool, "size"));
	if (json_number(pool, "size"))
		show_line("pool", text);
}

static int run_show(struct cmd_ctx *ctx, struct err *err)
{
	CLEANUP_JSON json_t *image = show(ctx->globals, ctx->argv[0], err);
	char text[SIZE_TEXT], line[256];
	const char *key;
	json_t *v;
	int n = 0;

	if (!image)
		return -1;
	if (ctx->globals->json) {
		output_json(image);
		return 0;
	}
	show_list("name", json_object_get(image, "names"));
	show_line("digest", json_text(image, "digest"));
	show_line("created", json_text(image, "created"));
	show_line("size", size_format(json_number(image, "size"), text));
	show_line("base", json_text(image, "base_type"));
	show_line("kernel", json_text(image, "kernel"));
	show_line("user", json_text(image, "user"));
	show_line("workdir", json_text(image, "workdir"));
	json_object_foreach(json_object_get(image, "env"), key, v) {
		snprintf(line, sizeof(line), "%s=%s", key,
			 json_string_value(v) ? json_string_value(v) : "");
		show_line(n++ ? "" : "env", line);
	}
	show_list("warmup", json_object_get(image, "warmup"));
	show_list("used by", json_object_get(image, "used_by"));
	show_templates(json_object_get(image, "templates"));
	show_pool(json_object_get(image, "pool"));
	return 0;
}

struct rm_opts {
	bool force;
};

static const struct opt rm_options[] = {
	{ OPT_FLAG, 'f', "force", NULL, "even if sandboxes use it; none is no "
	  "error",
	  offsetof(struct rm_opts, force) },
	OPT_TABLE_END,
};

/* The runner knows who uses an image. Return: 1 when it removed it, 0 when it
 * does not have it or cannot be asked, -1 with @err. */
static int rm_there(struct globals *g, const char *name, bool force,
		    bool elsewhere, struct err *err)
{
	struct err why = ERR_INIT;
	CLEANUP_JSON json_t *done = NULL;
	int fd;

	/* the machine is not started just for this: what it has in its store
	 * it keeps until it is asked again */
	if (!host_is_local() && !elsewhere) {
		fd = host_connect(g, false, &why);
		if (fd < 0)
			return 0;
		close(fd);
	}
	done = client_once(g, "image.rm",
			   json_pack("{s:s, s:b}", "image", name, "force",
				     force), &why);
	if (done)
		return 1;
	if (!elsewhere &&
	    (why.code == ERR_NOT_FOUND || why.code == ERR_UNAVAILABLE))
		return 0;
	*err = why;
	return -1;
}

/* By name: the name goes; the image with its last one. */
static int rm_here(const char *name, struct err *err)
{
	CLEANUP_STORE struct store s = STORE_INIT;
	CLEANUP_JSON json_t *image = NULL;
	char dir[STORE_DIR_MAX];
	json_t *names, *n;
	bool by_name = false;
	size_t i;

	if (store_open(&s, true, err) < 0 ||
	    store_resolve(&s, name, dir, err) < 0)
		return -1;
	image = store_show(&s, dir, NULL);
	names = json_object_get(image, "names");
	json_array_foreach(names, i, n)
		by_name |= !strcmp(json_string_value(n), name);
	if (by_name && json_array_size(names) > 1)
		return store_unlink(&s, name, err);
	return store_remove(&s, dir, err);
}

static int rm_one(struct globals *g, const char *name, bool force,
		  struct err *err)
{
	bool elsewhere;
	int done;

	if (is_elsewhere(&elsewhere, err) < 0)
		return -1;
	done = rm_there(g, name, force, elsewhere, err);
	if (done == 0 || (done > 0 && !elsewhere && !host_is_local()))
		done = rm_here(name, err) < 0 ? -1 : 1;
	if (done < 0 && force && err && err->code == ERR_NOT_FOUND) {
		*err = (struct err)ERR_INIT;
		return 0;
	}
	return done < 0 ? -1 : 0;
}

static int run_rm(struct cmd_ctx *ctx, struct err *err)
{
	const struct rm_opts *o = ctx->opts;

	for (int i = 0; i < ctx->argc; i++) {
		if (rm_one(ctx->globals, ctx->argv[i], o->force, err) < 0)
			return -1;
		if (!ctx->globals->json)
			output_name(ctx->argv[i]);
	}
	return 0;
}

static const struct cmd cmd_ls_ = {
	.name = "ls",
	.summary = "List the images (with -q their names alone)",
	.operands = "",
	.run = run_ls,
};

static const struct cmd cmd_show_ = {
	.name = "show",
	.summary = "Show an image's details",
	.operands = "IMAGE",
	.min = 1,
	.max = 1,
	.run = run_show,
};

static const struct cmd cmd_rm_ = {
	.name = "rm",
	.summary = "Remove images that no sandbox uses",
	.operands = "IMAGE...",
	.opts = rm_options,
	.opts_size = sizeof(struct rm_opts),
	.min = 1,
	.max = -1,
	.run = run_rm,
};

static const struct cmd *const subs[] = {
	&cmd_image_build, &cmd_ls_, &cmd_show_, &cmd_rm_, &cmd_image_import,
	&cmd_image_warm, NULL,
};

const struct cmd cmd_image = {
	.name = "image",
	.summary = "Build, import, list, show, warm and remove images",
	.operands = "",
	.subs = subs,
};
