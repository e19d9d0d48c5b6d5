/* SPDX-License-Identifier: MIT */
/* cli/create.h - what create and run have in common */
#ifndef PODFLARE_CLI_CREATE_H
#define PODFLARE_CLI_CREATE_H

#include "cli/client.h"

struct create_opts {
	const char *name;
	const char *image;
	const char *from;	/* a snapshot */
	uint64_t cpus;
	uint64_t memory;
	uint64_t disk;
	uint64_t idle;		/* milliseconds */
	const char *on_idle;
	const char *net;	/* a policy */
	struct opt_list env;
	struct opt_list labels;
};

extern const struct opt create_options[];

/* Return: a new reference to sandbox.create's parameters, NULL with @err. */
json_t *create_params(const struct create_opts *o, struct err *err);

#endif
