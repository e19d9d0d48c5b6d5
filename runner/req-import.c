/* SPDX-License-Identifier: MIT */
/*
 * runner/req-import.c - snapshot.import
 *
 * podflared, loop thread; the files are received on a work thread.  Distrusts the
 * client and the file.
 *
 * Theory of operation:
 *
 *	describe	what the file says of itself is checked before it comes
 *	receive		the connection belongs to a work thread, as with
 *			image.put; it checks the file's form (import.c)
 *	try		a VMM is given the files, and says whether this CPU and
 *			it could go on with them; no guest runs
 *	store		meta.json
 *
 * Until then it is not listed, and a folder that the next runner removes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "runner/boot.h"
#include "runner/chain.h"
#include "runner/import-meta.h"
#include "runner/import.h"
#include "runner/life.h"
#include "runner/machine.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/snapshot.h"
#include "runner/store.h"

struct import_job {
	struct work_job job;
	struct request *rq;
	struct runner *runner;
	struct sandbox *s;	/* a reference */
	struct disk_wait *disk;
	struct import_stream stream;
	struct import_plan plan;
	struct sandbox_gone gone;
	char *text;	/* meta.json */
	bool taken;	/* the connection is the work thread's */
	bool cancelled;
	struct err err;
};

static void job_free(struct import_job *m)
{
	if (m->stream.fd >= 0)
		close(m->stream.fd);
	frame_reader_free(&m->stream.in);
	m->runner->nr_freezes--;
	sandbox_unref(m->s);
	free(m->text);
	free(m);
}

/* The connection is the loop's again, with what came behind the file. */
static void give_back(struct import_job *m, bool ok)
{
	struct frame_reader *in = &m->stream.in;
	struct request_peer *peer = m->rq->peer;

	if (!m->taken)
		return;
	m->taken = false;
	buf_consume(&in->buf, in->consumed);
	in->consumed = 0;
	if (peer)
		peer->give_input(peer, &in->buf, ok);
}

static void removed(void *arg, const struct err *err)
{
	struct import_job *m = arg;

	if (err)
		log_error("%s", err->msg);
	sandbox_drop_name(m->s, &m->err);
	err_context(&m->err, "snapshot %s: cannot be imported", m->s->name);
	m->rq->cancel = NULL;
	/* nothing is read from it any more: just before the answer */
	give_back(m, false);
	request_fail(m->rq, &m->err, NULL);
	job_free(m);
}

static void fail(struct import_job *m, const struct err *err)
{
	m->err = *err;
	life_remove(m->s, false, removed, m);
}

/* Return: whether it was given up; then it fails. */
static bool is_cancelled(struct import_job *m)
{
	struct err err = ERR_INIT;

	if (!m->cancelled)
		return false;
	err_set(&err, ERR_CANCELLED, "the client went away");
	fail(m, &err);
	return true;
}

/* ---- store ---- */

static void stored(struct work_job *job)
{
	struct import_job *m = container_of(job, struct import_job, job);
	struct sandbox *s = m->s;

	if (m->err.code) {
		struct err err = m->err;

		fail(m, &err);
		return;
	}
	if (is_cancelled(m))
		return;
	if (s->state != SB_FROZEN)
		sandbox_move(s, SB_EV_FROZEN);
	s->saving = false;
	m->rq->cancel = NULL;
	request_done(m->rq, snapshot_to_json(s));
	job_free(m);
}

/* Work thread: what the trial has left goes. */
static void store_run(struct work_job *job)
{
	static const char *const left[] = { SANDBOX_CONSOLE, VMPROC_EXIT_FILE,
					    VMPROC_LOG_FILE };
	struct import_job *m = container_of(job, struct import_job, job);
	int dirfd = m->s->dirfd;
	struct chain c;

	if (chain_list(dirfd, &c, &m->err) < 0 ||
	    vmproc_forget(dirfd, &m->err) < 0)
		return;
	for (unsigned int i = 1; i < c.n; i++)
		if (chain_drop(dirfd, c.nr[i], &m->err) < 0)
			return;
	for (size_t i = 0; i < ARRAY_SIZE(left); i++)
		unlinkat(dirfd, left[i], 0);
	if (store_write(dirfd, m->text, &m->err) == 0 &&
	    fsync(m->runner->places.snapshots_fd) < 0)
		err_sys(&m->err, errno, "folder of snapshots");
}

static void store(struct import_job *m)
{
	struct sandbox as = *m->s;
	struct err err = ERR_INIT;

	as.state = SB_FROZEN;
	m->text = store_text(&as);
	if (!m->text) {
		err_set(&err, ERR_NO_MEMORY, "meta.json");
		fail(m, &err);
		return;
	}
	m->job = (struct work_job){ .run = store_run, .done = stored };
	work_submit(&m->runner->work, WORK_META, &m->job);
}

/* ---- try ---- */

