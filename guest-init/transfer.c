/* SPDX-License-Identifier: MIT */
/*
 * guest-init/transfer.c - what is done with files, in a process of its own
 *
 * Pid 1 up to the fork, then its child.  The host's request is checked in form.
 * With a user named, the child becomes that user, so that the kernel decides
 * what may be read and written; otherwise it is root.
 */
#include "guest-init/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/tlv.h"
#include "guest-init/apply.h"
#include "guest-init/archive.h"
#include "guest-init/changes.h"
#include "guest-init/extract.h"
#include "guest-init/fetch.h"
#include "guest-init/freeze.h"
#include "guest-init/spawn.h"
#include "guest-init/user.h"

/* The child's only descriptors. */
#define STREAM 3
#define UPPER 4
#define LOWER 5
#define FREEZER 6		/* of APPLY: a stream to the agent itself */
#define FIRST_FREE 7

#define DRAIN_MS 2000
#define DRAIN_BYTES (64 * MIB)

struct transfer {
	struct agent *agent;
	struct agent_child child;
};

struct request {
	char *path, *name, *user;
	bool follow, image;
};

static int parse(struct request *r, const struct frame *f, struct err *err)
{
	struct tlv t;
	size_t pos = 0;
	int rc;

	while ((rc = tlv_next(f->data, f->len, &pos, &t)) > 0) {
		char **text = t.tag == AGENT_T_PATH ? &r->path :
			t.tag == AGENT_T_NAME ? &r->name :
			t.tag == AGENT_T_USER ? &r->user : NULL;

		if (t.tag == AGENT_T_FOLLOW)
			r->follow = tlv_u32(&t) != 0;
		if (t.tag == AGENT_T_IMAGE)
			r->image = tlv_u32(&t) != 0;
		if (!text)
			continue;
		*text = tlv_strdup(&t);
		if (!*text)
			return err_set(err, ERR_PROTOCOL, "a value holds a NUL");
	}
	if (rc < 0)
		return err_set(err, ERR_PROTOCOL, "malformed request");
	if (!r->path || !r->path[0])
		return err_set(err, ERR_USAGE, "no path was given");
	return 0;
}

/* Relative paths are the user's. */
static int become(struct request *r, const char *etc, struct err *err)
{
	struct user u;
	char *path;

	if (user_lookup(&u, etc, r->user, err) < 0)
		return -1;
	if (r->path[0] != '/') {
		if (asprintf(&path, "%s/%s", u.home, r->path) < 0)
			return err_sys(err, ENOMEM, "path");
		r->path = path;
	}
	if (r->user && user_become(&u) < 0)
		return err_sys(err, errno, "cannot become user %s", u.name);
	return 0;
}

static int send_ok(const struct buf *values, struct err *err)
{
	if (frame_write(STREAM, AGENT_OK, values->data, values->len) < 0)
		return err_sys(err, errno, "stream");
	return 0;
}

