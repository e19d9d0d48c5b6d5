/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/copies.c - forks of a sandbox, to each copy's first answer
 *
 * Runs in podflare-bench, one thread.  The clock begins before sandbox.fork is
 * sent; commands are started in all copies before the first answer is awaited.
 * What is asked a second time of the first copy shows how much of it was the
 * copy's first touch of its pages.
 */
#include "tests/bench/copies.h"

#include <stdio.h>

#include "common/cleanup.h"
#include "common/loop.h"
#include "common/path.h"

#define COPIES_MAX 16

enum ask { ASK_EXEC, ASK_PYTHON, ASK_LINE, NR_ASKS };

static const char *const names[NR_ASKS][2] = {
	{ "exec_ms", "exec_again_ms" },
	{ "python_ms", "python_again_ms" },
	{ "python_line_ms", "python_line_again_ms" },
};

static const char *const true_cmd[] = { "/bin/true", NULL };
static const char *const python_cmd[] = { "python3", "-c", "print(6 * 7)",
					  NULL };

struct copies {
	struct globals *g;
	uint32_t session;	/* of the Python that runs in all of them */
	json_t *result;		/* of the last fork */
	json_t *children;
	size_t n;
	unsigned int number;	/* never asked before */
	uint64_t answer[NR_ASKS * COPIES_ROUNDS_MAX];
	uint64_t pause[NR_ASKS * COPIES_ROUNDS_MAX];
	uint64_t first[NR_ASKS][COPIES_ROUNDS_MAX];
	uint64_t again[NR_ASKS][COPIES_ROUNDS_MAX];
	size_t forks;
};

static const char *child(const struct copies *c, size_t i)
{
	return json_string_value(json_object_get(
		json_array_get(c->children, i), "id"));
}

static long long child_pid(const struct copies *c)
{
	return json_integer_value(json_object_get(
		json_array_get(c->children, 0), "pid"));
}

static int fork_once(struct copies *c, const char *sandbox, struct err *err)
{
	uint64_t began = now_ns();

	json_decref(c->result);
	c->result = client_once(c->g, "sandbox.fork", json_pack(
		"{s:s, s:I}", "sandbox", sandbox, "n", (json_int_t)c->n), err);
	if (!c->result)
		return -1;
	c->answer[c->forks] = now_ns() - began;
	c->pause[c->forks++] = (uint64_t)(1e6 * json_number_value(
		json_object_get(c->result, "pause_ms")));
	c->children = json_object_get(c->result, "children");
	for (size_t i = 0; i < c->n; i++)
		if (!child(c, i))
			return err_set(err, ERR_GUEST, "a copy was not made");
	return 0;
}

static int remove_all(struct copies *c, struct err *err)
{
	for (size_t i = 0; i < c->n; i++) {
		json_t *r = client_once(c->g, "sandbox.rm", json_pack(
			"{s:s, s:b}", "sandbox", child(c, i), "force", 1), err);

		if (!r)
			return -1;
		json_decref(r);
	}
	return 0;
}

static int ask_start(struct copies *c, enum ask what, size_t i,
		     struct stream *s, struct err *err)
{
	if (what == ASK_LINE)
		return work_line_start(c->g, child(c, i), c->session,
				       c->number, s, err);
	return work_exec_start(c->g, child(c, i), what == ASK_EXEC
			       ? true_cmd : python_cmd, s, err);
}

static int ask_wait(struct copies *c, enum ask what, struct stream *s,
		    struct err *err)
{
	int rc;

	if (what == ASK_LINE)
		return work_line_wait(s, c->number, err);
	rc = work_exec_wait(s, NULL, err);
	return rc > 0 ? err_set(err, ERR_GUEST, "exit code %d", rc) : rc;
}

/* The first @n copies at once. */
static int ask(struct copies *c, enum ask what, size_t n, struct err *err)
{
	struct stream s[COPIES_MAX];
	size_t started;
	int rc = 0;

	c->number += 2;
	for (started = 0; started < n && rc == 0; started++) {
		s[started] = (struct stream)STREAM_INIT;
		rc = ask_start(c, what, started, &s[started], err);
	}
	for (size_t i = 0; i < started; i++) {
		if (rc == 0)
			rc = ask_wait(c, what, &s[i], err);
		stream_close(&s[i]);
	}
	return rc;
}

/* Page faults of a VMM, its vCPUs' first touches of guest memory among them. */
static uint64_t faults(long long pid)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct err ignored = ERR_INIT;
	unsigned long long n = 0;
	char path[64];
	const char *at;

	snprintf(path, sizeof(path), "/proc/%lld/stat", pid);
	if (path_read_file(-1, path, 4096, &text, &ignored) == 0 &&
	    (at = strrchr(buf_str(&text), ')')))
		sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %llu", &n);
	return n;
}