static void vmm_gone(struct sandbox_gone *g)
{
	struct import_job *m = container_of(g, struct import_job, gone);

	if (!is_cancelled(m))
		store(m);
}

static void tried(void *arg, const struct err *err, json_t *console)
{
	struct import_job *m = arg;

	json_decref(console);
	if (err) {
		fail(m, err);
		return;
	}
	sandbox_move(m->s, SB_EV_FROZEN);
	m->gone.cb = vmm_gone;
	TAILQ_INSERT_TAIL(&m->s->gone_waits, &m->gone, link);
	vmproc_kill(m->s->vm, NULL);
}

static void try_it(struct import_job *m)
{
	static const struct boot_ops ops = { .done = tried };
	const struct boot_plan plan = { .how = BOOT_CHECK };
	struct err err = ERR_INIT;

	request_progress(m->rq, "check", "checking it", -1);
	if (boot_start(m->s, &plan, &life_vm_ops, m->s, &ops, m, &err) < 0)
		fail(m, &err);
}

/* ---- receive ---- */

static void receive_run(struct work_job *job)
{
	struct import_job *m = container_of(job, struct import_job, job);

	import_receive(m->s->dirfd, &m->plan, &m->stream, &m->err);
}

static void received(struct work_job *job)
{
	struct import_job *m = container_of(job, struct import_job, job);
	struct err err = m->err;

	if (err.code) {
		fail(m, &err);
		return;
	}
	give_back(m, true);
	if (is_cancelled(m))
		return;
	if (m->s->disk_only)
		store(m);
	else
		try_it(m);
}

static int take_stream(struct import_job *m, struct err *err)
{
	struct request_peer *peer = m->rq->peer;
	int fd;

	if (!peer)
		return err_set(err, ERR_CANCELLED, "the client went away");
	fd = peer->take_input(peer, &m->stream.in.buf);
	if (fd < 0)
		return err_set(err, ERR_STATE, "something else is being "
			       "received on this connection");
	m->stream.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	m->taken = true;
	if (m->stream.fd >= 0)
		return 0;
	err_sys(err, errno, "import");
	give_back(m, true);
	return -1;
}

static void receive(struct import_job *m)
{
	struct err err = ERR_INIT;

	if (store_make(m->s, &err) < 0 || take_stream(m, &err) < 0) {
		fail(m, &err);
		return;
	}
	request_reply(m->rq, json_pack("{s:b}", "ready", 1));
	m->job = (struct work_job){ .run = receive_run, .done = received };
	work_submit(&m->runner->work, WORK_PUT, &m->job);
}

/* ---- describe ---- */

static void base_made(void *arg, const struct err *err)
{
	struct import_job *m = arg;
	struct err e = ERR_INIT;

	m->disk = NULL;
	if (err)
		e = *err;
	else if (disk_base_find(m->runner, m->s->disk, m->s->disk_base) < 0)
		err_set(&e, ERR_IO, "the new disk's base file vanished");
	if (e.code)
		fail(m, &e);
	else if (!is_cancelled(m))
		receive(m);
}

static void cancel(struct request *rq)
{
	struct import_job *m = rq->state;
	struct err err = ERR_INIT;

	rq->cancel = NULL;
	m->cancelled = true;
	err_set(&err, ERR_CANCELLED, "the client went away");
	if (m->stream.fd >= 0)
		shutdown(m->stream.fd, SHUT_RD);
	if (m->s->boot)
		boot_abort(m->s->boot, &err);
	/* else the next callback meets it */
}

static struct import_job *job_new(struct request *rq, struct err *err)
{
	struct import_job *m = calloc(1, sizeof(*m));
	const char *meta = param_str(rq->params, "meta", "");
	struct sandbox *s;

	if (!m) {
		err_set(err, ERR_NO_MEMORY, "import");
		return NULL;
	}
	s = machine_check_host(rq->runner, err) < 0 ? NULL :
	    import_meta_register(rq->runner, meta, param_str(rq->params, "name",
							     NULL), err);
	if (!s) {
		free(m);
		return NULL;
	}
	m->rq = rq;
	m->runner = rq->runner;
	m->runner->nr_freezes++;	/* an end waits for it */
	m->s = sandbox_ref(s);
	m->stream.fd = -1;
	m->plan = (struct import_plan){
		.meta = meta, .memory = s->memory, .disk = s->disk,
		.disk_only = s->disk_only,
	};
	return m;
}

void method_snapshot_import(struct request *rq)
{
	struct err err = ERR_INIT;
	struct import_job *m = job_new(rq, &err);

	if (!m) {
		request_fail(rq, &err, NULL);
		return;
	}
	rq->state = m;
	rq->cancel = cancel;
	/* all of the disk is in the file; what lies below need only be there */
	if (disk_base_find(m->runner, m->s->disk, m->s->disk_base) == 0) {
		receive(m);
		return;
	}
	m->disk = disk_base_make(m->runner, m->s->disk, base_made, m, &err);
	if (!m->disk)
		fail(m, &err);
}
