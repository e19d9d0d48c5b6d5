/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/fork-bench.c - measure live forks of a VMM, print JSON
 *
 * podflare-vmm itself, on any /dev/kvm, with a guest of a few instructions that
 * has written to a given part of its RAM and is idle.
 * Figures are from the request at the control socket to a child's first exit,
 * and how long the parent stood still.  docs/performance.md says what they mean.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "common/path.h"
#include "tests/bench/fork-vmm.h"
#include "tests/bench/series.h"

#define CHILDREN_MAX 100
#define FROM_RUNNING 16	/* as the runner does it, and one more that is held */
#define HELD CHILDREN_MAX	/* number of the copy that is */
#define BATCHES 4

struct options {
	unsigned int children, rounds;
	bool held, point, pool;
	struct vmm_options vmm;
};

struct figures {
	struct series first, last, pause;
	uint64_t private_kib, tables_kib;	/* of an idle child */
};

static uint64_t first_exit(const struct vmm *v, unsigned int child)
{
	struct ctl_reply r;
	int sock = vmm_connect(v, child);

	do
		vmm_order(sock, CTL_STATUS, &r);
	while (r.status.first_exit_ns == 0);
	close(sock);
	return r.status.first_exit_ns;
}

/* KiB of the lines that begin with @key. */
static uint64_t kib_of(pid_t pid, const char *file, const char *key)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	char path[64];
	uint64_t sum = 0;
	const char *at;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	if (path_read_file(-1, path, 65536, &text, &err) < 0)
		die("%s", err.msg);
	for (at = buf_str(&text); (at = strstr(at, key)); at++)
		sum += strtoull(at + strcspn(at, ":") + 1, NULL, 10);
	return sum;
}

/* How the copies are made: all of them in one go, or of many only the first from
 * the guest that runs, with one that is held, and the rest from that one. */
static unsigned int plan(struct batch *b, const struct vmm *v,
			 const struct options *o)
{
	bool many = !o->held && o->children > FROM_RUNNING;
	unsigned int nr = 0, at = 0, max = many ? FROM_RUNNING : CTL_FORK_MAX;

	while (at < o->children) {
		batch_clear(&b[nr], v);
		if (nr == 0 && (many || o->point))
			batch_add(&b[nr], v, HELD, true);
		for (unsigned int i = 0; i < max && at < o->children; i++)
			batch_add(&b[nr], v, at++, false);
		nr++;
		max = CTL_FORK_MAX;
	}
	return nr;
}

/* One fork into o->children. */
static void measure_once(const struct vmm *v, const struct options *o,
			 struct figures *f, bool look)
{
	static struct batch batches[BATCHES];
	pid_t pids[CHILDREN_MAX + 1];
	unsigned int nr = plan(batches, v, o), done = 0;
	uint64_t began, first = ~0ULL, last = 0, pause;
	int sock = v->sock;

	began = now_ns();
	pause = batch_run(&batches[0], sock, pids);
	done = batches[0].f.n;
	if (nr > 1 && !o->held)
		sock = vmm_connect(v, HELD);
	for (unsigned int i = 1; i < nr; i++) {
		batch_run(&batches[i], sock, pids + done);
		done += batches[i].f.n;
	}
	for (unsigned int i = 0; i < o->children; i++) {
		uint64_t at = first_exit(v, i) - began;

		first = MIN(first, at);
		last = MAX(last, at);
	}
	if (sock != v->sock)
		close(sock);
	if (look) {
		f->private_kib = kib_of(pids[done - 1], "smaps_rollup",
					"\nPrivate_");
		f->tables_kib = kib_of(pids[done - 1], "status", "\nVmPTE");
	}
	for (unsigned int i = 0; i < done; i++)
		vmm_kill(pids[i]);
	series_add(&f->first, first);
	series_add(&f->last, last);
	series_add(&f->pause, pause);
}

/* One that stands ready, as a member of the runner's pool does, goes on. */
static void measure_ready(const struct vmm *v, struct figures *f, bool look)
{
	static struct batch b;
	struct ctl_reply r;
	uint64_t began, at;
	pid_t pid;
	int sock;

	batch_clear(&b, v);
	batch_add(&b, v, 0, false);
	batch_run(&b, v->sock, &pid);
	first_exit(v, 0);
	sock = vmm_connect(v, 0);
	vmm_order(sock, CTL_PAUSE, &r);
	if (look) {
		f->private_kib = kib_of(pid, "smaps_rollup", "\nPrivate_");
		f->tables_kib = kib_of(pid, "status", "\nVmPTE");
	}
	began = now_ns();
	vmm_order(sock, CTL_RESUME, &r);
	while (r.status.first_exit_ns == 0)
		vmm_order(sock, CTL_STATUS, &r);
	at = r.status.first_exit_ns - began;
	close(sock);
	vmm_kill(pid);
	series_add(&f->first, at);
	series_add(&f->last, at);
	series_add(&f->pause, 0);
}

