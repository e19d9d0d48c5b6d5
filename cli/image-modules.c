/* SPDX-License-Identifier: MIT */
/*
 * cli/image-modules.c - kernel modules: what needs what, and initramfs parts
 *
 * Runs in the CLI.  Module files come from a package that apt has checked, or
 * from the user; their contents are bounded and only searched for one text.
 *
 * Theory of operation: packages have no modules.dep, which depmod makes at
 * installation.  But every module says in its .modinfo section what it needs
 * ("depends=a,b"), so the order is a depth-first walk.
 */
#include "cli/image-modules.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "cli/image-unpack.h"
#include "common/cleanup.h"
#include "common/path.h"

#define MODULE_BYTES_MAX (64 * MIB)

const char *const modules_guest[] = {
	"virtio_mmio", "virtio_blk", "vmw_vsock_virtio_transport", "overlay",
	"squashfs", "?virtio_rng", "?virtio_net", NULL,
};

const char *const modules_machine[] = {
	"?virtio_pci", "?virtio_blk", "?overlay", "?squashfs",
	"?virtio_console", "?virtio_rng", "?vmw_vsock_virtio_transport",
	"?virtio_net", "?irqbypass", "?kvm", "?kvm_amd", "?kvm_intel", NULL,
};

/* The modules of one archive, in loading order. */
struct order {
	struct modules *m;
	struct archive *out;
	const struct module *v[MODULES_MAX];
	size_t n;
};

void modules_free(struct modules *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i].name);
		free(m->v[i].path);
	}
	free(m->v);
	buf_free(&m->builtin);
	*m = (struct modules)MODULES_INIT;
}

static void normalise(char *name)
{
	name[strcspn(name, ".")] = '\0';
	for (; *name; name++)
		if (*name == '-')
			*name = '_';
}

static bool is_module(const char *name)
{
	const char *ko = strstr(name, ".ko");

	return ko && ko != name &&
	       (!ko[3] || !strcmp(ko + 3, ".xz") || !strcmp(ko + 3, ".zst") ||
		!strcmp(ko + 3, ".gz"));
}

static int add(struct modules *m, const char *path, const char *base,
	       struct err *err)
{
	struct module *v;

	if ((m->n & (m->n - 1)) == 0) {
		v = reallocarray(m->v, m->n ? 2 * m->n : 1, sizeof(*v));
		if (!v)
			return err_sys(err, ENOMEM, "modules");
		m->v = v;
	}
	v = &m->v[m->n];
	v->name = strdup(base);
	v->path = strdup(path);
	if (!v->name || !v->path) {
		free(v->name);
		free(v->path);
		return err_sys(err, ENOMEM, "modules");
	}
	normalise(v->name);
	m->n++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct module *)a)->name,
		      ((const struct module *)b)->name);
}

/* See image-modules.h. */
int modules_scan(struct modules *m, const char *dir, struct err *err)
{
	CLEANUP_FREE char *copy = strdup(dir);
	char *roots[] = { copy, NULL };
	FTS *fts = copy ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL)
			: NULL;
	FTSENT *e;
	int rc = 0;

	if (!fts)
		return err_sys(err, errno, "%s", dir);
	m->builtin.max = MIB;
	while (rc == 0 && (errno = 0, e = fts_read(fts))) {
		if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR)
			rc = err_sys(err, e->fts_errno, "%s", e->fts_path);
		else if (e->fts_info == FTS_F &&
			 !strcmp(e->fts_name, "modules.builtin"))
			rc = path_read_file(AT_FDCWD, e->fts_path, MIB,
					    &m->builtin, err);
		else if (e->fts_info == FTS_F && is_module(e->fts_name))
			rc = add(m, e->fts_path, e->fts_name, err);
	}
	if (rc == 0 && errno)
		rc = err_sys(err, errno, "%s", dir);
	fts_close(fts);
	if (m->n)
		qsort(m->v, m->n, sizeof(*m->v), by_name);
	return rc;
}

static bool is_builtin(const struct modules *m, const char *name)
{
	const char *p = (const char *)m->builtin.data;
	char file[128], word[128];

	/* each line is kernel/.../NAME.ko */
	for (size_t i = 0; i < m->builtin.len;) {
		const char *line = p + i, *base;
		size_t n = strcspn(line, "\n");

		i += n + 1;
		base = memrchr(line, '/', n);
		if (!base)
			continue;
		snprintf(file, sizeof(file), "%.*s",
			 (int)(line + n - base - 1), base + 1);
		normalise(file);
		snprintf(word, sizeof(word), "%s", name);
		normalise(word);
		if (!strcmp(file, word))
			return true;
	}
	return false;
}

/* See image-modules.h. */
int modules_depends(const void *ko, size_t len, char *out, size_t size)
{
	static const char key[] = "\0depends=";
	const char *p = memmem(ko, len, key, sizeof(key) - 1);
	size_t room, n;

	if (!p)
		return -1;
	p += sizeof(key) - 1;
	room = len - (size_t)(p - (const char *)ko);
	n = strnlen(p, room);
	if (n == room || n >= size)
		return -1;
	memcpy(out, p, n + 1);
	return 0;
}

static int put(struct archive *a, const char *name, unsigned int type,
	       unsigned int mode, const void *data, size_t len,
	       struct err *err)
{
	struct archive_entry *e = archive_entry_new();
	int rc;

