/* SPDX-License-Identifier: MIT */
/*
 * cli/textdiff-main.c - podflare-textdiff: line by line
 *
 * A process of its own, started by podflare for as long as a diff or merge
 * takes; reads requests from standard input, answers on standard output, and
 * opens nothing.  Distrusts the texts: they are a guest's.  Its memory is
 * bounded; what goes wrong in it is an answer that does not come.
 *
 * Theory of operation: libgit2 has git's own differ and merger, here on
 * buffers, without a repository or configuration.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <git2.h>

#include "cli/textdiff.h"
#include "common/buf.h"
#include "common/cleanup.h"

#define MEMORY (3 * GIB)

static int read_all(void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = TEMP_FAILURE_RETRY(read(STDIN_FILENO, p, len));

		if (n <= 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_all(const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = TEMP_FAILURE_RETRY(write(STDOUT_FILENO, p, len));

		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int answer(const struct textdiff_answer *head, const void *data)
{
	struct textdiff_answer a = *head;

	a.magic = TEXTDIFF_MAGIC;
	if (a.len > TEXTDIFF_ANSWER_MAX)
		return -1;
	return write_all(&a, sizeof(a)) < 0 ? -1 : write_all(data, a.len);
}

/* One line with what it begins with. libgit2 tells of a missing last line feed
 * by a line of its own, whose text is that message. */
static int put_line(struct buf *b, const git_diff_line *l)
{
	switch (l->origin) {
	case GIT_DIFF_LINE_CONTEXT:
	case GIT_DIFF_LINE_ADDITION:
	case GIT_DIFF_LINE_DELETION:
		if (buf_append(b, &l->origin, 1) < 0)
			return -1;
		break;
	default:
		break;
	}
	return buf_append(b, l->content, l->content_len);
}

static int put_hunks(struct buf *b, git_patch *patch)
{
	size_t n = git_patch_num_hunks(patch);

	for (size_t i = 0; i < n; i++) {
		const git_diff_hunk *h;
		size_t lines;

		if (git_patch_get_hunk(&h, &lines, patch, i) < 0 ||
		    buf_append(b, h->header, h->header_len) < 0)
			return -1;
		for (size_t j = 0; j < lines; j++) {
			const git_diff_line *l;

			if (git_patch_get_line_in_hunk(&l, patch, i, j) < 0 ||
			    put_line(b, l) < 0)
				return -1;
		}
	}
	return 0;
}

static int diff(const struct textdiff_request *rq, char *const *texts)
{
	CLEANUP_BUF struct buf b = { .max = TEXTDIFF_ANSWER_MAX };
	git_diff_options o = GIT_DIFF_OPTIONS_INIT;
	struct textdiff_answer a = { .result = TEXTDIFF_OK };
	git_patch *patch = NULL;
	size_t added, removed;
	int rc;

	o.flags = GIT_DIFF_FORCE_TEXT | GIT_DIFF_INDENT_HEURISTIC;
	o.context_lines = rq->arg;
	rc = git_patch_from_buffers(&patch, texts[0], rq->len[0], NULL,
				    texts[1], rq->len[1], NULL, &o);
	if (rc == 0)
		rc = git_patch_line_stats(NULL, &added, &removed, patch);
	if (rc == 0)
		rc = put_hunks(&b, patch);
	git_patch_free(patch);
	if (rc < 0)
		return -1;
	a.added = added;
	a.removed = removed;
	a.len = b.len;
	return answer(&a, b.data);
}

static int merge(const struct textdiff_request *rq, char *const *texts)
{
	git_merge_file_options o = GIT_MERGE_FILE_OPTIONS_INIT;
	git_merge_file_input in[3];
	git_merge_file_result r = { 0 };
	struct textdiff_answer a = { .result = TEXTDIFF_OK };
	int rc;

	for (int i = 0; i < 3; i++) {
		git_merge_file_input_init(&in[i], GIT_MERGE_FILE_INPUT_VERSION);
		in[i].ptr = texts[i];
		in[i].size = rq->len[i];
	}
	if (rq->arg == TEXTDIFF_OURS)
		o.favor = GIT_MERGE_FILE_FAVOR_OURS;
	else if (rq->arg == TEXTDIFF_THEIRS)
		o.favor = GIT_MERGE_FILE_FAVOR_THEIRS;
	if (git_merge_file(&r, &in[0], &in[1], &in[2], &o) < 0)
		return -1;
	if (r.automergeable)
		a.len = r.len;
	else
		a.result = TEXTDIFF_CONFLICT;
	rc = answer(&a, r.ptr);
	git_merge_file_result_free(&r);
	return rc;
}

static int serve(const struct textdiff_request *rq)
{
	char *texts[3] = { 0 };
	int rc = 0;

	if (rq->magic != TEXTDIFF_MAGIC)
		return -1;
	for (int i = 0; i < 3 && rc == 0; i++) {
		if (rq->len[i] > TEXTDIFF_TEXT_MAX)
			rc = -1;
		else
			texts[i] = malloc(rq->len[i] + 1);
		if (!texts[i] || read_all(texts[i], rq->len[i]) < 0)
			rc = -1;
	}
	if (rc == 0 && rq->op == TEXTDIFF_DIFF)
		rc = diff(rq, texts);
	else if (rc == 0)
		rc = rq->op == TEXTDIFF_MERGE ? merge(rq, texts) : -1;
	for (int i = 0; i < 3; i++)
		free(texts[i]);
	return rc;
}

/* The sanitizers' address space has no bound. */
static void bound_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
	const struct rlimit memory = { MEMORY, MEMORY };

	setrlimit(RLIMIT_AS, &memory);
#endif
}

int main(void)
{
	struct rlimit none = { 0, 0 };
	struct textdiff_request rq;

	bound_memory();
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (git_libgit2_init() < 0)
		return 1;
	/* from here on it opens nothing */
	setrlimit(RLIMIT_NOFILE, &none);
	while (read_all(&rq, sizeof(rq)) == 0)
		if (serve(&rq) < 0)
			return 1;
	return 0;
}
