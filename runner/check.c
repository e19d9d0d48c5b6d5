/* SPDX-License-Identifier: MIT */
/*
 * runner/check.c - is what the store has on disk whole?
 *
 * podflared, a work thread.  Distrusts all files.  Layers that a guest writes to
 * have their header and bitmap checked as they are now; only sealed ones, and
 * those of machines that do not run, are checked for good.  The guest's data in
 * layers have no checksum, those in memory files and images have.
 */
#include "runner/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sha2.h>

#include "common/cleanup.h"
#include "common/cowfmt.h"
#include "common/savedfmt.h"
#include "runner/chain.h"
#include "runner/image.h"
#include "runner/saved.h"
#include "runner/store.h"

#define META_MAX (1024 * 1024)
#define HASH_CHUNK (1024 * 1024)

struct check_file {
	uint64_t dev, ino;
	char file[CHAIN_NAME];	/* of a machine's, which of them */
	char *problem;		/* NULL: it is whole */
};

/* How to get rid of it. */
static void cure_of(const struct check_target *t, bool memory, char *out,
		    size_t size)
{
	if (t->image)
		snprintf(out, size, "podflare image rm --force %s, then build "
			 "or import it again", t->reference);
	else if (t->kind == SB_POOL)
		snprintf(out, size, "none is needed: one that does not answer "
			 "is replaced");
	else if (t->kind == SB_TEMPLATE)
		snprintf(out, size, "none is needed: the next sandbox of its "
			 "image makes it anew");
	else if (t->kind == SB_SNAPSHOT)
		snprintf(out, size, "podflare snapshot rm %s", t->name);
	else if (t->kind == SB_POINT)
		snprintf(out, size, "remove the sandboxes that were forked "
			 "there");
	else if (memory)
		snprintf(out, size, "podflare thaw --boot %s gives up its "
			 "memory and boots it from its disk", t->name);
	else
		snprintf(out, size, "podflare rm %s; what can still be read "
			 "is had by podflare cp", t->name);
}

/* @file NULL: all of the folder */
static void add(struct check *c, const struct check_target *t,
		const char *file, bool memory, const char *problem)
{
	const char *what = t->image ? t->reference : t->name;
	char path[256], cure[256];
	json_t *o;

	snprintf(path, sizeof(path), "%s%s%s", t->path, file ? "/" : "",
		 file ? file : "");
	cure_of(t, memory, cure, sizeof(cure));
	o = json_pack("{s:s, s:s, s:s, s:s}", "what", what, "path", path,
		      "problem", problem, "cure", cure);
	/* what a damaged file says need not be UTF-8 */
	if (!o)
		o = json_pack("{s:s, s:s, s:s, s:s}", "what", what, "path",
			      path, "problem", "damaged", "cure", cure);
	json_array_append_new(c->damage, o);
}

/* The file, and what was wrong with it. */
static void found(struct check *c, const struct check_target *t, int fd,
		  const char *file, bool memory, const char *problem)
{
	struct stat st;

	add(c, t, file, memory, problem);
	if (fstat(fd, &st) < 0)
		return;
	for (size_t i = 0; i < c->nr_seen; i++) {
		struct check_file *f = &c->seen[i];

		if (f->dev != st.st_dev || f->ino != st.st_ino)
			continue;
		snprintf(f->file, sizeof(f->file), "%s", file);
		f->problem = strdup(problem);
	}
}

/* Files that several folders have are checked once, and their damage is told for
 * each of those that somebody sees. */
static bool is_new(struct check *c, const struct check_target *t, int fd,
		   bool memory)
{
	bool seen = t->image || (t->kind != SB_POINT && t->kind != SB_VIEW);
	struct check_file *more;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return true;
	for (size_t i = 0; i < c->nr_seen; i++) {
		const struct check_file *f = &c->seen[i];

		if (f->dev != st.st_dev || f->ino != st.st_ino)
			continue;
		if (f->problem && seen)
			add(c, t, f->file, memory, f->problem);
		return false;
	}
	more = realloc(c->seen, (c->nr_seen + 1) * sizeof(*more));
	if (!more)
		return true;
	c->seen = more;
	c->seen[c->nr_seen++] = (struct check_file){ .dev = st.st_dev,
						     .ino = st.st_ino };
	return true;
}

