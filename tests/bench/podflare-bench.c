/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/podflare-bench.c - measure a runner, print JSON
 *
 * Speaks to the runner itself, so that no program start is measured.  Runs
 * where the runner runs (tests/bench/run carries it into an emulated machine):
 * clocks are that kernel's, and /proc has the VMM.  docs/performance.md says what
 * each figure means.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/path.h"
#include "tests/bench/copies.h"
#include "tests/bench/create.h"
#include "tests/bench/diffs.h"
#include "tests/bench/work.h"

#define SANDBOX "bench"

struct options {
	int creates, execs;
	int copies;		/* rounds of forks, freezes */
	int files;		/* of the diff, 0: none */
	bool quick;		/* no transfers, no disk */
	size_t size;	/* bytes of transfers and disk tests */
	uint64_t memory;
};

/* What is going on, for whoever waits. */
static void say(const char *what)
{
	fprintf(stderr, "podflare-bench: %s\n", what);
}

static json_t *mib_per_s(size_t size, uint64_t ns)
{
	return json_real((double)(uint64_t)((double)size / (double)MIB /
					    ((double)ns / 1e9) * 10) / 10);
}

static int call(struct globals *g, const char *method, json_t *params,
		json_t **result, struct err *err)
{
	json_t *r = client_once(g, method, params, err);

	if (!r)
		return -1;
	if (result)
		*result = r;
	else
		json_decref(r);
	return 0;
}

static int remove_sandbox(struct globals *g, struct err *err)
{
	return call(g, "sandbox.rm", json_pack("{s:s, s:b}", "sandbox", SANDBOX,
					       "force", 1), NULL, err);
}

static int measure_exec(struct globals *g, const struct options *o,
			json_t *report, struct err *err)
{
	const char *const argv[] = { "/bin/true", NULL };
	uint64_t ns[4096];

	for (int i = 0; i < o->execs; i++) {
		uint64_t start = now_ns();
		int rc = work_exec(g, SANDBOX, argv, NULL, err);

		if (rc != 0)
			return rc < 0 ? -1 : err_set(err, ERR_GUEST,
						     "exit code %d", rc);
		ns[i] = now_ns() - start;
	}
	json_object_set_new(report, "exec_ms", work_spread(ns, (size_t)o->execs));
	return 0;
}

/* Of an interpreter that runs: the same round trip, without a new process. */
static int measure_eval(struct globals *g, const struct options *o,
			json_t *report, struct err *err)
{
	uint64_t ns[4096], start = now_ns();
	int rc = work_eval(g, SANDBOX, "1", NULL, err);

	json_object_set_new(report, "first_eval_ms",
			    json_real((double)((now_ns() - start) / 1000) / 1e3));
	for (int i = 0; rc == 0 && i < o->execs; i++) {
		CLEANUP_BUF struct buf out = BUF_INIT;

		start = now_ns();
		rc = work_eval(g, SANDBOX, "print(1)", &out, err);
		ns[i] = now_ns() - start;
		if (rc == 0 && strcmp(buf_str(&out), "1\n") != 0)
			return err_set(err, ERR_GUEST, "eval: %s", buf_str(&out));
	}
	if (rc != 0)
		return rc < 0 ? -1 : err_set(err, ERR_GUEST, "exit code %d", rc);
	json_object_set_new(report, "eval_ms", work_spread(ns, (size_t)o->execs));
	return 0;
}

static int measure_cp(struct globals *g, const struct options *o,
		      json_t *report, struct err *err)
{
	uint64_t put = work_put(g, SANDBOX, o->size, err);
	uint64_t get = put ? work_get(g, SANDBOX, o->size, err) : 0;

	if (!get)
		return -1;
	json_object_set_new(report, "cp_in_mib_s", mib_per_s(o->size, put));
	json_object_set_new(report, "cp_out_mib_s", mib_per_s(o->size, get));
	return 0;
}

/* One dd in the guest, by our clock; the cost of an exec is in it. */
static int guest_dd(struct globals *g, const char *script, uint64_t *ns,
		    struct err *err)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	uint64_t start = now_ns();
	int rc = work_exec(g, SANDBOX, argv, NULL, err);

	*ns = now_ns() - start;
	return rc > 0 ? err_set(err, ERR_GUEST, "%s: exit code %d", script, rc)
		      : rc;
}

