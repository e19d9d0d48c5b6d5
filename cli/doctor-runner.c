/* SPDX-License-Identifier: MIT */
/*
 * cli/doctor-runner.c - podflare doctor: the runner, and what it says of KVM
 *
 * Runs in the CLI.  Starts neither the runner nor the machine.
 */
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/doctor.h"
#include "cli/machine-status.h"
#include "cli/output.h"
#include "common/cleanup.h"

/* Return: whether the machine runs. */
static bool check_machine(struct doctor *d)
{
	struct machine_start how = { .globals = d->globals };
	struct machine_status st;
	struct doctor_finding *f;
	struct err err = ERR_INIT;

	if (machine_status_get(&st, &how, &err) < 0) {
		f = doctor_add(d, err.code == ERR_UNAVAILABLE ? DOCTOR_OK :
			       DOCTOR_ERROR, "machine", "%s",
			       err.code == ERR_UNAVAILABLE ? "not running; it "
			       "starts by itself" : err.msg);
		doctor_hint(f, "%s", err.hint);
		return false;
	}
	f = doctor_add(d, st.restart ? DOCTOR_WARNING : DOCTOR_OK, "machine",
		       "%s, pid %d%s", st.state, (int)st.pid, st.restart ?
		       ", started from an older podflare or image" : "");
	if (st.restart)
		doctor_hint(f, "podflare machine stop");
	return !strcmp(st.state, "running");
}

static void check_info(struct doctor *d, const json_t *info)
{
	const json_t *kvm = json_object_get(info, "kvm");
	const json_t *config = json_object_get(info, "config");
	struct doctor_finding *f;

	doctor_add(d, DOCTOR_OK, "runner", "version %s, pid %d, %d sandboxes",
		   json_text(info, "version"), (int)json_number(info, "pid"),
		   (int)json_number(info, "sandboxes"));
	if (d->kind != HOST_LOCAL && d->kind != HOST_MACHINE &&
	    *json_text(config, "message")) {
		f = doctor_add(d, DOCTOR_WARNING, "config", "the runner's: %s",
			       json_text(config, "message"));
		doctor_hint(f, "%s", json_text(config, "hint"));
	}
	if (json_is_true(json_object_get(kvm, "ok")))
		return;
	f = doctor_add(d, DOCTOR_ERROR, "runner", "its KVM: %s",
		       json_text(kvm, "message"));
	doctor_hint(f, "%s", json_text(kvm, "hint"));
}

/* See doctor.h. */
void doctor_check_runner(struct doctor *d)
{
	CLEANUP_JSON json_t *info = NULL;
	struct err err = ERR_INIT;
	struct doctor_finding *f;
	int fd;

	if (d->kind == HOST_MACHINE && !check_machine(d))
		return;
	if (d->kind == HOST_LOCAL) {
		fd = host_connect(d->globals, false, &err);
		if (fd < 0 && err.code == ERR_UNAVAILABLE) {
			doctor_add(d, DOCTOR_OK, "runner",
				   "not running; it starts by itself");
			return;
		}
		if (fd >= 0)
			close(fd);
	}
	err = (struct err)ERR_INIT;
	info = client_once(d->globals, "runner.info", NULL, &err);
	if (info) {
		check_info(d, info);
		return;
	}
	f = doctor_add(d, DOCTOR_ERROR, "runner", "%s", err.msg);
	doctor_hint(f, "%s", err.hint);
}
