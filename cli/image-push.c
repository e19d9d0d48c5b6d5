/* SPDX-License-Identifier: MIT */
/*
 * cli/image-push.c - an image of this file system to a runner elsewhere
 *
 * Runs in the CLI.  docs/api.md, image.put: one call, then each file as frames
 * on the same connection, then a second reply.
 */
#include "cli/image-push.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/host.h"
#include "cli/image-store.h"
#include "cli/output.h"
#include "common/agent.h"
#include "common/cleanup.h"
#include "common/path.h"

#define LOCK_POLL_MS 200

struct push {
	struct client *c;
	const struct store *store;
	const char *dir;
	char text[128];		/* of the progress line */
	uint64_t done, total;
};

/* @text: image.json as it is: its digest is the image's. */
static json_t *put_params(json_t *meta, const char *text, const char *name)
{
	json_t *params = json_object(), *files = json_array(), *f;
	const char *file;

	json_object_foreach(json_object_get(meta, "files"), file, f)
		json_array_append_new(
			files, json_pack("{s:s, s:O}", "name", file, "size",
					 json_object_get(f, "size")));
	json_object_set_new(params, "name", json_string(name));
	json_object_set_new(params, "meta", json_string(text));
	json_object_set_new(params, "files", files);
	return params;
}

static int send_file(struct push *p, const char *file, uint64_t size,
		     struct err *err)
{
	CLEANUP_FREE uint8_t *chunk = malloc(FRAME_DATA_MAX);
	char path[STORE_DIR_MAX + 64];
	CLEANUP_FD int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", p->dir, file);
	fd = openat(p->store->fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || !chunk)
		return err_sys(err, fd < 0 ? errno : ENOMEM, "image %s", path);
	for (; size; size -= (uint64_t)n) {
		n = read(fd, chunk, MIN(size, (uint64_t)FRAME_DATA_MAX));
		if (n <= 0)
			return err_sys(err, n < 0 ? errno : EIO, "image %s",
				       path);
		if (client_send_frame(p->c, AGENT_DATA, chunk, (size_t)n,
				      err) < 0)
			return -1;
		p->done += (uint64_t)n;
		progress_bytes(&p->c->progress, p->text, p->done, p->total);
	}
	return client_send_frame(p->c, AGENT_END, NULL, 0, err);
}

static int send_files(struct push *p, json_t *params, struct err *err)
{
	json_t *files = json_object_get(params, "files"), *f;
	size_t i;

	json_array_foreach(files, i, f)
		p->total += json_number(f, "size");
	json_array_foreach(files, i, f)
		if (send_file(p, json_text(f, "name"), json_number(f, "size"),
			      err) < 0)
			return -1;
	return 0;
}

/* One sender at a time: whoever waits finds that the image is there already.
 * Return: a descriptor that holds the lock, -1 with @err. */
static int lock_image(const struct push *p, struct err *err)
{
	CLEANUP_FD int fd = openat(p->store->fd, p->dir,
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct pollfd interrupt = { .fd = p->c->interrupt_fd, .events = POLLIN };

	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(err, errno, "image %s", p->dir);
		if (poll(&interrupt, 1, LOCK_POLL_MS) > 0)
			return err_set(err, ERR_CANCELLED, "interrupted");
		progress_tick(&p->c->progress);
	}
	if (fd < 0)
		return err_sys(err, errno, "image %s", p->dir);
	return steal_fd(&fd);
}

static int put(struct push *p, json_t *params, struct err *err)
{
	CLEANUP_FD int lock = lock_image(p, err);
	CLEANUP_JSON json_t *answer = NULL;
	CLEANUP_JSON json_t *image = NULL;
	struct err sending = ERR_INIT;
	int64_t id;
	int rc;

	if (lock < 0)
		return -1;
	id = client_send(p->c, "image.put", json_incref(params), err);
	if (id < 0)
		return -1;
	answer = client_wait(p->c, id, err);
	if (!answer)
		return -1;
	if (!json_is_true(json_object_get(answer, "need")))
		return 0;
	rc = send_files(p, params, &sending);
	/* why it stopped listening is in its second reply */
	if (rc == 0 || sending.sys == EPIPE || sending.sys == ECONNRESET)
		image = client_wait(p->c, id, err);
	if (image)
		return 0;
	if (rc < 0 && (!err || err->code == ERR_NONE ||
		       err->code == ERR_UNAVAILABLE))
		*err = sending;
	return -1;
}

/* See image-push.h. */
int image_push(struct client *c, const char *name, struct err *err)
{
	CLEANUP_STORE struct store store = STORE_INIT;
	CLEANUP_JSON json_t *meta = NULL;
	CLEANUP_JSON json_t *params = NULL;
	CLEANUP_BUF struct buf text = BUF_INIT;
	char dir[STORE_DIR_MAX], path[STORE_DIR_MAX + 16];
	struct push p = { .c = c, .store = &store, .dir = dir };
	const char *known;

	if (store_open(&store, false, err) < 0 ||
	    store_resolve(&store, name, dir, err) < 0)
		return -1;
	meta = store_load(&store, dir, err);
	snprintf(path, sizeof(path), "%s/image.json", dir);
	if (!meta ||
	    path_read_file(store.fd, path, STORE_JSON_MAX, &text, err) < 0)
		return -1;
	/* asked for by digest it goes under its own name */
	known = !strncmp(name, "sha256", 6) ? json_text(meta, "name") : name;
	params = put_params(meta, buf_str(&text), known);
	snprintf(p.text, sizeof(p.text), "sending image %.63s", known);
	return put(&p, params, err);
}

/* See image-push.h. */
int image_ensure(struct client *c, const char *name, struct err *err)
{
	struct err why = ERR_INIT;
	enum host_kind kind;

	if (err->code != ERR_NOT_FOUND)
		return -1;
	if (!name)
		name = "default";
	/* this user's own runner has looked where we would */
	if (host_which(&kind, NULL, &why) == 0 && kind != HOST_LOCAL) {
		progress_start(&c->progress, c->globals);
		if (image_push(c, name, &why) == 0)
			*err = (struct err)ERR_INIT;
		progress_end(&c->progress);
		if (err->code == ERR_NONE)
			return 0;
	}
	if (why.code != ERR_NONE && why.code != ERR_NOT_FOUND) {
		*err = why;
		return err_context(err, "image %.80s", name);
	}
	return err_hint(err, strcmp(name, "default")
			? "`podflare image ls` lists the images"
			: "podflare image build default");
}
