/* SPDX-License-Identifier: MIT */
/*
 * cli/image-apt.h - an apt of our own in the cache folder
 *
 * Theory of operation: package lists and archives live in PATH_CACHE/apt/SUITE
 * and belong to the user.  The lists are brought up to date before a build;
 * where that fails (offline) those at hand are used.  mmdebstrap gets copies of
 * both and gives the archives back.  The host's apt configuration counts as far
 * as it says how to fetch (proxies, certificates, credentials).
 */
#ifndef PODFLARE_CLI_IMAGE_APT_H
#define PODFLARE_CLI_IMAGE_APT_H

#include "cli/image-job.h"
#include "common/buf.h"

struct apt {
	char *dir;		/* PATH_CACHE/apt/SUITE */
	char *lists;		/* below it: "lists" and "archives" */
	char *archives;
	char *env;		/* "APT_CONFIG=..." */
	struct buf sources;	/* deb822 */
	struct buf fetch;	/* configuration: how to fetch */
};

#define APT_INIT { 0 }
#define CLEANUP_APT __attribute__((cleanup(apt_close)))

/* Return: 0, or -1 with @err. */
int apt_open(struct apt *a, struct job *j, const char *suite, struct err *err);
void apt_close(struct apt *a);
/* Bring the lists up to date. Return: 0; also 0, after a warning, when that
 * failed but older lists are there; -1 with @err. */
int apt_update(struct apt *a, struct job *j, struct err *err);
/* Whether apt can install these packages (NULL-terminated, in a NULL-filled
 * array with 3 free places in front of them).
 * Return: 0, or -1 with @err ("Unable to locate package x"). */
int apt_check_packages(struct apt *a, struct job *j, const char **packages,
		       struct err *err);
/*
 * Download a package's .deb, or that of the kernel that a meta package like
 * linux-image-cloud-amd64 depends on.
 * Return: its path, malloc'ed, NULL with @err.
 */
char *apt_download_kernel(struct apt *a, struct job *j, const char *package,
			  struct err *err);
/* From "Depends: a, linux-image-6.1.0-1-cloud-amd64 (= 1)": the kernel package.
 * Return: 0, -1 when there is none. */
int apt_kernel_dependency(const char *depends, char *out, size_t size);

#endif
