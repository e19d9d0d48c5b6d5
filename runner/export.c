/* SPDX-License-Identifier: MIT */
/*
 * runner/export.c - a snapshot as one stream of bytes
 *
 * podflared; the files are opened on the loop thread and sent by a work thread.
 * Distrusts the client to take what comes: one that takes nothing for a while is
 * given up.
 *
 * Theory of operation: the files of a snapshot never change, and who has them open
 * can read them after it was removed.  What is zero is not sent.  The disk is sent
 * as if it had one layer: where it is read, its chain and the empty file system
 * below it do not matter.
 */
#include "runner/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/tlv.h"
#include "runner/export-parts.h"
#include "runner/import-meta.h"
#include "runner/saved.h"

#define SILENCE_S 60
#define BLOCK 4096

/* ---- bytes out ---- */

static int sent(struct export *e, int rc)
{
	if (rc == 0)
		return 0;
	if (errno == EAGAIN)
		return err_set(&e->err, ERR_TIMEOUT, "the client took nothing "
			       "for %d s", SILENCE_S);
	return err_sys(&e->err, errno, "client");
}

static int flush(struct export *e)
{
	while (e->frames.len) {
		size_t n = MIN(e->frames.len, FRAME_DATA_MAX);

		if (sent(e, frame_write(e->out, AGENT_DATA, e->frames.data,
					n)) < 0)
			return -1;
		buf_consume(&e->frames, n);
	}
	return 0;
}

static int put(struct export *e, const void *data, size_t len)
{
	if (buf_append(&e->frames, data, len) < 0)
		return err_sys(&e->err, errno, "export");
	return e->frames.len >= SNAPFILE_DATA_MAX ? flush(e) : 0;
}

static int put_summed(struct export *e, const void *data, size_t len)
{
	crc32_add(&e->crc, data, len);
	return put(e, data, len);
}

static int put_sum(struct export *e)
{
	const uint32_t crc = crc32_value(&e->crc);

	return put(e, &crc, sizeof(crc));
}

int export_record(struct export *e, enum snapfile_type type, uint64_t at,
		  const void *data, size_t len)
{
	const struct snapfile_record r = {
		.type = type, .len = (uint32_t)len, .at = at,
	};

	if (type == SNAPFILE_DATA)
		e->sent += len;
	return put_summed(e, &r, sizeof(r)) < 0 ||
	       (len && put_summed(e, data, len) < 0) || put_sum(e) < 0 ? -1 : 0;
}

/* ---- files ---- */