/* KiB of all lines that begin with @key. */
static json_int_t kib_of(const char *text, const char *key)
{
	json_int_t sum = 0;

	for (; (text = strstr(text, key)); text++)
		sum += atoll(text + strcspn(text, ":") + 1);
	return sum;
}

json_t *copies_memory(long long pid, struct err *err)
{
	CLEANUP_BUF struct buf rollup = BUF_INIT;
	CLEANUP_BUF struct buf status = BUF_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%lld/smaps_rollup", pid);
	if (path_read_file(-1, path, 65536, &rollup, err) < 0)
		return NULL;
	snprintf(path, sizeof(path), "/proc/%lld/status", pid);
	if (path_read_file(-1, path, 65536, &status, err) < 0)
		return NULL;
	return json_pack("{s:I, s:I}", "private",
			 kib_of(buf_str(&rollup), "\nPrivate_"), "page_tables",
			 kib_of(buf_str(&status), "\nVmPTE"));
}

/* What the first copy took when it was ready, and for its first answers. */
static json_t *look(struct copies *c, enum ask what, uint64_t ready,
		    json_t *before, struct err *err)
{
	uint64_t first = faults(child_pid(c)), again;
	json_t *after = copies_memory(child_pid(c), err);

	if (!after || ask(c, what, 1, err) < 0) {
		json_decref(before);
		json_decref(after);
		return NULL;
	}
	again = faults(child_pid(c));
	return json_pack("{s:o, s:o, s:I, s:I, s:I}", "idle_kib", before,
			 "after_kib", after, "faults_until_ready",
			 (json_int_t)ready, "faults_of_first",
			 (json_int_t)(first - ready), "faults_of_second",
			 (json_int_t)(again - first));
}

static int one_round(struct copies *c, const char *sandbox, enum ask what,
		     int round, json_t **seen, struct err *err)
{
	uint64_t began = now_ns(), ready;
	json_t *before = NULL;

	if (fork_once(c, sandbox, err) < 0)
		return -1;
	ready = faults(child_pid(c));
	if (seen && !(before = copies_memory(child_pid(c), err)))
		return -1;
	if (ask(c, what, c->n, err) < 0)
		return -1;
	if (seen) {
		*seen = look(c, what, ready, before, err);
		return *seen ? 0 : -1;
	}
	c->first[what][round] = now_ns() - began;
	began = now_ns();
	if (ask(c, what, 1, err) < 0)
		return -1;
	c->again[what][round] = now_ns() - began;
	return 0;
}

static int measure_n(struct copies *c, const char *sandbox, size_t n,
		     int rounds, json_t *figures, struct err *err)
{
	json_t *seen = NULL;

	c->n = n;
	c->forks = 0;
	for (int what = 0; what < NR_ASKS; what++) {
		/* one round to look, whose time does not count */
		for (int i = -1; i < rounds; i++) {
			size_t forks = c->forks;

			if (one_round(c, sandbox, (enum ask)what, i,
				      i < 0 ? &seen : NULL, err) < 0 ||
			    remove_all(c, err) < 0)
				return -1;
			if (i >= 0)
				continue;
			c->forks = forks;
			json_object_set_new(figures, what == ASK_EXEC ? "exec" :
					    what == ASK_PYTHON ? "python" :
					    "python_line", seen);
		}
		json_object_set_new(figures, names[what][0],
			work_spread(c->first[what], (size_t)rounds));
		json_object_set_new(figures, names[what][1],
			work_spread(c->again[what], (size_t)rounds));
	}
	json_object_set_new(figures, "answer_ms",
			    work_spread(c->answer, c->forks));
	json_object_set_new(figures, "pause_ms",
			    work_spread(c->pause, c->forks));
	json_object_set(figures, "steps",
			json_object_get(c->result, "steps"));
	return 0;
}

int copies_measure(struct globals *g, const char *sandbox, int rounds,
		   json_t *report, struct err *err)
{
	static struct copies c;
	json_t *n1 = json_object(), *n5 = json_object();
	int rc = -1;

	c = (struct copies){ .g = g };
	c.session = work_python(g, sandbox, err);
	if (c.session &&
	    work_python_line(g, sandbox, c.session, 1000, err) == 0) {
		c.number = 2000;
		rc = measure_n(&c, sandbox, 1, rounds, n1, err);
		if (rc == 0)
			rc = measure_n(&c, sandbox, 5, rounds, n5, err);
	}
	json_decref(c.result);
	json_object_set_new(report, "fork", json_pack("{s:o, s:o}", "n1", n1,
						      "n5", n5));
	return rc;
}
