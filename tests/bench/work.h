/* SPDX-License-Identifier: MIT */
/* tests/bench/work.h - what is measured: commands, transfers */
#ifndef PODFLARE_TESTS_BENCH_WORK_H
#define PODFLARE_TESTS_BENCH_WORK_H

#include "cli/client.h"

/* Run a command in a sandbox, its output (at most 64 KiB) to @out, which may
 * be NULL. Return: its exit code, -1 with @err. */
int work_exec(struct globals *g, const char *sandbox, const char *const *argv,
	      struct buf *out, struct err *err);
/* As work_exec(), of Python code in the sandbox's interpreter. */
int work_eval(struct globals *g, const char *sandbox, const char *code,
	      struct buf *out, struct err *err);
/* The halves of work_exec(), to have several under way. */
int work_exec_start(struct globals *g, const char *sandbox,
		    const char *const *argv, struct stream *s, struct err *err);
int work_exec_wait(struct stream *s, struct buf *out, struct err *err);
/* Start a Python that evaluates lines, and runs on without us.
 * Return: its session, 0 with @err. */
uint32_t work_python(struct globals *g, const char *sandbox, struct err *err);
/* Have the Python @session of a sandbox work out @number + 1, and read that.
 * Return: 0, or -1 with @err. */
int work_python_line(struct globals *g, const char *sandbox, uint32_t session,
		     unsigned int number, struct err *err);
/* The halves of it. */
int work_line_start(struct globals *g, const char *sandbox, uint32_t session,
		    unsigned int number, struct stream *s, struct err *err);
int work_line_wait(struct stream *s, unsigned int number, struct err *err);

/* A program of the host. Return: its exit code, -1 with @err. */
int work_run(const char *const *argv, struct err *err);

/* Send one file of @size bytes as a tar stream to /root/bench/put.
 * Return: nanoseconds from the call to the guest's OK, 0 with @err. */
uint64_t work_put(struct globals *g, const char *sandbox, size_t size,
		  struct err *err);
/* Fetch it. @size: how much must come at least. Return: as work_put(). */
uint64_t work_get(struct globals *g, const char *sandbox, size_t size,
		  struct err *err);
/* Write @size bytes to a file in @dir, fsync, and read them back past the page
 * cache (where the file system can). Return: 0, or -1 with @err. */
int work_host_disk(const char *dir, size_t size, uint64_t *write_ns,
		   uint64_t *read_ns, struct err *err);

/* {"n", "min", "p50", "p95", "max"} in ms; sorts @ns. */
json_t *work_spread(uint64_t *ns, size_t n);

#endif
