/* SPDX-License-Identifier: MIT */
/*
 * runner/saved.h - a machine in files (docs/snapshot-format.md), in a folder
 *
 * `state` and `memory`, with what the memory differs from in `template`, unless it
 * is whole; beside them the disk's layers (chain.h).  They never change once they
 * are written; folders share them by hard links.
 */
#ifndef PODFLARE_RUNNER_SAVED_H
#define PODFLARE_RUNNER_SAVED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

#define SAVED_STATE "state"
#define SAVED_MEMORY "memory"
#define SAVED_TEMPLATE "template"	/* a template's whole memory */

struct saved_files {
	int state, memory, template;	/* -1: none */
};

#define SAVED_NONE { .state = -1, .memory = -1, .template = -1 }

/* Make them, empty, read-write; what is left of others goes first.
 * @param template folder whose memory is to be the template, -1: none
 * Return: 0 with the descriptors, or -1 with @err and none of them there. */
int saved_make(int dirfd, int template, struct saved_files *f,
	       struct err *err);
/* Open them to be read. Return: 0 with the descriptors, or -1 with @err. */
int saved_open(int dirfd, struct saved_files *f, struct err *err);
void saved_close(struct saved_files *f);
/* Whether there is any of them, whole or not. */
bool saved_exists(int dirfd);
/* Bytes of the host's disk that they take; a template's that others have, too,
 * are not counted. */
uint64_t saved_used(int dirfd);
/* Remove what there is of them. Blocks. Return: 0, or -1 with @err. */
int saved_drop(int dirfd, struct err *err);
/* Give the folder @to those of @from. Return: 0, or -1 with @err. */
int saved_link(int from, int to, struct err *err);

#endif