static int open_file(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static void check_layer(struct check *c, const struct check_target *t,
			unsigned int nr)
{
	struct err err = ERR_INIT;
	struct cow_report report;
	char name[CHAIN_NAME];
	CLEANUP_FD int fd = -1;

	chain_name(name, nr);
	fd = open_file(t->dirfd, name);
	if (fd < 0 && errno == ENOENT)
		return;		/* it went while we looked */
	if (fd < 0) {
		add(c, t, name, false, strerror(errno));
		return;
	}
	if (!is_new(c, t, fd, false))
		return;
	c->layers++;
	if (cow_format_check(fd, &report, &err) < 0)
		found(c, t, fd, name, false, err.msg);
	else
		c->open += !report.sealed;
}

static void check_disk(struct check *c, const struct check_target *t)
{
	struct err err = ERR_INIT;
	struct chain chain;

	if (chain_list(t->dirfd, &chain, &err) < 0) {
		add(c, t, NULL, false, err.msg);
		return;
	}
	for (unsigned int i = 0; i < chain.n; i++)
		check_layer(c, t, chain.nr[i]);
}

/* Return: what meta.json is, NULL: damaged, which is told. */
static json_t *check_meta(struct check *c, const struct check_target *t)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	const char *id;
	json_error_t why;
	json_t *o;

	if (path_read_file(t->dirfd, "meta.json", META_MAX, &b, &err) < 0) {
		/* it is being made, or removed */
		if (err.code != ERR_NOT_FOUND)
			add(c, t, "meta.json", false, err.msg);
		return NULL;
	}
	o = json_loadb(buf_str(&b), b.len, JSON_REJECT_DUPLICATES, &why);
	id = json_string_value(json_object_get(o, "id"));
	if (!o)
		add(c, t, "meta.json", false, why.text);
	else if (json_integer_value(json_object_get(o, "format")) != 1 || !id ||
		 !json_string_value(json_object_get(o, "state")))
		add(c, t, "meta.json", false, "not of this version");
	else if (strcmp(id, t->id) != 0)
		add(c, t, "meta.json", false, "of another folder");
	else
		return o;
	json_decref(o);
	return NULL;
}

static void check_memory(struct check *c, const struct check_target *t,
			 const json_t *meta)
{
	const char *state = json_string_value(json_object_get(meta, "state"));
	struct saved_files f = SAVED_NONE;
	struct err err = ERR_INIT;

	if (saved_open(t->dirfd, &f, &err) < 0) {
		/* a thaw may have come in between */
		if (strcmp(state, "frozen") == 0)
			add(c, t, NULL, true, err.msg);
		return;
	}
	if (is_new(c, t, f.state, true)) {
		c->memories++;
		if (saved_format_check(f.state, f.memory, f.template, &c->stop,
				       &c->bytes, &err) < 0 &&
		    !atomic_load(&c->stop))
			found(c, t, f.state, err.msg[0] == 's' ? SAVED_STATE :
			      err.msg[0] == 't' ? SAVED_TEMPLATE
						: SAVED_MEMORY, true, err.msg);
	}
	saved_close(&f);
}

static int hash_file(struct check *c, int fd, char *hex)
{
	uint8_t *buf = malloc(HASH_CHUNK);
	SHA2_CTX ctx;
	off_t at = 0;
	ssize_t n = -1;

	SHA256Init(&ctx);
	while (buf && !atomic_load(&c->stop)) {
		n = pread(fd, buf, HASH_CHUNK, at);
		if (n <= 0)
			break;
		SHA256Update(&ctx, buf, (size_t)n);
		c->bytes += (uint64_t)n;
		at += n;
	}
	free(buf);
	SHA256End(&ctx, hex);
	return n == 0 ? 0 : -1;
}

static void check_image_file(struct check *c, const struct check_target *t,
			     const struct image_file *f)
{
	char hex[SHA256_DIGEST_STRING_LENGTH], text[128];
	CLEANUP_FD int fd = open_file(t->dirfd, f->name);
	uint64_t size;

	if (fd < 0 || util_file_size(fd, &size) < 0) {
		add(c, t, f->name, false, strerror(errno));
		return;
	}
	if (size != f->size) {
		snprintf(text, sizeof(text), "%llu bytes, not %llu",
			 (unsigned long long)size, (unsigned long long)f->size);
		add(c, t, f->name, false, text);
		return;
	}
	/* images share files */
	if (!is_new(c, t, fd, false))
		return;
	if (hash_file(c, fd, hex) < 0) {
		if (!atomic_load(&c->stop))
			add(c, t, f->name, false, "cannot be read");
	} else if (strcmp(hex, f->sha256) != 0) {
		found(c, t, fd, f->name, false, "its SHA-256 is another one");
	}
}

static void check_image(struct check *c, const struct check_target *t)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	CLEANUP_IMAGE struct image img = { .nr_files = 0 };
	struct err err = ERR_INIT;

	c->images++;
	if (path_read_file(t->dirfd, "image.json", IMAGE_JSON_MAX, &b,
			   &err) < 0 ||
	    image_parse(buf_str(&b), b.len, &img, &err) < 0) {
		add(c, t, "image.json", false, err.msg);
		return;
	}
	if (!strstr(t->path, img.digest)) {
		add(c, t, "image.json", false, "was changed");
		return;
	}
	for (size_t i = 0; i < img.nr_files; i++)
		check_image_file(c, t, &img.files[i]);
}

static void check_one(struct check *c, const struct check_target *t)
{
	json_t *meta;

	if (t->image) {
		check_image(c, t);
		return;
	}
	c->folders++;
	check_disk(c, t);
	meta = t->kind == SB_VIEW ? NULL : check_meta(c, t);
	if (meta && t->saved)
		check_memory(c, t, meta);
	json_decref(meta);
}

int check_run(struct check *c)
{
	c->damage = json_array();
	for (size_t i = 0; i < c->n && !atomic_load(&c->stop); i++)
		check_one(c, &c->targets[i]);
	return c->damage && !atomic_load(&c->stop) ? 0 : -1;
}

void check_free(struct check *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->targets[i].dirfd >= 0)
			close(c->targets[i].dirfd);
	for (size_t i = 0; i < c->nr_seen; i++)
		free(c->seen[i].problem);
	free(c->targets);
	free(c->seen);
	json_decref(c->damage);
	*c = (struct check){ .n = 0 };
}
