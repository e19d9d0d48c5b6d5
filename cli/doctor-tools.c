/* SPDX-License-Identifier: MIT */
/*
 * cli/doctor-tools.c - podflare doctor: our programs, the default image, tools
 *
 * Runs in the CLI.
 */
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "common/cleanup.h"
#include "common/path.h"

/* Programs of others: what for, and the package that has them. */
static const struct {
	const char *program, *package, *what_for;
	bool build_only;	/* not needed once there is an image */
	bool user_only;		/* root does without */
} tools[] = {
	{ "mke2fs", "e2fsprogs", "disks of sandboxes" },
	{ "mmdebstrap", "mmdebstrap", "building images", .build_only = true },
	{ "mksquashfs", "squashfs-tools", "building images", .build_only = true },
	{ "newuidmap", "uidmap", "building images as a user",
	  .build_only = true, .user_only = true },
};

static void check_own(struct doctor *d)
{
	static const char *const names[] = {
		"podflared", "podflare-vmm", "init.cpio", "podflare-machine",
	};
	struct err err = ERR_INIT;
	struct doctor_finding *f;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		CLEANUP_FREE char *path = path_program(names[i], &err);

		if (path)
			continue;
		f = doctor_add(d, DOCTOR_ERROR, "podflare", "%s", err.msg);
		doctor_hint(f, "%s", err.hint);
		return;
	}
	doctor_add(d, DOCTOR_OK, "podflare", "version " PACKAGE_VERSION
		   ", all its programs are there");
}

static bool image_has(const char *dir, const char *file)
{
	CLEANUP_FREE char *path = NULL;

	return asprintf(&path, "%s/%s", dir, file) >= 0 &&
	       access(path, R_OK) == 0;
}

static void check_image(struct doctor *d)
{
	CLEANUP_FREE char *dir = path_place(PATH_DATA, "images/names/default",
					    false, NULL);
	struct doctor_finding *f;
	const char *missing = NULL;

	d->has_image = dir && image_has(dir, "image.json");
	if (!d->has_image) {
		f = doctor_add(d, DOCTOR_ERROR, "image",
			       "there is no image \"default\" yet");
		doctor_hint(f, "podflare image build default");
		return;
	}
	if (!image_has(dir, "base.img"))
		missing = "root file system";
	else if (!image_has(dir, "vmlinuz") && !image_has(dir, "vmlinux"))
		missing = "kernel";
	else if (d->kind == HOST_MACHINE && !image_has(dir, "machine.cpio"))
		missing = "modules for the emulated machine";
	if (!missing) {
		doctor_add(d, DOCTOR_OK, "image", "\"default\" is there");
		return;
	}
	f = doctor_add(d, DOCTOR_ERROR, "image",
		       "\"default\" is incomplete: no %s", missing);
	doctor_hint(f, "podflare image build default");
}

static void check_tools(struct doctor *d)
{
	struct doctor_finding *f;

	for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
		CLEANUP_FREE char *path = doctor_search(tools[i].program);
		bool later = tools[i].build_only && d->has_image;

		if (tools[i].user_only && geteuid() == 0)
			continue;
		if (path) {
			doctor_add(d, DOCTOR_OK, tools[i].program, "%s", path);
			continue;
		}
		f = doctor_add(d, later ? DOCTOR_WARNING : DOCTOR_ERROR,
			       tools[i].program, "not installed; it is for %s",
			       tools[i].what_for);
		doctor_hint(f, "sudo apt install %s", tools[i].package);
	}
}

/* Return: whether a line of @file gives ids to @user (or @uid). */
static bool has_ids(const char *file, const char *user, uid_t uid)
{
	CLEANUP_FILE FILE *in = fopen(file, "re");
	CLEANUP_FREE char *line = NULL;
	char number[32];
	size_t size = 0;

	snprintf(number, sizeof(number), "%u", (unsigned int)uid);
	while (in && getline(&line, &size, in) > 0) {
		line[strcspn(line, ":")] = '\0';
		if (!strcmp(line, user) || !strcmp(line, number))
			return true;
	}
	return false;
}

static void check_subids(struct doctor *d)
{
	uid_t uid = geteuid();
	struct passwd *pw = getpwuid(uid);
	const char *user = pw ? pw->pw_name : "$USER";
	struct doctor_finding *f;

	if (uid == 0)
		return;
	if (has_ids("/etc/subuid", user, uid) &&
	    has_ids("/etc/subgid", user, uid)) {
		doctor_add(d, DOCTOR_OK, "subuid", "%s has ids of its own",
			   user);
		return;
	}
	f = doctor_add(d, d->has_image ? DOCTOR_WARNING : DOCTOR_ERROR,
		       "subuid", "%s has no ids in /etc/subuid and /etc/subgid; "
		       "they are for building images as a user", user);
	doctor_hint(f, "sudo usermod --add-subuids 100000-165535 "
		    "--add-subgids 100000-165535 %s", user);
}

/* See doctor.h. */
void doctor_check_tools(struct doctor *d)
{
	check_own(d);
	check_image(d);
	check_tools(d);
	check_subids(d);
}
