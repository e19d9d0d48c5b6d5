/* SPDX-License-Identifier: MIT */
/*
 * runner/req-image-put.c - image.put
 *
 * podflared, loop thread; the files are received on a work thread.  Distrusts
 * the client: what it will send must be what image.json says, before a byte of
 * it is taken.
 *
 * Theory of operation: after {need: true} the client's connection belongs to
 * the work thread, which reads frames from its own duplicate of the descriptor;
 * afterwards the rest of the input is given back.  A client that goes away
 * meanwhile: the socket is shut down, and the thread meets the end of it.  Whether
 * files came or not, the call is answered once the name is on disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/path.h"
#include "runner/image-put.h"
#include "runner/methods.h"
#include "runner/param.h"
#include "runner/places.h"

#define SLACK (32 * MIB)	/* to be left free on the disk */

struct put {
	struct work_job job;
	struct request *rq;
	struct runner *runner;
	struct image img;
	struct image_stream stream;
	const char *text;	/* image.json, the request's */
	bool need;
	struct err err;
};

static void put_free(struct put *p)
{
	if (p->stream.fd >= 0)
		close(p->stream.fd);
	frame_reader_free(&p->stream.in);
	image_free(&p->img);
	free(p);
}

static const struct image_file *find_file(const struct image *img,
					  const char *name)
{
	for (size_t i = 0; i < img->nr_files; i++)
		if (strcmp(img->files[i].name, name) == 0)
			return &img->files[i];
	return NULL;
}

/* One element of `files`. Return: 0, or -1 with @err. */
static int add_file(struct put *p, const json_t *v, struct err *err)
{
	const struct image_file *f;
	const char *name;

	if (!json_is_object(v) || param_check(v, "name:s size:i", err) < 0)
		return err_set(err, ERR_USAGE,
			       "parameter \"files\": {name, size} expected");
	name = param_str(v, "name", "");
	f = find_file(&p->img, name);
	if (!f)
		return err_set(err, ERR_USAGE,
			       "file \"%.64s\": not in image.json", name);
	if ((uint64_t)param_int(v, "size", 0) != f->size)
		return err_set(err, ERR_USAGE,
			       "file %s: image.json says %llu bytes", name,
			       (unsigned long long)f->size);
	for (size_t i = 0; i < p->stream.nr_files; i++)
		if (p->stream.order[i] == f)
			return err_set(err, ERR_USAGE, "file %s: twice", name);
	p->stream.order[p->stream.nr_files++] = f;
	return 0;
}

static int check(struct put *p, const json_t *params, struct err *err)
{
	json_t *files = param_get(params, "files"), *v;
	const char *name = param_str(params, "name", "");
	uint64_t total = SLACK;
	size_t i;

	if (!path_name_valid(name)) {
		err_set(err, ERR_USAGE, "image name \"%.80s\": not valid",
			name);
		return err_hint(err, "up to %d of a-z 0-9 _ . -, the first a "
				"letter or digit", PODFLARE_NAME_MAX);
	}
	p->text = param_str(params, "meta", "");
	if (image_parse(p->text, strlen(p->text), &p->img, err) < 0)
		return -1;
	json_array_foreach(files, i, v)
		if (add_file(p, v, err) < 0)
			return -1;
	if (p->stream.nr_files != p->img.nr_files)
		return err_set(err, ERR_USAGE,
			       "files: %zu of the %zu in image.json",
			       p->stream.nr_files, p->img.nr_files);
	for (i = 0; i < p->img.nr_files; i++)
		total += p->img.files[i].size;
	return places_check_space(&p->runner->places, total, err);
}

static void put_run(struct work_job *j)
{
	struct put *p = container_of(j, struct put, job);

	image_receive(p->runner->places.images_fd, &p->img, p->text,
		      strlen(p->text), &p->stream, &p->err);
}

static void answer(struct put *p)
{
	json_t *image;

	if (p->err.code) {
		request_fail(p->rq, &p->err, NULL);
	} else if (!p->need) {
		request_done(p->rq, json_pack("{s:b}", "need", 0));
	} else {
		image = image_to_json(p->runner, &p->img);
		json_object_set_new(image, "used_by", json_array());
		request_done(p->rq, image);
	}
	put_free(p);
}

static void sync_run(struct work_job *j)
{
	struct put *p = container_of(j, struct put, job);

	image_sync_names(p->runner->places.images_fd, &p->err);
}

static void sync_done(struct work_job *j)
{
	answer(container_of(j, struct put, job));
}

/* All of it is there: name it. */
static void finish(struct put *p)
{
	p->rq->cancel = NULL;
	if (!p->err.code)
		image_set_name(p->runner, param_str(p->rq->params, "name", ""),
			       p->img.digest, &p->err);
	if (p->err.code) {
		answer(p);
		return;
	}
	p->job = (struct work_job){ .run = sync_run, .done = sync_done };
	work_submit(&p->runner->work, WORK_META, &p->job);
}

static void put_done(struct work_job *j)
{
	struct put *p = container_of(j, struct put, job);
	struct frame_reader *in = &p->stream.in;

	buf_consume(&in->buf, in->consumed);
	in->consumed = 0;
	if (p->rq->peer)
		p->rq->peer->give_input(p->rq->peer, &in->buf, !p->err.code);
	finish(p);
}

static void cancel(struct request *rq)
{
	struct put *p = rq->state;

	rq->cancel = NULL;
	shutdown(p->stream.fd, SHUT_RD);
}

/* Take the connection over. Return: 0, or -1 with @err. */
static int take_stream(struct put *p, struct err *err)
{
	struct request_peer *peer = p->rq->peer;
	int fd = peer->take_input(peer, &p->stream.in.buf);

	if (fd < 0)
		return err_set(err, ERR_STATE,
			       "an image is being received on this connection");
	p->stream.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (p->stream.fd >= 0)
		return 0;
	err_sys(err, errno, "image");
	peer->give_input(peer, &p->stream.in.buf, true);
	return -1;
}

static bool exists(struct runner *r, const char *digest)
{
	struct stat st;

	return fstatat(r->places.images_fd, digest, &st,
		       AT_SYMLINK_NOFOLLOW) == 0;
}

void method_image_put(struct request *rq)
{
	struct put *p = calloc(1, sizeof(*p));
	struct err err = ERR_INIT;

	if (!p) {
		err_set(&err, ERR_NO_MEMORY, "image");
		request_fail(rq, &err, NULL);
		return;
	}
	p->rq = rq;
	p->runner = rq->runner;
	p->stream.fd = -1;
	if (check(p, rq->params, &err) == 0) {
		p->need = !exists(rq->runner, p->img.digest);
		if (p->need)
			take_stream(p, &err);
	}
	if (err.code) {
		put_free(p);
		request_fail(rq, &err, NULL);
		return;
	}
	if (!p->need) {
		finish(p);
		return;
	}
	rq->state = p;
	rq->cancel = cancel;
	request_reply(rq, json_pack("{s:b}", "need", 1));
	p->job.run = put_run;
	p->job.done = put_done;
	work_submit(&rq->runner->work, WORK_PUT, &p->job);
}
