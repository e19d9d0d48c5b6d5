/* SPDX-License-Identifier: MIT */
/*
 * cli/image-import.c - podflare image import
 *
 * Runs in the CLI.  Distrusts the archive (image-base.c); it is never unpacked
 * on the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/image-base.h"
#include "cli/image-build.h"
#include "cli/image-tools.h"
#include "cli/output.h"
#include "common/cleanup.h"
#include "common/path.h"

struct import {
	struct store store;
	struct job job;
	json_t *donor;		/* image.json of the kernel's image */
	char donor_dir[STORE_DIR_MAX];
	char tmp[32];
	uint64_t total;
	int in, fd;
};

static int choose_name(const char *file, const char *name,
		       struct image_made *o, struct err *err)
{
	if (name && path_name_valid(name)) {
		snprintf(o->name, sizeof(o->name), "%s", name);
		return 0;
	}
	if (!name && image_name_of(file, o->name) == 0)
		return 0;
	if (name)
		err_set(err, ERR_USAGE, "image name \"%.80s\": is not valid",
			name);
	else
		err_set(err, ERR_USAGE, "%.200s: what is the image called?",
			file);
	return err_hint(err, "--name NAME: a-z, 0-9, _ . - and at most 63 of "
			"them");
}

static int open_input(struct import *im, const char *file, struct err *err)
{
	struct stat st;

	im->in = strcmp(file, "-") ? open(file, O_RDONLY | O_CLOEXEC)
				   : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	if (im->in < 0 || fstat(im->in, &st) < 0)
		return err_sys(err, errno, "%s", file);
	if (S_ISDIR(st.st_mode)) {
		err_sys(err, EISDIR, "%s", file);
		return err_hint(err, "tar -C %s -c . | podflare image import "
				"- --name NAME", file);
	}
	if (isatty(im->in))
		return err_set(err, ERR_USAGE, "an archive is not read from a "
			       "terminal");
	im->total = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	return 0;
}

static int find_kernel(struct import *im, const char *image, struct err *err)
{
	if (store_resolve(&im->store, image, im->donor_dir, err) < 0) {
		err_context(err, "the kernel's image");
		return err_hint(err, "podflare image build default, or "
				"--kernel-from IMAGE");
	}
	im->donor = store_load(&im->store, im->donor_dir, err);
	return im->donor ? 0 : err_context(err, "the kernel's image");
}

/* The same file under another name: images never change. */
static int take_file(struct import *im, const char *name, struct err *err)
{
	char path[STORE_DIR_MAX + 64];
	CLEANUP_BUF struct buf copy = { .max = GIB };

	snprintf(path, sizeof(path), "%s/%s", im->donor_dir, name);
	if (linkat(im->store.fd, path, im->fd, name, 0) == 0)
		return 0;
	if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK)
		return err_sys(err, errno, "%s", path);
	/* a file system without hard links */
	if (path_read_file(im->store.fd, path, GIB, &copy, err) < 0)
		return -1;
	return path_write_file(im->fd, name, copy.data, copy.len, 0644, err);
}

static int take_kernel(struct import *im, struct err *err)
{
	static const char *const parts[] = { "vmlinux", "vmlinuz",
					     "modules.cpio", "machine.cpio" };
	json_t *files = json_object_get(im->donor, "files");

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (json_object_get(files, parts[i]) &&
		    take_file(im, parts[i], err) < 0)
			return -1;
	return 0;
}

static int fill(struct import *im, const char *file, struct image_made *o,
		struct err *err)
{
	CLEANUP_JSON json_t *meta = json_object();
	CLEANUP_FREE char *base = NULL;

	if (asprintf(&base, "%s/%s/base.img", im->store.path, im->tmp) < 0)
		return err_sys(err, ENOMEM, "image");
	if (base_write(&im->job, im->in, im->total, BASE_IMPORTED, base,
		       err) < 0)
		return err_context(err, "%s", file);
	if (take_kernel(im, err) < 0)
		return -1;
	json_object_set_new(meta, "format", json_integer(1));
	json_object_set_new(meta, "name", json_string(o->name));
	json_object_set_new(meta, "base_type", json_string(BASE_TYPE));
	json_object_set(meta, "kernel", json_object_get(im->donor, "kernel"));
	json_object_set_new(meta, "env", json_object());
	json_object_set_new(meta, "user", json_string("root"));
	json_object_set_new(meta, "workdir", json_string("/root"));
	json_object_set_new(meta, "warmup", json_array());
	image_stamp(meta);
	return store_commit(&im->store, im->fd, im->tmp, meta, o->name, o->dir,
			    &im->job, err);
}

static int import(struct import *im, struct globals *g, const char *file,
		  const char *kernel_from, struct image_made *o,
		  struct err *err)
{
	int rc;

	if (open_input(im, file, err) < 0 || tools_check(false, err) < 0 ||
	    store_open(&im->store, true, err) < 0 ||
	    find_kernel(im, kernel_from ? kernel_from : "default", err) < 0 ||
	    job_open(&im->job, g, NULL, err) < 0 ||
	    store_lock(&im->store, &im->job, err) < 0)
		return -1;
	store_resolve(&im->store, o->name, o->old, NULL);
	im->fd = store_begin(&im->store, im->tmp, err);
	if (im->fd < 0)
		return -1;
	rc = fill(im, file, o, err);
	if (rc < 0)
		store_abort(&im->store, im->tmp);
	return rc;
}

/* See image-build.h. */
int image_import(struct globals *g, const char *file, const char *name,
		 const char *kernel_from, struct image_made *out,
		 struct err *err)
{
	struct import im = { .store = STORE_INIT, .job = JOB_INIT, .in = -1,
			     .fd = -1 };
	int rc;

	*out = (struct image_made){ 0 };
	rc = choose_name(file, name, out, err);
	if (rc == 0)
		rc = import(&im, g, file, kernel_from, out, err);
	if (rc < 0 && err && err->code == ERR_NO_SPACE)
		err_hint(err, "free some space in %s", im.store.path);
	if (im.in >= 0)
		close(im.in);
	if (im.fd >= 0)
		close(im.fd);
	json_decref(im.donor);
	job_close(&im.job);
	store_close(&im.store);
	return rc;
}