static uint64_t mib(const char *s)
{
	return strtoull(s, NULL, 10) * MIB;
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option opts[] = {
		{ "children", 1, NULL, 'n' }, { "rounds", 1, NULL, 'r' },
		{ "memory", 1, NULL, 'm' }, { "dirty", 1, NULL, 'd' },
		{ "disk", 1, NULL, 'k' }, { "disk-used", 1, NULL, 'u' },
		{ "held", 0, NULL, 'h' }, { "point", 0, NULL, 'p' },
		{ "pool", 0, NULL, 'P' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1)
		switch (c) {
		case 'n':
			o->children = (unsigned int)atoi(optarg);
			break;
		case 'r':
			o->rounds = (unsigned int)atoi(optarg);
			break;
		case 'm':
			o->vmm.ram = mib(optarg);
			break;
		case 'd':
			o->vmm.dirty = mib(optarg);
			break;
		case 'k':
			o->vmm.disk = mib(optarg);
			break;
		case 'u':
			o->vmm.used = mib(optarg);
			break;
		case 'h':
			o->held = true;
			break;
		case 'p':
			o->point = true;
			break;
		case 'P':
			o->pool = o->held = o->vmm.busy = true;
			break;
		default:
			die("usage: podflare-fork-bench [--children N] "
			    "[--rounds N] [--memory MIB] [--dirty MIB] "
			    "[--disk MIB] [--disk-used MIB] [--held] [--point] "
			    "[--pool]");
		}
	if (o->children < 1 || o->children > CHILDREN_MAX || o->rounds < 1 ||
	    o->rounds > SERIES_MAX)
		die("children: 1 to %d, rounds: 1 to %d", CHILDREN_MAX,
		    SERIES_MAX);
}

static unsigned long long in_mib(uint64_t bytes)
{
	return bytes / MIB;
}

int main(int argc, char **argv)
{
	static struct figures f;
	struct options o = {
		.children = 1, .rounds = 100,
		.vmm = { .ram = 512 * MIB, .dirty = 256 * MIB },
	};
	char dir[] = "/tmp/podflare-fork-XXXXXX";
	struct err err = ERR_INIT;
	struct vmm v;

	parse(argc, argv, &o);
	log_init("podflare-fork-bench", LOG_INFO);
	if (!mkdtemp(dir))
		die("%s: %s", dir, strerror(errno));
	vmm_start(&v, dir, &o.vmm);
	if (o.held) {
		static struct batch b;
		pid_t pid;

		batch_clear(&b, &v);
		batch_add(&b, &v, HELD, true);
		batch_run(&b, v.sock, &pid);
		vmm_take_over(&v, HELD, pid);
	}
	for (unsigned int i = 0; i < o.rounds; i++)
		if (o.pool)
			measure_ready(&v, &f, i + 1 == o.rounds);
		else
			measure_once(&v, &o, &f, i + 1 == o.rounds);
	vmm_kill(v.pid);
	printf("{\"memory_mib\": %llu, \"dirty_mib\": %llu, \"disk_mib\": %llu, "
	       "\"disk_used_mib\": %llu, \"children\": %u, \"held\": %s, "
	       "\"point\": %s, \"rounds\": %u, ",
	       in_mib(o.vmm.ram), in_mib(o.vmm.dirty), in_mib(o.vmm.disk),
	       in_mib(o.vmm.used), o.children, o.held ? "true" : "false",
	       o.point ? "true" : "false", o.rounds);
	series_print(&f.first, "first_ms");
	printf(", ");
	series_print(&f.last, "last_ms");
	printf(", ");
	series_print(&f.pause, "pause_ms");
	printf(", \"child_kib\": {\"private\": %llu, \"page_tables\": %llu}}\n",
	       (unsigned long long)f.private_kib,
	       (unsigned long long)f.tables_kib);
	path_remove_tree(AT_FDCWD, dir, &err);
	return 0;
}
