/* SPDX-License-Identifier: MIT */
/*
 * runner/req-files.c - files.*
 *
 * podflared, loop thread.  Tar streams and records go between client and guest;
 * only stat is answered here, and its reply is checked (agent-get.c).
 */
#include "common/agent.h"
#include "runner/methods.h"
#include "runner/sbop.h"

static void stream_run(struct sbop *op, uint8_t type)
{
	CLEANUP_BUF struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;

	if (agent_put_file(&payload, op->rq->params, &err) < 0)
		sbop_fail(op, &err);
	else
		sbop_stream(op, type, &payload);
}

static void put_run(struct sbop *op)
{
	stream_run(op, AGENT_PUT);
}

void method_files_put(struct request *rq)
{
	sbop_start(rq, put_run);
}

static void get_run(struct sbop *op)
{
	stream_run(op, AGENT_GET);
}

void method_files_get(struct request *rq)
{
	sbop_start(rq, get_run);
}

static void stat_done(void *arg, const struct err *err, const uint8_t *values,
		      size_t len)
{
	struct sbop *op = arg;
	struct err e = ERR_INIT;
	json_t *st;

	op->agent = NULL;
	if (err && err->code == ERR_NOT_FOUND) {
		sbop_done(op, json_pack("{s:b}", "exists", 0));
		return;
	}
	if (err) {
		sbop_fail(op, err);
		return;
	}
	st = agent_get_stat(values, len, &e);
	if (st)
		sbop_done(op, st);
	else
		sbop_fail(op, &e);
}

static void stat_run(struct sbop *op)
{
	CLEANUP_BUF struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;

	if (agent_put_file(&payload, op->rq->params, &err) < 0)
		sbop_fail(op, &err);
	else
		sbop_call(op, AGENT_STAT, &payload, stat_done);
}

void method_files_stat(struct request *rq)
{
	sbop_start(rq, stat_run);
}

static void changes_run(struct sbop *op)
{
	CLEANUP_BUF struct buf payload = BUF_INIT;
	struct err err = ERR_INIT;

	if (agent_put_changes(&payload, op->rq->params, &err) < 0)
		sbop_fail(op, &err);
	else
		sbop_stream(op, AGENT_CHANGES, &payload);
}

void method_files_changes(struct request *rq)
{
	sbop_start(rq, changes_run);
}

/* What is asked for comes in the stream. */
static void bare_run(struct sbop *op, uint8_t type)
{
	CLEANUP_BUF struct buf none = BUF_INIT;

	sbop_stream(op, type, &none);
}

static void hash_run(struct sbop *op)
{
	bare_run(op, AGENT_HASH);
}

void method_files_hash(struct request *rq)
{
	sbop_start(rq, hash_run);
}

static void fetch_run(struct sbop *op)
{
	bare_run(op, AGENT_FETCH);
}

void method_files_fetch(struct request *rq)
{
	sbop_start(rq, fetch_run);
}

static void apply_run(struct sbop *op)
{
	bare_run(op, AGENT_APPLY);
}

void method_files_apply(struct request *rq)
{
	sbop_start(rq, apply_run);
}
