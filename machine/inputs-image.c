/* SPDX-License-Identifier: MIT */
/*
 * machine/inputs-image.c - the kernel that the machine runs
 *
 * Supervisor.  The machine's kernel and modules are those of an image of the
 * local store (docs/image-format.md): "default", or what
 * PODFLARE_MACHINE_IMAGE names, or any that has them.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/path.h"
#include "machine/inputs.h"

static bool usable(const char *dir, const char *file, char **out)
{
	if (asprintf(out, "%s/%s", dir, file) < 0) {
		*out = NULL;
		return false;
	}
	if (access(*out, R_OK) == 0)
		return true;
	free(*out);
	*out = NULL;
	return false;
}

/* Return: whether image @name of the store serves. */
static bool try_image(struct inputs *in, const char *store, const char *name)
{
	char *link = NULL;

	if (asprintf(&link, "%s/names/%s", store, name) < 0)
		return false;
	in->image = realpath(link, NULL);
	free(link);
	if (in->image && usable(in->image, "machine.cpio", &in->modules) &&
	    usable(in->image, "vmlinuz", &in->kernel))
		return true;
	free(steal_ptr(&in->image));
	free(steal_ptr(&in->modules));
	return false;
}

static bool try_all(struct inputs *in, const char *store)
{
	CLEANUP_FREE char *names = NULL;
	CLEANUP_DIR DIR *d = NULL;
	struct dirent *e;

	if (asprintf(&names, "%s/names", store) < 0)
		return false;
	d = opendir(names);
	while (d && (e = readdir(d)))
		if (path_name_valid(e->d_name) &&
		    try_image(in, store, e->d_name))
			return true;
	return false;
}

int inputs_find_image(struct inputs *in, struct err *err)
{
	CLEANUP_FREE char *store = path_place(PATH_DATA, "images", false, err);
	const char *name = getenv("PODFLARE_MACHINE_IMAGE");

	if (!store)
		return -1;
	if (name && *name) {
		if (path_name_valid(name) && try_image(in, store, name))
			return 0;
		return err_set(err, ERR_NOT_FOUND, "image %s "
			       "(PODFLARE_MACHINE_IMAGE): there is none with a "
			       "kernel for the machine", name);
	}
	if (try_image(in, store, "default") || try_all(in, store))
		return 0;
	err_set(err, ERR_NOT_FOUND, "the machine has no kernel yet: it takes "
		"that of an image, and there is no image in %s", store);
	return err_hint(err, "podflare image build default");
}