/* mkdir -p. @made whether the last part is new. Return: open, -1 with @err. */
static int open_folder(char *path, bool *made, struct err *err)
{
	struct stat st;
	int fd;

	*made = false;
	for (char *p = path + 1; *p; p++) {
		if (*p != '/' || p[-1] == '/')
			continue;
		*p = '\0';
		if (stat(path, &st) < 0 && mkdir(path, 0755) < 0 &&
		    errno != EEXIST)
			return err_sys(err, errno, "mkdir %s", path);
		*p = '/';
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		*made = mkdir(path, 0755) == 0;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		err_sys(err, errno, "%s", path);
	return fd;
}

static int put(struct request *r, struct frame_reader *frames, struct err *err)
{
	struct stream_in in = { .fd = STREAM, .frames = frames };
	const struct buf none = BUF_INIT;
	CLEANUP_FD int root = -1;
	bool made;

	umask(0);
	root = open_folder(r->path, &made, err);
	if (root < 0 || send_ok(&none, err) < 0 ||
	    extract_all(root, made, &in, err) < 0)
		return -1;
	return send_ok(&none, err);
}

static int send_end(struct err *err)
{
	if (frame_write(STREAM, AGENT_END, NULL, 0) < 0)
		return err_sys(err, errno, "stream");
	return 0;
}

/* Links on the way are those of the image; one at the end is not followed. */
static int get_image(const struct request *r, const struct layers *layers,
		     struct stream_out *out, struct err *err)
{
	const struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	CLEANUP_FREE char *path = strdup(r->path);
	CLEANUP_FD int dir = -1;
	char *base;

	if (!path)
		return err_sys(err, ENOMEM, "path");
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	base = strrchr(path, '/');
	*base++ = '\0';
	dir = (int)syscall(SYS_openat2, layers->lower, *path ? path : "/", &how,
			   sizeof(how));
	if (dir < 0)
		return err_sys(err, errno, "%s in the image", r->path);
	return archive_all(dir, *base ? base : ".", r->name, false, out, err);
}

static int get(const struct request *r, const struct layers *layers,
	       struct err *err)
{
	static struct stream_out out;

	out.fd = STREAM;
	if (r->image ? get_image(r, layers, &out, err) < 0 :
	    archive_all(AT_FDCWD, r->path, r->name, r->follow, &out, err) < 0)
		return -1;
	return send_end(err);
}

static int send_changes(const struct frame *f, const struct layers *layers,
			const char *mountinfo, struct err *err)
{
	static struct stream_out out;

	out.fd = STREAM;
	if (changes_send(f, layers, mountinfo, &out, err) < 0)
		return -1;
	return send_end(err);
}

static int send_files(bool content, struct frame_reader *frames,
		      const struct layers *layers, struct err *err)
{
	static struct stream_out out;
	struct stream_in in = { .fd = STREAM, .frames = frames };
	const struct buf none = BUF_INIT;

	out.fd = STREAM;
	if (send_ok(&none, err) < 0 ||
	    fetch_send(&in, content, layers, &out, err) < 0)
		return -1;
	return send_end(err);
}

static int stat_path(const struct request *r, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	char target[PATH_MAX + 1];
	struct stat st;
	ssize_t n;

	if ((r->follow ? stat(r->path, &st) : lstat(r->path, &st)) < 0)
		return err_sys(err, errno, "%s", r->path);
	tlv_put_u32(&b, AGENT_T_MODE, st.st_mode);
	tlv_put_u64(&b, AGENT_T_SIZE, (uint64_t)st.st_size);
	tlv_put_u32(&b, AGENT_T_UID, st.st_uid);
	tlv_put_u32(&b, AGENT_T_GID, st.st_gid);
	tlv_put_u64(&b, AGENT_T_MTIME, (uint64_t)st.st_mtim.tv_sec * 1000000000ULL +
		    (uint64_t)st.st_mtim.tv_nsec);
	n = S_ISLNK(st.st_mode) ? readlink(r->path, target, PATH_MAX) : -1;
	if (n >= 0)
		tlv_put(&b, AGENT_T_LINK, target, (size_t)n);
	return send_ok(&b, err);
}

/* The host may be busy sending: what it sends is taken for a moment, so that it
 * comes to read the error rather than find the stream broken. */
static void say_error(const struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct pollfd p = { .fd = STREAM, .events = POLLIN };
	static uint8_t junk[FRAME_DATA_MAX];
	size_t taken = 0;
	ssize_t n;

	tlv_put_u32(&b, AGENT_T_CODE, err->code);
	if (err->sys)
		tlv_put_u32(&b, AGENT_T_ERRNO, (uint32_t)err->sys);
	tlv_put_str(&b, AGENT_T_MESSAGE, err->msg);
	if (frame_write(STREAM, AGENT_ERROR, b.data, b.len) < 0)
		return;
	shutdown(STREAM, SHUT_WR);
	while (taken < DRAIN_BYTES && poll(&p, 1, DRAIN_MS) > 0) {
		n = read(STREAM, junk, sizeof(junk));
		if (n <= 0)
			return;
		taken += (size_t)n;
	}
}

static int apply(struct frame_reader *frames, const char *root,
		 const struct layers *layers, int freezer, struct err *err)
{
	struct stream_in in = { .fd = STREAM, .frames = frames };
	const struct buf none = BUF_INIT;

	if (send_ok(&none, err) < 0 ||
	    apply_stream(&in, root, layers, freezer, err) < 0)
		return -1;
	return send_ok(&none, err);
}

/* Of one path, with a user's rights. */
static int carry_out_as_user(const struct frame *f, struct frame_reader *frames,
			     const char *etc, const struct layers *layers,
			     struct err *err)
{
	struct request r = { 0 };

	if (parse(&r, f, err) < 0 || become(&r, etc, err) < 0)
		return -1;
	switch (f->type) {
	case AGENT_PUT:
		return put(&r, frames, err);
	case AGENT_GET:
		return get(&r, layers, err);
	default:
		return stat_path(&r, err);
	}
}

static int carry_out(const struct frame *f, struct frame_reader *frames,
		     const struct agent_system *system,
		     const struct layers *layers, int freezer, struct err *err)
{
	switch (f->type) {
	case AGENT_CHANGES:
		return send_changes(f, layers, system->mountinfo, err);
	case AGENT_HASH:
		return send_files(false, frames, layers, err);
	case AGENT_FETCH:
		return send_files(true, frames, layers, err);
	case AGENT_APPLY:
		return apply(frames, system->root, layers, freezer, err);
	default:
		return carry_out_as_user(f, frames, system->etc, layers, err);
	}
}

/* Other streams and commands' pipes must not be held open by this process. */
static void keep_only(int fd, struct layers *l, int *freezer)
{
	int *const kept[] = { &fd, &l->upper, &l->lower, freezer };

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		*kept[i] = fcntl(*kept[i], F_DUPFD_CLOEXEC, FIRST_FREE);
	for (int i = 0; i < (int)ARRAY_SIZE(kept); i++)
		if (*kept[i] >= 0)
			*kept[i] = dup3(*kept[i], STREAM + i, O_CLOEXEC);
		else
			close(STREAM + i);
	spawn_close_from(FIRST_FREE);
	fcntl(STREAM, F_SETFL, O_RDWR);
}

static void run(struct conn *c, const struct frame *f, int freezer)
	__attribute__((noreturn));
static void run(struct conn *c, const struct frame *f, int freezer)
{
	const struct agent_system *system = c->agent->system;
	struct layers layers = system->layers;
	struct err err = ERR_INIT;
	int rc;

	keep_only(c->fd, &layers, &freezer);
	/* one that ends half way must not be the OOM killer's doing */
	if (f->type != AGENT_APPLY)
		spawn_unprotect();
	rc = carry_out(f, &c->in, system, &layers, freezer, &err);
	if (rc < 0)
		say_error(&err);
	_exit(rc < 0);
}

static void on_ended(struct agent_child *child, int wstatus)
{
	struct transfer *t = container_of(child, struct transfer, child);

	t->agent->nr_transfers--;
	free(t);
}

void transfer_start(struct conn *c, const struct frame *f)
{
	struct agent *a = c->agent;
	struct err err = ERR_INIT;
	struct transfer *t = NULL;
	int freezer[2] = { -1, -1 }, sys;
	pid_t pid = -1;

	if (a->nr_transfers >= AGENT_TRANSFERS_MAX) {
		err_set(&err, ERR_LIMIT, "%d file transfers are running already",
			AGENT_TRANSFERS_MAX);
		conn_fail(c, &err);
		return;
	}
	t = calloc(1, sizeof(*t));
	/* without it, the changes only are less than one step */
	if (f->type == AGENT_APPLY)
		(void)socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				 freezer);
	if (t)
		pid = spawn_fork(a->cgroup.own);
	if (pid == 0)
		run(c, f, freezer[1]);
	sys = t ? errno : ENOMEM;
	if (freezer[1] >= 0) {
		close(freezer[1]);
		freeze_offer(a, freezer[0]);
	}
	if (pid < 0) {
		err_sys(&err, sys, "cannot start a file transfer");
		conn_fail(c, &err);
		free(t);
		return;
	}
	t->agent = a;
	t->child.ended = on_ended;
	a->nr_transfers++;
	agent_add_child(a, &t->child, pid);
	conn_drop(c, false);
}
