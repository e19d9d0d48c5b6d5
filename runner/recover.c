/* SPDX-License-Identifier: MIT */
/*
 * runner/recover.c - what a new runner finds of an old one's sandboxes
 *
 * podflared, at start.  A running one is adopted by its control socket, what is
 * half made is removed, what has ended gets the state that its end left.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "runner/chain.h"
#include "runner/life.h"
#include "runner/merge.h"
#include "runner/places.h"
#include "runner/points.h"
#include "runner/saved.h"
#include "runner/store.h"
#include "runner/template-file.h"
#include "runner/template.h"

static void status_done(void *arg, const struct err *err,
			const struct vm_status *st, int fd)
{
	struct sandbox *sb = arg;

	if (!err && st->paused && sb->state == SB_RUNNING)
		sandbox_move(sb, SB_EV_PAUSED);
	if (err)
		log_warn("sandbox %s: %s", sb->id, err->msg);
	else if (!st->configured && sb->vm && sandbox_is_held(sb))
		/* it was to come from files, and was not given them */
		vmproc_kill(sb->vm, NULL);
	else if (sb->kind == SB_POOL && sb->state == SB_RUNNING && sb->vm)
		/* half made */
		vmproc_kill(sb->vm, NULL);
	sandbox_unref(sb);
}

static void went_on(void *arg, const struct err *err,
		    const struct vm_status *st, int fd)
{
	struct sandbox *sb = arg;

	if (err)
		log_warn("sandbox %s: does not go on: %s", sb->id, err->msg);
	sandbox_unref(sb);
}

/* It was being frozen: it goes on, as soon as its VMM has time for it. */
static void undo_freeze(struct sandbox *sb, struct vmctl *ctl)
{
	struct err err = ERR_INIT;

	log_info("sandbox %s (%s): was being frozen, goes on", sb->id,
		 sb->name);
	sandbox_ref(sb);
	if (!vmctl_order(ctl, VM_RESUME, sb->runner->boot_timeout_ms, went_on,
			 sb, &err))
		went_on(sb, &err, NULL, -1);
}

static void adopt(struct sandbox *sb)
{
	bool half_frozen = sb->kind == SB_SANDBOX && saved_exists(sb->dirfd);
	struct err err = ERR_INIT;
	struct vm_end end;
	struct vmctl *ctl;

	if (half_frozen && saved_drop(sb->dirfd, &err) < 0)
		log_warn("sandbox %s: %s", sb->id, err.msg);
	err = (struct err)ERR_INIT;
	sb->filed = sb->kind == SB_TEMPLATE && template_file_whole(sb);
	sb->vm = vmproc_adopt(sb->runner, sb->id, sb->dirfd, &life_vm_ops, sb,
			      &end);
	if (!sb->vm) {
		life_ended(sb, &end);
		return;
	}
	ctl = vmproc_ctl(sb->vm);
	if (!ctl)
		return;		/* it is being ended */
	if (half_frozen) {
		undo_freeze(sb, ctl);
		return;
	}
	sandbox_ref(sb);
	if (!vmctl_order(ctl, VM_STATUS, sb->runner->agent_timeout_ms,
			 status_done, sb, &err)) {
		log_warn("sandbox %s: %s", sb->id, err.msg);
		sandbox_unref(sb);
	}
	log_info("sandbox %s (%s): adopted, VMM %d", sb->id, sb->name,
		 (int)vmproc_pid(sb->vm));
}

/* A start that was cut short may have left a VMM, though nothing says that its
 * guest is ready: it goes. */
static void end_leftover(struct runner *r, const char *id, int dirfd)
{
	static const struct vmproc_ops none = { 0 };
	struct vm_end end;
	struct vmproc *vm = vmproc_adopt(r, id, dirfd, &none, NULL, &end);

	if (!vm)
		return;
	log_info("sandbox %s: ending VMM %d of an unfinished start", id,
		 (int)vmproc_pid(vm));
	vmproc_kill_wait(vm);
}

