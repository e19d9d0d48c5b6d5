/* SPDX-License-Identifier: MIT */
/*
 * cli/image-build.c - podflare image build
 *
 * Runs in the CLI, as any user.  Everything is made in temporary folders; the
 * image appears when all of it is complete.
 */
#include "cli/image-build.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/image-base.h"
#include "cli/image-deb.h"
#include "cli/image-files.h"
#include "cli/image-kernel.h"
#include "cli/image-modules.h"
#include "cli/image-root.h"
#include "cli/image-tools.h"
#include "cli/image-work.h"
#include "cli/output.h"
#include "common/cleanup.h"
#include "common/path.h"

#define LOG_NAME "image-build.log"

struct build {
	struct recipe recipe;
	struct store store;
	struct job job;
	struct work work;
	struct apt apt;
	struct kernel kernel;
	char input[65];
	char tmp[32];		/* the new image's folder, while it is made */
	int fd;
};

/* See image-build.h. */
int image_name_of(const char *path, char out[64])
{
	const char *base = strrchr(path, '/');
	size_t n;

	base = base ? base + 1 : path;
	n = strcspn(base, ".");
	if (n >= 64)
		return -1;
	snprintf(out, 64, "%.*s", (int)n, base);
	return path_name_valid(out) ? 0 : -1;
}

static int choose_name(struct build *b, const char *name, struct image_made *o,
		       struct err *err)
{
	if (!name)
		name = b->recipe.name;
	if (!name && image_name_of(b->recipe.file, o->name) < 0) {
		err_set(err, ERR_USAGE, "%s: the recipe has no name",
			b->recipe.file);
		return err_hint(err, "give it one: --name NAME, or the key "
				"\"name\"");
	}
	if (name) {
		if (!path_name_valid(name)) {
			err_set(err, ERR_USAGE, "image name \"%.80s\": is not "
				"valid", name);
			return err_hint(err, "a name has a-z, 0-9, _ . - and "
					"at most 63 of them");
		}
		snprintf(o->name, sizeof(o->name), "%s", name);
	}
	free(b->recipe.name);
	b->recipe.name = strdup(o->name);
	return b->recipe.name ? 0 : err_sys(err, ENOMEM, "image");
}

/* Whether the image of that name was made from the same input. */
static bool is_unchanged(struct build *b, struct image_made *o)
{
	json_t *meta = NULL;
	bool same;

	o->old[0] = '\0';
	if (store_resolve(&b->store, o->name, o->old, NULL) == 0)
		meta = store_load(&b->store, o->old, NULL);
	same = meta && !strcmp(json_text(meta, "input"), b->input);
	json_decref(meta);
	if (same)
		memcpy(o->dir, o->old, sizeof(o->dir));
	return same;
}

static int write_file(int fd, const char *name, const struct buf *data,
		      struct err *err)
{
	if (!data->len)
		return 0;
	return path_write_file(fd, name, data->data, data->len, 0644, err);
}

static int make_kernel(struct build *b, struct err *err)
{
	CLEANUP_MODULES struct modules m = MODULES_INIT;
	CLEANUP_FREE char *deb = NULL;
	CLEANUP_FREE char *dir = NULL;
	const struct recipe *r = &b->recipe;

	if (r->kernel_path) {
		if (kernel_load(AT_FDCWD, r->kernel_path, &b->kernel, err) < 0)
			return -1;
	} else {
		deb = apt_download_kernel(&b->apt, &b->job, r->kernel_package,
					  err);
		if (!deb)
			return -1;
		progress_step(&b->job.progress, "unpacking the kernel", -1);
		if (deb_unpack_kernel(deb, b->work.fd, &b->job, err) < 0 ||
		    kernel_load(b->work.fd, "vmlinuz", &b->kernel, err) < 0)
			return -1;
	}
	if (r->kernel_modules)
		dir = strdup(r->kernel_modules);
	else if (!r->kernel_path &&
		 asprintf(&dir, "%s/modules", b->work.private) < 0)
		dir = NULL;
	if (dir && modules_scan(&m, dir, err) < 0)
		return -1;
	if (write_file(b->fd, "vmlinuz", &b->kernel.vmlinuz, err) < 0 ||
	    write_file(b->fd, "vmlinux", &b->kernel.vmlinux, err) < 0)
		return -1;
	if (modules_write(&m, modules_guest, b->fd, "modules.cpio", err) < 0)
		return -1;
	return modules_write(&m, modules_machine, b->fd, "machine.cpio", err);
}

/* See image-build.h. */
void image_stamp(json_t *meta)
{
	time_t now = time(NULL);
	struct tm tm;
	char text[32];

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	json_object_set_new(meta, "created", json_string(text));
}