	if (!e)
		return err_sys(err, ENOMEM, "%s", name);
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, type);
	archive_entry_set_perm(e, mode);
	archive_entry_set_size(e, (la_int64_t)len);
	archive_entry_set_nlink(e, 1);
	archive_entry_set_mtime(e, 0, 0);
	rc = archive_write_header(a, e);
	archive_entry_free(e);
	if (rc == ARCHIVE_OK &&
	    (!len || archive_write_data(a, data, len) == (la_ssize_t)len))
		return 0;
	return err_sys(err, archive_errno(a) > 0 ? archive_errno(a) : EIO,
		       "%s", name);
}

static int load(const struct module *mod, struct buf *ko, struct err *err)
{
	CLEANUP_BUF struct buf packed = { .max = MODULE_BYTES_MAX };
	enum unpack_kind kind;

	ko->max = MODULE_BYTES_MAX;
	if (path_read_file(AT_FDCWD, mod->path, MODULE_BYTES_MAX, &packed,
			   err) < 0)
		return -1;
	kind = unpack_kind(packed.data, packed.len);
	if (kind != UNPACK_NONE)
		return unpack(kind, packed.data, packed.len, mod->path, ko,
			      err);
	*ko = packed;
	packed = (struct buf)BUF_INIT;
	return 0;
}

/* As the package names it, unpacked: "virtio-rng.ko". */
static void file_name(const struct module *mod, const char *prefix, char *out,
		      size_t size)
{
	const char *base = strrchr(mod->path, '/');

	base = base ? base + 1 : mod->path;
	snprintf(out, size, "%s%.*s.ko", prefix, (int)strcspn(base, "."), base);
}

static int visit(struct order *o, const char *name, int depth,
		 struct err *err);

/* What it needs, then itself. */
static int append(struct order *o, const struct module *mod, int depth,
		  struct err *err)
{
	CLEANUP_BUF struct buf ko = BUF_INIT;
	char depends[512], file[160], *save = NULL;

	if (load(mod, &ko, err) < 0)
		return -1;
	if (modules_depends(ko.data, ko.len, depends, sizeof(depends)) < 0)
		return err_set(err, ERR_USAGE, "%s: not a kernel module",
			       mod->path);
	for (char *d = strtok_r(depends, ",", &save); d;
	     d = strtok_r(NULL, ",", &save))
		if (visit(o, d, depth + 1, err) < 0)
			return -1;
	if (o->n == MODULES_MAX)
		return err_set(err, ERR_LIMIT, "over %d modules", MODULES_MAX);
	o->v[o->n++] = mod;
	file_name(mod, "modules/", file, sizeof(file));
	return put(o->out, file, AE_IFREG, 0644, ko.data, ko.len, err);
}

static int visit(struct order *o, const char *name, int depth, struct err *err)
{
	bool optional = *name == '?';
	char word[128];
	struct module key = { .name = word };
	const struct module *mod = NULL;

	name += optional;
	snprintf(word, sizeof(word), "%s", name);
	normalise(word);
	for (size_t i = 0; i < o->n; i++)
		if (!strcmp(o->v[i]->name, word))
			return 0;
	if (o->m->n)
		mod = bsearch(&key, o->m->v, o->m->n, sizeof(key), by_name);
	if (mod && depth < MODULES_MAX)
		return append(o, mod, depth, err);
	if (optional || is_builtin(o->m, word))
		return 0;
	err_set(err, ERR_USAGE, "the kernel has no %s, neither as a module nor "
		"built in", name);
	return err_hint(err, "the stock kernel package %s has it",
			"linux-image-cloud-amd64");
}

static int fill(struct order *o, const char *const *names, struct err *err)
{
	CLEANUP_BUF struct buf list = BUF_INIT;
	char file[160];

	if (put(o->out, "modules", AE_IFDIR, 0755, NULL, 0, err) < 0)
		return -1;
	/* without any module all must be built in: nothing tells */
	for (; *names && (o->m->n || o->m->builtin.len); names++)
		if (visit(o, *names, 0, err) < 0)
			return -1;
	for (size_t i = 0; i < o->n; i++) {
		file_name(o->v[i], "", file, sizeof(file));
		buf_printf(&list, "%s\n", file);
	}
	return put(o->out, "modules/order", AE_IFREG, 0644, list.data, list.len,
		   err);
}

/* See image-modules.h. */
int modules_write(struct modules *m, const char *const *names, int dirfd,
		  const char *file, struct err *err)
{
	CLEANUP_FD int fd = openat(dirfd, file,
				   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				   0644);
	struct order o = { .m = m, .out = archive_write_new() };
	int rc;

	if (fd < 0 || !o.out) {
		rc = err_sys(err, fd < 0 ? errno : ENOMEM, "%s", file);
		archive_write_free(o.out);
		return rc;
	}
	archive_write_add_filter_none(o.out);
	archive_write_set_format_cpio_newc(o.out);
	archive_write_set_bytes_in_last_block(o.out, 4);
	rc = archive_write_open_fd(o.out, fd) == ARCHIVE_OK
		? fill(&o, names, err)
		: err_set(err, ERR_FAILED, "%s: %s", file,
			  archive_error_string(o.out));
	if (archive_write_close(o.out) != ARCHIVE_OK && rc == 0)
		rc = err_sys(err, archive_errno(o.out) > 0
			     ? archive_errno(o.out) : EIO, "%s", file);
	archive_write_free(o.out);
	if (rc == 0 && fsync(fd) < 0)
		rc = err_sys(err, errno, "%s", file);
	return rc;
}