/* A folder that is not to be taken up: end what runs in it, remove it. */
static void remove_leftover(struct runner *r, int home, const char *name,
			    const char *id, int dirfd)
{
	struct err err = ERR_INIT;

	end_leftover(r, id, dirfd);
	if (path_remove_tree(home, name, &err) < 0)
		log_warn("folder %s: %s", name, err.msg);
}

static int open_folder(int home, const char *name)
{
	return openat(home, name,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static void complete_removal(struct runner *r, int home, const char *name)
{
	CLEANUP_FD int dirfd = open_folder(home, name);

	if (dirfd >= 0)
		remove_leftover(r, home, name, store_retired_id(name), dirfd);
}

/* Folders come in any order; listings show the oldest first, as before. */
static void order_by_age(struct sandbox_list *list, struct sandbox *sb)
{
	struct sandbox *at;

	TAILQ_REMOVE(list, sb, link);
	TAILQ_FOREACH(at, list, link)
		if (strcmp(at->created, sb->created) > 0)
			break;
	if (at)
		TAILQ_INSERT_BEFORE(at, sb, link);
	else
		TAILQ_INSERT_TAIL(list, sb, link);
}

static void recover_one(struct runner *r, enum sandbox_kind kind, int home,
			const char *id)
{
	CLEANUP_FD int dirfd = open_folder(home, id);
	struct err err = ERR_INIT;
	struct sandbox *sb = NULL;

	if (dirfd < 0) {
		log_warn("folder %s: %s", id, strerror(errno));
		return;
	}
	if (store_is_marked(r, id))
		err_set(&err, ERR_NOT_FOUND, "not ready");
	else
		sb = store_load(r, kind, id, dirfd, &err);
	if (!sb && err.code == ERR_NOT_FOUND) {
		log_info("sandbox %s: half made, removed", id);
		remove_leftover(r, home, id, id, dirfd);
		return;
	}
	if (!sb) {
		log_error("folder %s: %s", id, err.msg);
		return;
	}
	sb->dirfd = steal_fd(&dirfd);
	chain_tidy(sb->dirfd);
	if (sb->kind == SB_SANDBOX)
		order_by_age(&r->sandboxes, sb);
	else if (kind == SB_SNAPSHOT)
		order_by_age(&r->snapshots, sb);
	if (sb->state == SB_RUNNING || sb->state == SB_HELD)
		adopt(sb);
	else
		end_leftover(r, id, sb->dirfd);
}

/* Sockets of sandboxes that are not there any more. */
static void clean_sockets(struct runner *r)
{
	CLEANUP_DIR DIR *d = places_opendir(r->places.vm_fd, ".");
	struct sandbox *sb;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		TAILQ_FOREACH(sb, &r->sandboxes, link)
			if (sb->vm && !strncmp(e->d_name, sb->id,
					       SANDBOX_ID_LEN))
				break;
		if (!sb)
			TAILQ_FOREACH(sb, &r->hidden, link)
				if (sb->vm && !strncmp(e->d_name, sb->id,
						       SANDBOX_ID_LEN))
					break;
		if (!sb)
			unlinkat(r->places.vm_fd, e->d_name, 0);
	}
}

static void recover_all(struct runner *r, enum sandbox_kind kind, int home)
{
	CLEANUP_DIR DIR *d = places_opendir(home, ".");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (names_id_valid(e->d_name))
			recover_one(r, kind, home, e->d_name);
		else if (store_retired_id(e->d_name))
			complete_removal(r, home, e->d_name);
	}
}

void life_recover(struct runner *r)
{
	disk_clean(r);
	merge_recover(r);
	recover_all(r, SB_SANDBOX, r->places.sandboxes_fd);
	recover_all(r, SB_POINT, r->places.points_fd);
	recover_all(r, SB_TEMPLATE, r->places.templates_fd);
	recover_all(r, SB_SNAPSHOT, r->places.snapshots_fd);
	clean_sockets(r);
	points_sweep(r);
	template_sweep(r);
}
