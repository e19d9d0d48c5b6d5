/* SPDX-License-Identifier: MIT */
/* runner/runner.h - what all parts of podflared share: places, loop, bounds */
#ifndef PODFLARE_RUNNER_RUNNER_H
#define PODFLARE_RUNNER_RUNNER_H

#include <stdbool.h>
#include <sys/queue.h>

#include "common/loop.h"
#include "runner/maker.h"
#include "runner/settings.h"
#include "runner/work.h"

#define RUNNER_CLIENTS_MAX 512
#define RUNNER_SANDBOXES_MAX 1024
#define RUNNER_VIEWS_MAX 64
#define RUNNER_SNAPSHOTS_MAX 1024

struct sandbox;
struct server;
struct disk_build;
struct boot;
struct template_job;
struct template_save;
struct export;
struct pool;
TAILQ_HEAD(boot_queue, boot);
LIST_HEAD(template_jobs, template_job);
LIST_HEAD(template_saves, template_save);
LIST_HEAD(exports, export);
TAILQ_HEAD(sandbox_list, sandbox);
LIST_HEAD(disk_build_list, disk_build);
LIST_HEAD(netproc_list, netproc);

/* Where things are; all descriptors are directories, open for life. */
struct places {
	char *data;	/* the path, for messages */
	int data_fd;
	int images_fd;	/* data/images */
	int disks_fd;	/* data/disks: empty file systems, one a size */
	int sandboxes_fd;	/* data/sandboxes */
	int points_fd;	/* data/points: of forks, and copies to look at them */
	int templates_fd;	/* data/templates: of images, booted and warm */
	int snapshots_fd;	/* data/snapshots */
	int runtime_fd;	/* sockets and locks */
	int vm_fd;	/* runtime/vm: the VMMs' control sockets */
};

struct runner {
	struct loop loop;
	struct work work;
	struct places places;
	struct server *server;
	struct sandbox_list sandboxes;
	struct sandbox_list hidden;	/* points, views, templates, the pool */
	struct sandbox_list snapshots;
	struct template_jobs template_jobs;	/* those being made */
	struct template_saves template_saves;	/* and put into files */
	struct exports exports;	/* of snapshots, going on */
	struct maker maker;
	struct settings settings;
	struct pool *pool;	/* of sandboxes that are ready */
	uint64_t busy_ns;	/* when somebody last wanted something done */
	bool cold;	/* boot each sandbox, keep no templates */
	unsigned int nr_sandboxes, nr_views, nr_snapshots;
	unsigned int nr_forks;	/* going on */
	unsigned int nr_freezes;	/* and these, snapshots and imports */
	struct disk_build_list disk_builds;
	struct boot_queue boot_queue;	/* waiting for their turn */
	struct netproc_list netprocs;
	unsigned int nr_boots, max_boots;	/* going on at once */
	struct loop_timer idle;	/* the next look at those that may be idle */
	char boot_id[40];	/* of the host */
	uint64_t started_ns;
	unsigned int boot_timeout_ms;
	unsigned int agent_timeout_ms;	/* one short call to a guest */
	bool ending;	/* shutdown or stop: nothing new is begun */
	bool stuck;	/* a shutdown did not come to its end */
};

#endif
