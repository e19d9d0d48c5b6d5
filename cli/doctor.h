/* SPDX-License-Identifier: MIT */
/* cli/doctor.h - checks of podflare doctor: one line each, with the cure */
#ifndef PODFLARE_CLI_DOCTOR_H
#define PODFLARE_CLI_DOCTOR_H

#include "cli/cmd.h"
#include "cli/host.h"

#define DOCTOR_MAX 32

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_WARNING,	/* slower, or something beside the main job fails */
	DOCTOR_ERROR,	/* sandboxes will not run */
};

struct doctor_finding {
	enum doctor_level level;
	const char *check;	/* static */
	char text[256];
	char hint[512];
};

struct doctor {
	struct globals *globals;
	enum host_kind kind;	/* where sandboxes run */
	struct doctor_finding findings[DOCTOR_MAX];
	size_t n;
	bool has_image;		/* so tools that build images can wait */
};

/* Return: the new finding, for doctor_hint(). */
struct doctor_finding *doctor_add(struct doctor *d, enum doctor_level level,
				  const char *check, const char *fmt, ...)
	PRINTF(4, 5);
void doctor_hint(struct doctor_finding *f, const char *fmt, ...) PRINTF(2, 3);
/* A program by PATH and the sbin folders. Return: malloc'ed, NULL: none. */
char *doctor_search(const char *program);

/* doctor-kvm.c: the CPU, /dev/kvm, QEMU in their place */
void doctor_check_kvm(struct doctor *d);
/* doctor-host.c: memory, disk, folders, what the kernel allows */
void doctor_check_host(struct doctor *d);
/* doctor-tools.c: our own programs, the default image, tools */
void doctor_check_tools(struct doctor *d);
/* doctor-runner.c: is it reachable, of our version, content */
void doctor_check_runner(struct doctor *d);

#endif
