/* SPDX-License-Identifier: MIT */
/*
 * cli/textdiff.h - line by line: differences and three-way merges of texts
 *
 * Done by podflare-textdiff, a program of its own: the texts are a guest's, and
 * the library that knows how would make every other command start slower.
 * Requests and answers are a header and then bytes, over pipes; both programs
 * are of one version.
 */
#ifndef PODFLARE_CLI_TEXTDIFF_H
#define PODFLARE_CLI_TEXTDIFF_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/err.h"

#define TEXTDIFF_MAGIC 0x31647470u
#define TEXTDIFF_TEXT_MAX (64 * MIB)	/* of one text */
#define TEXTDIFF_ANSWER_MAX (256 * MIB)

enum textdiff_op {
	TEXTDIFF_DIFF = 1,	/* two texts; the answer: hunks */
	TEXTDIFF_MERGE = 2,	/* ancestor, ours, theirs; the answer: a text */
};

enum textdiff_favor {
	TEXTDIFF_CONFLICTS,	/* no side: tell */
	TEXTDIFF_OURS,
	TEXTDIFF_THEIRS,
};

struct textdiff_request {
	uint32_t magic;
	uint32_t op;
	uint32_t arg;		/* lines of context, or enum textdiff_favor */
	uint32_t zero;
	uint64_t len[3];
};

enum textdiff_result {
	TEXTDIFF_OK = 0,
	TEXTDIFF_CONFLICT = 1,	/* no text comes with it */
	TEXTDIFF_FAILED = 2,
};

struct textdiff_answer {
	uint32_t magic;
	uint32_t result;	/* enum textdiff_result */
	uint64_t added, removed;/* lines */
	uint64_t len;		/* bytes that follow */
};

/* The program, started when it is first needed. Zero-initialised. */
struct textdiff {
	pid_t pid;		/* 0: not running */
	int in, out;
};

struct text {
	const char *data;
	size_t len;
};

/* What came of it; free data. */
struct textdiff_reply {
	enum textdiff_result result;
	uint64_t added, removed;
	char *data;		/* NULL unless TEXTDIFF_OK; NUL-terminated */
	size_t len;
};

void textdiff_close(struct textdiff *t);
/*
 * Ask. A program that ends over it (memory, its own fault) is FAILED too.
 * @param texts two or three of them, in the order of enum textdiff_op
 * Return: 0 with @reply, or -1 with @err: it cannot be started.
 */
int textdiff_ask(struct textdiff *t, enum textdiff_op op, uint32_t arg,
		 const struct text *texts, struct textdiff_reply *reply,
		 struct err *err);

#endif