static int measure_disk(struct globals *g, const struct options *o,
			json_t *report, struct err *err)
{
	CLEANUP_FREE char *dir = path_place(PATH_DATA, NULL, true, err);
	uint64_t w, r, host_w, host_r;
	char write_script[160], read_script[128];

	if (!dir)
		return -1;
	snprintf(write_script, sizeof(write_script),
		 "dd if=/root/bench/put of=/root/bench/disk bs=1M "
		 "count=%llu conv=fsync status=none", o->size / MIB);
	snprintf(read_script, sizeof(read_script),
		 "dd if=/root/bench/disk of=/dev/null bs=1M iflag=direct "
		 "status=none");
	if (guest_dd(g, write_script, &w, err) < 0 ||
	    guest_dd(g, read_script, &r, err) < 0 ||
	    work_host_disk(dir, o->size, &host_w, &host_r, err) < 0)
		return -1;
	json_object_set_new(report, "disk_mib_s", json_pack(
		"{s:o, s:o, s:o, s:o}",
		"guest_write", mib_per_s(o->size, w),
		"guest_read", mib_per_s(o->size, r),
		"host_write", mib_per_s(o->size, host_w),
		"host_read", mib_per_s(o->size, host_r)));
	return 0;
}

static int measure_memory(struct globals *g, json_t *report, struct err *err)
{
	CLEANUP_JSON json_t *sb = NULL;
	json_t *kib;

	if (call(g, "sandbox.show", json_pack("{s:s}", "sandbox", SANDBOX),
		 &sb, err) < 0)
		return -1;
	kib = copies_memory(json_integer_value(json_object_get(sb, "pid")),
			    err);
	if (!kib)
		return -1;
	json_object_set_new(report, "vmm_kib", kib);
	json_object_set(report, "guest", json_object_get(sb, "guest"));
	return 0;
}

static int measure_copies(struct globals *g, const struct options *o,
			  json_t *report, struct err *err)
{
	if (o->copies) {
		say("fork");
		if (copies_measure(g, SANDBOX, o->copies, report, err) < 0)
			return -1;
		say("freeze");
		if (copies_measure_freeze(g, SANDBOX, o->copies, report,
					  err) < 0)
			return -1;
	}
	if (!o->files)
		return 0;
	say("diff");
	return diffs_measure(g, o->files, report, err);
}

static int measure(struct globals *g, const struct options *o, json_t *report,
		   struct err *err)
{
	CLEANUP_JSON json_t *info = NULL;

	if (call(g, "runner.info", NULL, &info, err) < 0)
		return -1;
	json_object_set(report, "version", json_object_get(info, "version"));
	json_object_set_new(report, "memory", json_integer((json_int_t)o->memory));
	json_object_set_new(report, "transfer_bytes",
			    json_integer((json_int_t)o->size));
	remove_sandbox(g, NULL);
	say("create");
	if (create_measure(g, SANDBOX, o->memory, o->creates, report, err) < 0 ||
	    measure_exec(g, o, report, err) < 0 ||
	    measure_eval(g, o, report, err) < 0)
		return -1;
	/* before the page cache of the transfers comes in */
	if (measure_memory(g, report, err) < 0 ||
	    measure_copies(g, o, report, err) < 0)
		return -1;
	if (!o->quick) {
		say("transfers");
		if (measure_cp(g, o, report, err) < 0 ||
		    measure_disk(g, o, report, err) < 0)
			return -1;
	}
	say("create from the pool");
	if (create_measure_pool(g, SANDBOX, o->memory, o->creates, report,
				err) < 0)
		return -1;
	say("create from a file");
	return create_measure_file(g, SANDBOX, o->memory, report, err);
}

static void usage(FILE *f)
{
	fputs("usage: podflare-bench [-b CREATES] [-e EXECS] [-c COPIES] "
	      "[-d FILES] [-s MIB] [-m MIB-OF-RAM] [-q]\n", f);
}

int main(int argc, char **argv)
{
	struct options o = { .creates = 3, .execs = 100, .copies = 5,
			     .size = 64 * MIB, .memory = 512 * MIB };
	struct globals g = { .quiet = true };
	json_t *report = json_object();
	struct err err = ERR_INIT, ignored = ERR_INIT;
	int c, rc;

	log_init("podflare-bench", LOG_WARN);
	while ((c = getopt(argc, argv, "b:e:c:d:s:m:qh")) != -1) {
		if (c == 'b')
			o.creates = MIN(MAX(atoi(optarg), 1), CREATES_MAX);
		else if (c == 'e')
			o.execs = MIN(MAX(atoi(optarg), 1), 4096);
		else if (c == 'c')
			o.copies = MIN(MAX(atoi(optarg), 0), COPIES_ROUNDS_MAX);
		else if (c == 'd')
			o.files = MIN(MAX(atoi(optarg), 0), 1000000);
		else if (c == 'q')
			o.quick = true;
		else if (c == 's')
			o.size = (size_t)MAX(atoi(optarg), 1) * MIB;
		else if (c == 'm')
			o.memory = (uint64_t)MAX(atoi(optarg), 128) * MIB;
		else {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	rc = measure(&g, &o, report, &err);
	if (rc < 0)
		json_object_set_new(report, "error", json_string(err.msg));
	remove_sandbox(&g, &ignored);
	json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	fputs("\n", stdout);
	json_decref(report);
	return rc < 0 ? 1 : 0;
}
