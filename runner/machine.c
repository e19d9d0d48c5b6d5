/* SPDX-License-Identifier: MIT */
/*
 * runner/machine.c - which image, how large: what every machine is told
 *
 * podflared, loop thread.  Distrusts the client: sizes have bounds.
 */
#include "runner/machine.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "runner/kvm.h"
#include "runner/netproc.h"
#include "runner/param.h"
#include "runner/places.h"

#define CPUS_DEFAULT 1
#define MEMORY_DEFAULT (512 * MIB)
#define DISK_DEFAULT (8 * GIB)
#define SPACE_MIN (64 * MIB)	/* free on the data disk to create at all */

static int set_sizes(struct sandbox *sb, const json_t *params, struct err *err)
{
	uint64_t cpus = CPUS_DEFAULT;

	sb->memory = MEMORY_DEFAULT;
	sb->disk = DISK_DEFAULT;
	if (param_range(params, "cpus", 1, VM_CPUS_MAX, &cpus, err) < 0 ||
	    param_range(params, "memory", VM_RAM_MIN, VM_RAM_MAX, &sb->memory,
			err) < 0 ||
	    param_range(params, "disk", DISK_SIZE_MIN, DISK_SIZE_MAX,
			&sb->disk, err) < 0)
		return -1;
	sb->cpus = (unsigned int)cpus;
	sb->memory = ALIGN_UP(sb->memory, VM_RAM_UNIT);
	sb->disk = ALIGN_UP(sb->disk, MIB);
	return 0;
}

static int set_image(struct sandbox *sb, const char *ref, struct err *err)
{
	CLEANUP_IMAGE struct image img = { .nr_files = 0 };

	if (image_find(sb->runner, ref, &img, err) < 0)
		return -1;
	snprintf(sb->image, sizeof(sb->image), "%s", ref);
	snprintf(sb->digest, sizeof(sb->digest), "%s", img.digest);
	snprintf(sb->kernel, sizeof(sb->kernel), "%s", img.kernel);
	return 0;
}

void machine_stamp(struct sandbox *sb)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(sb->created, sizeof(sb->created), "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int machine_fill(struct sandbox *sb, const json_t *params, struct err *err)
{
	machine_stamp(sb);
	if (set_sizes(sb, params, err) < 0 ||
	    netproc_set_policy(sb, param_str(params, "net", NULL), err) < 0)
		return -1;
	return set_image(sb, param_str(params, "image", "default"), err);
}

int machine_check_host(struct runner *r, struct err *err)
{
	int kvm;

	if (r->ending)
		return err_set(err, ERR_STATE, "the runner is ending");
	if (places_check_space(&r->places, SPACE_MIN, err) < 0)
		return -1;
	kvm = kvm_open(err);
	if (kvm < 0)
		return -1;
	close(kvm);
	return 0;
}