static json_t *make_meta(const struct build *b, const char *name)
{
	const struct recipe *r = &b->recipe;
	json_t *meta = json_object(), *env = json_object();
	json_t *warmup = json_array();
	bool as_root = !strcmp(r->user, "root");

	for (size_t i = 0; i < r->env.n; i++) {
		const char *eq = strchr(r->env.v[i], '=');
		char key[256];

		snprintf(key, sizeof(key), "%.*s", (int)(eq - r->env.v[i]),
			 r->env.v[i]);
		json_object_set_new(env, key, json_string(eq + 1));
	}
	for (size_t i = 0; i < r->warmup.n; i++) {
		json_t *text = json_string(r->warmup.v[i]);

		if (*r->warmup_lang.v[i])
			text = json_pack("{s:o}", r->warmup_lang.v[i], text);
		json_array_append_new(warmup, text);
	}
	json_object_set_new(meta, "format", json_integer(1));
	json_object_set_new(meta, "name", json_string(name));
	json_object_set_new(meta, "base_type", json_string(BASE_TYPE));
	json_object_set_new(meta, "kernel",
			    json_string(*b->kernel.release ? b->kernel.release
							   : "unknown"));
	json_object_set_new(meta, "env", env);
	json_object_set_new(meta, "user", json_string(r->user));
	json_object_set_new(meta, "workdir",
			    json_string(r->workdir ? r->workdir :
					as_root	   ? "/root" :
						     "/"));
	json_object_set_new(meta, "warmup", warmup);
	json_object_set_new(meta, "input", json_string(b->input));
	image_stamp(meta);
	return meta;
}

/* A misspelt package is told now, not after a minute. */
static int check_packages(struct build *b, struct err *err)
{
	const struct recipe *r = &b->recipe;
	CLEANUP_FREE const char **argv = calloc(r->packages.n + 4,
						sizeof(*argv));

	if (!argv)
		return err_sys(err, ENOMEM, "packages");
	for (size_t i = 0; i < r->packages.n; i++)
		argv[3 + i] = r->packages.v[i];
	if (!r->packages.n ||
	    apt_check_packages(&b->apt, &b->job, argv, err) == 0)
		return 0;
	return err_context(err, "%s:%d: packages", r->file, r->packages_line);
}

/* As root, mmdebstrap mounts /proc, /sys and /dev below the work folder: in a
 * mount namespace of our own they go with the last process, also when that is
 * killed. An ordinary user's build has its own namespace anyway. Where it is
 * refused (a container), the build goes on as it did. */
static void private_mounts(void)
{
	if (geteuid() == 0 && unshare(CLONE_NEWNS) == 0)
		mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
}

static int build_all(struct build *b, struct image_made *o, struct err *err)
{
	CLEANUP_FREE char *base = NULL;
	CLEANUP_JSON json_t *meta = NULL;

	if (apt_open(&b->apt, &b->job, b->recipe.suite, err) < 0 ||
	    apt_update(&b->apt, &b->job, err) < 0 ||
	    check_packages(b, err) < 0 || make_kernel(b, err) < 0)
		return -1;
	if (asprintf(&base, "%s/%s/base.img", b->store.path, b->tmp) < 0)
		return err_sys(err, ENOMEM, "image");
	private_mounts();
	if (root_build(&b->recipe, &b->apt, &b->job, b->work.private, base,
		       err) < 0)
		return -1;
	meta = make_meta(b, o->name);
	return store_commit(&b->store, b->fd, b->tmp, meta, o->name, o->dir,
			    &b->job, err);
}

static void no_space_hint(const struct build *b, struct err *err)
{
	const char *tmp = b->work.path ? b->work.path : "";
	const char *slash = strrchr(tmp, '/');

	if (err && err->code == ERR_NO_SPACE)
		err_hint(err, "a build wants 2 GiB in %.*s (TMPDIR chooses "
			 "another place), 500 MiB in %s and as much in %s",
			 slash ? (int)(slash - tmp) : 0, tmp, b->store.path,
			 b->apt.dir ? b->apt.dir : "the cache folder");
}

static int build(struct build *b, struct globals *g, const char *name,
		 bool force, struct image_made *o, struct err *err)
{
	int rc;

	if (choose_name(b, name, o, err) < 0 ||
	    files_input_digest(&b->recipe, b->input, err) < 0 ||
	    store_open(&b->store, true, err) < 0)
		return -1;
	o->unchanged = is_unchanged(b, o) && !force;
	if (o->unchanged)
		return 0;
	if (tools_check(true, err) < 0 || tools_check_userns(err) < 0 ||
	    job_open(&b->job, g, LOG_NAME, err) < 0 ||
	    store_lock(&b->store, &b->job, err) < 0)
		return -1;
	/* whoever we waited for may have done it */
	o->unchanged = is_unchanged(b, o) && !force;
	if (o->unchanged)
		return 0;
	if (work_open(&b->work, err) < 0)
		return -1;
	b->fd = store_begin(&b->store, b->tmp, err);
	if (b->fd < 0)
		return -1;
	rc = build_all(b, o, err);
	if (rc < 0)
		store_abort(&b->store, b->tmp);
	return rc;
}

/* See image-build.h. */
int image_build(struct globals *g, const char *arg, const char *name,
		bool force, struct image_made *out, struct err *err)
{
	struct build b = { .recipe = RECIPE_INIT, .store = STORE_INIT,
			   .job = JOB_INIT, .work = WORK_INIT,
			   .apt = APT_INIT, .kernel = KERNEL_INIT, .fd = -1 };
	int rc;

	*out = (struct image_made){ 0 };
	rc = recipe_load(arg, &b.recipe, err);
	if (rc == 0)
		rc = build(&b, g, name, force, out, err);
	if (rc < 0)
		no_space_hint(&b, err);
	if (b.fd >= 0)
		close(b.fd);
	work_close(&b.work);
	job_close(&b.job);
	kernel_free(&b.kernel);
	apt_close(&b.apt);
	store_close(&b.store);
	recipe_free(&b.recipe);
	return rc;
}