static bool is_zero(const uint8_t *p, size_t len)
{
	return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

/* What is in the chunk, but for blocks of zeros. */
static int put_chunk(struct export *e, uint64_t at, size_t len)
{
	size_t from, to = 0;

	while (to < len) {
		for (from = to; from < len; from += BLOCK)
			if (!is_zero(e->chunk + from, MIN(BLOCK, len - from)))
				break;
		for (to = from; to < len; to += BLOCK)
			if (is_zero(e->chunk + to, MIN(BLOCK, len - to)))
				break;
		to = MIN(to, len);
		if (from < len && export_record(e, SNAPFILE_DATA, at + from,
						e->chunk + from, to - from) < 0)
			return -1;
	}
	return 0;
}

static int put_plain(struct export *e, int fd, uint64_t from, uint64_t end,
		     uint64_t at, const char *what)
{
	while (from < end) {
		size_t want = (size_t)MIN(end - from, SNAPFILE_DATA_MAX);
		ssize_t n = TEMP_FAILURE_RETRY(pread(fd, e->chunk, want,
						     (off_t)from));

		if (n <= 0)
			return err_sys(&e->err, n < 0 ? errno : EIO, "%s",
				       what);
		if (put_chunk(e, at, (size_t)n) < 0)
			return -1;
		from += (uint64_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

int export_range(struct export *e, int fd, uint64_t from, uint64_t end,
		 uint64_t at, const char *what)
{
	while (from < end) {
		off_t data = lseek(fd, (off_t)from, SEEK_DATA);
		uint64_t hole;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0)	/* no such file system */
			return put_plain(e, fd, from, end, at, what);
		if ((uint64_t)data >= end)
			return 0;
		hole = (uint64_t)lseek(fd, data, SEEK_HOLE);
		hole = MIN(hole, end);	/* -1 is more than any */
		if (put_plain(e, fd, (uint64_t)data, hole,
			      at + ((uint64_t)data - from), what) < 0)
			return -1;
		at += hole - from;
		from = hole;
	}
	return 0;
}

static int begin_file(struct export *e, enum snapfile_file which,
		      uint64_t size)
{
	return export_record(e, SNAPFILE_FILE, which, &size, sizeof(size));
}

static int put_file(struct export *e, enum snapfile_file which, int fd,
		    const char *what)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(&e->err, errno, "%s", what);
	if (begin_file(e, which, (uint64_t)st.st_size) < 0)
		return -1;
	return export_range(e, fd, 0, (uint64_t)st.st_size, 0, what);
}

static int put_head(struct export *e)
{
	const struct snapfile_header h = {
		.magic = SNAPFILE_MAGIC, .version = SNAPFILE_VERSION,
		.meta_len = (uint32_t)strlen(e->meta),
	};

	crc32_begin(&e->crc);
	return put_summed(e, &h, sizeof(h)) < 0 ||
	       put_summed(e, e->meta, h.meta_len) < 0 || put_sum(e) < 0
		? -1 : 0;
}

static int put_all(struct export *e)
{
	if (put_head(e) < 0)
		return -1;
	if (e->state >= 0 &&
	    (put_file(e, SNAPFILE_STATE, e->state, SAVED_STATE) < 0 ||
	     put_file(e, SNAPFILE_MEMORY, e->memory, SAVED_MEMORY) < 0))
		return -1;
	if (e->base >= 0 && put_file(e, SNAPFILE_BASE, e->base, SAVED_TEMPLATE) < 0)
		return -1;
	if (begin_file(e, SNAPFILE_DISK, e->disk) < 0 || export_disk(e) < 0 ||
	    export_record(e, SNAPFILE_END, e->sent, NULL, 0) < 0 ||
	    flush(e) < 0)
		return -1;
	return sent(e, frame_write(e->out, AGENT_END, NULL, 0));
}

static void tell(struct export *e)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	tlv_put_u32(&b, AGENT_T_CODE, e->err.code);
	tlv_put_str(&b, AGENT_T_MESSAGE, e->err.msg);
	frame_write(e->out, AGENT_ERROR, b.data, b.len);
}

/* Work thread. */
static void export_run(struct work_job *j)
{
	struct export *e = container_of(j, struct export, job);

	e->chunk = malloc(SNAPFILE_DATA_MAX);
	if (!e->chunk)
		err_set(&e->err, ERR_NO_MEMORY, "export");
	else
		put_all(e);
	if (e->err.code)
		tell(e);
}

/* ---- the loop thread ---- */

static void close_all(struct export *e)
{
	const int fds[] = { e->out, e->state, e->memory, e->base, e->disk_base };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (unsigned int i = 0; i < e->nr_layers; i++)
		close(e->layers[i]);
}

static void export_free(struct export *e)
{
	close_all(e);
	buf_free(&e->frames);
	free(e->chunk);
	free(e->meta);
	free(e);
}

static void export_done(struct work_job *j)
{
	struct export *e = container_of(j, struct export, job);

	if (e->err.code)
		log_info("snapshot %s: export: %s", e->name, e->err.msg);
	LIST_REMOVE(e, link);
	export_free(e);
}

static int open_layers(struct export *e, struct sandbox *s, struct err *err)
{
	struct chain c;

	if (chain_list(s->dirfd, &c, err) < 0)
		return -1;
	for (unsigned int i = 0; i < c.n && c.nr[i] <= s->top; i++) {
		char name[CHAIN_NAME];
		int fd;

		chain_name(name, c.nr[i]);
		fd = openat(s->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return err_sys(err, errno, "%s", name);
		e->layers[e->nr_layers++] = fd;
	}
	return 0;
}

static int open_files(struct export *e, struct sandbox *s, struct err *err)
{
	struct saved_files f = SAVED_NONE;

	if (!s->disk_only && saved_open(s->dirfd, &f, err) < 0)
		return -1;
	e->state = f.state;
	e->memory = f.memory;
	e->base = f.template;
	e->disk_base = disk_base_open(s->runner, s->disk_base, err);
	return e->disk_base < 0 ? -1 : open_layers(e, s, err);
}

static struct export *export_new(struct sandbox *s, struct err *err)
{
	struct export *e = calloc(1, sizeof(*e));

	if (e)
		e->meta = import_meta_make(s);
	if (!e || !e->meta) {
		free(e);
		err_set(err, ERR_NO_MEMORY, "export");
		return NULL;
	}
	e->runner = s->runner;
	snprintf(e->name, sizeof(e->name), "%s", s->name);
	e->out = e->state = e->memory = e->base = e->disk_base = -1;
	e->disk = s->disk;
	if (strlen(e->meta) > SNAPFILE_META_MAX)
		err_set(err, ERR_LIMIT, "its variables and labels are too long "
			"to be exported");
	else if (open_files(e, s, err) == 0)
		return e;
	export_free(e);
	return NULL;
}

int export_start(struct sandbox *s, struct err *err)
{
	const struct timeval silence = { .tv_sec = SILENCE_S };
	struct export *e = export_new(s, err);
	int sv[2];

	if (!e)
		return err_context(err, "snapshot %s", s->name);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0) {
		export_free(e);
		return err_sys(err, errno, "export");
	}
	setsockopt(sv[0], SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence));
	e->out = sv[0];
	e->job.run = export_run;
	e->job.done = export_done;
	LIST_INSERT_HEAD(&s->runner->exports, e, link);
	work_submit(&s->runner->work, WORK_EXPORT, &e->job);
	return sv[1];
}

void export_cancel_all(struct runner *r)
{
	struct export *e;

	LIST_FOREACH(e, &r->exports, link)
		shutdown(e->out, SHUT_RDWR);
}
