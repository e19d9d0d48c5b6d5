/* SPDX-License-Identifier: MIT */
/*
 * cli/side.h - a sandbox whose files are compared or merged
 *
 * Each look at it is a stream of its own, closed after use.
 */
#ifndef PODFLARE_CLI_SIDE_H
#define PODFLARE_CLI_SIDE_H

#include "cli/change.h"
#include "cli/gpath.h"
#include "cli/xfer.h"

/* What all of a command's sides share. */
struct side_env {
	struct globals *globals;
	struct sigs *sigs;	/* open */
	int signal;		/* that cancelled it, 0: none */
};

/* After a failure. Return: the signal that was the reason, 0 when none was. */
int side_env_signal(struct side_env *env);

struct side {
	struct side_env *env;
	const char *name;	/* for messages */
	char *id;		/* for the runner; owned */
	char *view;		/* of one that is frozen: a copy to look at, as
				 * long as there is its connection; owned */
	struct client holder;
	char *image;		/* digest; owned */
	struct change_list changes;
	bool frozen;		/* when it was looked up */
	bool all;		/* they are all files, not only the changed */
	bool as_image;		/* contents are those of its image */
};

#define CLEANUP_SIDE __attribute__((cleanup(side_free)))

/* Look up @name. Return: 0, or -1 with @err. */
int side_open(struct side *s, struct side_env *env, const char *name,
	      struct err *err);
/* A sandbox whose id is known; the same image as @like. */
int side_open_id(struct side *s, const struct side *like, const char *name,
		 const char *id, struct err *err);
/* Do not thaw it, if it is frozen, for what is read from it. Return: 0, or -1
 * with @err. */
int side_look(struct side *s, struct err *err);
/* The id of what is read from. */
const char *side_target(const struct side *s);
void side_free(struct side *s);
/* Fetch what differs from the image (@all: every file) of what passes @filter.
 * Return: 0 with s->changes, or -1 with @err. */
int side_list(struct side *s, const struct gpath_filter *filter, bool all,
	      struct err *err);
/* Fetch digests of regular files: @v are records of s->changes, by path; those
 * that could not be hashed are left without.
 * Return: 0, or -1 with @err. */
int side_hash(struct side *s, struct change *const *v, size_t n,
	      struct err *err);

/* A stream to a sandbox's agent. */
struct side_stream {
	struct side_env *env;
	struct client client;
	struct stream stream;
	struct xfer xfer;
	bool open;
	/* what came and was not read yet */
	const uint8_t *data;
	size_t len;
	bool at_end;
};

#define CLEANUP_SIDE_STREAM __attribute__((cleanup(side_stream_close)))

/* @param params without the sandbox; NULL: none; stolen
 * @param what for the progress line, NULL: none
 * Return: 0, or -1 with @err. */
int side_stream_open(struct side_stream *st, const struct side *s,
		     const char *method, json_t *params, const char *what,
		     struct err *err);
void side_stream_close(struct side_stream *st);
/* For HASH and FETCH: wait for the OK, send paths, say that it is all.
 * Return: 0, or -1 with @err. */
int side_stream_ask(struct side_stream *st, char *const *paths, size_t n,
		    bool as_image, struct err *err);
/* How many of @paths go into one question. */
size_t side_batch(char *const *paths, size_t n);
/* Some bytes that come next, at most @max. Return: 1, 0 at END, -1 with @err. */
int side_stream_some(struct side_stream *st, size_t max, const void **data,
		     size_t *len, struct err *err);
/* Exactly @n bytes. Return: 0, or -1 with @err (also at END). */
int side_stream_read(struct side_stream *st, void *out, size_t n,
		     struct err *err);
/* The next record, which must be of @path. Return: 0 with @c to be freed, or -1
 * with @err. */
int side_stream_record(struct side_stream *st, const char *path,
		       struct change *c, struct err *err);
/* Nothing more may come. Return: 0, or -1 with @err. */
int side_stream_end(struct side_stream *st, struct err *err);

#endif
