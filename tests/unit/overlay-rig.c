/* SPDX-License-Identifier: MIT */
/* tests/unit/overlay-rig.c - see overlay-rig.h */
#include "tests/unit/overlay-rig.h"

#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

struct item {
	char *path;		/* from the root, "/a/b" */
	struct stat st;
};

struct tree {
	struct item *items;
	size_t n, skip;
};

static struct tree *filled;	/* by nftw(3), which passes nothing on */

bool overlay_possible(void)
{
	char dir[] = "/tmp/podflare-overlay-XXXXXX", options[160], at[64];
	bool ok;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    !mkdtemp(dir))
		return false;
	rig_host("cd %s && mkdir l u w m", dir);
	snprintf(options, sizeof(options), "lowerdir=%s/l,upperdir=%s/u,"
		 "workdir=%s/w,redirect_dir=on", dir, dir, dir);
	snprintf(at, sizeof(at), "%s/m", dir);
	ok = mount("overlay", at, "overlay", 0, options) == 0;
	if (ok)
		umount2(at, MNT_DETACH);
	rig_host("rm -rf %s", dir);
	return ok;
}

void overlay_mount(struct rig *r)
{
	char options[512];

	mkdir(rig_path(r, "root"), 0755);
	mkdir(rig_path(r, "work"), 0755);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s,"
		 "redirect_dir=on,metacopy=off,index=off,xino=auto", r->lower,
		 r->upper, rig_path(r, "work"));
	assert_int_equal(mount("overlay", rig_path(r, "root"), "overlay", 0,
			       options), 0);
}

void overlay_umount(struct rig *r)
{
	assert_int_equal(umount2(rig_path(r, "root"), MNT_DETACH), 0);
}

void overlay_clear(struct rig *r)
{
	rig_host("cd %s && rm -rf work && find upper lower -mindepth 1 -delete",
		 r->dir);
}

static int add(const char *path, const struct stat *st, int type,
	       struct FTW *ftw)
{
	struct tree *t = filled;

	if (path[t->skip] == '\0')
		return 0;
	t->items = realloc(t->items, (t->n + 1) * sizeof(*t->items));
	t->items[t->n].path = strdup(path + t->skip);
	t->items[t->n++].st = *st;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->path,
		      ((const struct item *)b)->path);
}

static void fill(struct tree *t, const char *root)
{
	*t = (struct tree){ .skip = strlen(root) };
	filled = t;
	assert_int_equal(nftw(root, add, 64, FTW_PHYS), 0);
	qsort(t->items, t->n, sizeof(*t->items), by_path);
}

static void clear(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->items[i].path);
	free(t->items);
}

static void read_item(const char *root, const struct item *it, struct buf *b)
{
	char path[4096];
	ssize_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, it->path);
	if (S_ISLNK(it->st.st_mode)) {
		n = readlink(path, buf_reserve(b, 4096), 4096);
		b->len = (size_t)n;
	} else if (S_ISREG(it->st.st_mode)) {
		f = fopen(path, "re");
		assert_non_null(f);
		do {
			b->len += (size_t)n;
			n = (ssize_t)fread(buf_reserve(b, 4096), 1, 4096, f);
		} while (n > 0);
		fclose(f);
	} else {
		buf_append(b, &it->st.st_rdev, sizeof(it->st.st_rdev));
	}
}

static uint32_t compare(struct rig *r, const struct item *now,
			const struct item *old)
{
	CLEANUP_BUF struct buf a = BUF_INIT, b = BUF_INIT;
	uint32_t change = 0;

	if (now->st.st_uid != old->st.st_uid || now->st.st_gid != old->st.st_gid ||
	    (now->st.st_mode ^ old->st.st_mode) & 07777)
		change |= AGENT_CHANGE_META;
	if ((now->st.st_mode ^ old->st.st_mode) & S_IFMT)
		return change | AGENT_CHANGE_TYPE;
	read_item(rig_path(r, "root"), now, &a);
	read_item(r->lower, old, &b);
	if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
		change |= AGENT_CHANGE_CONTENT;
	return change;
}

static void expect(struct rig *r, const struct tree *now,
		   const struct tree *old, struct buf *lines)
{
	size_t i = 0, k = 0;

	while (i < now->n || k < old->n) {
		int rc = i == now->n ? 1 : k == old->n ? -1 :
			by_path(&now->items[i], &old->items[k]);
		const char *path = rc > 0 ? old->items[k].path
					  : now->items[i].path;
		uint32_t change = rc < 0 ? AGENT_CHANGE_ADDED :
			rc > 0 ? AGENT_CHANGE_DELETED :
			compare(r, &now->items[i], &old->items[k]);

		if (change)
			buf_printf(lines, "%u %s\n", change, path);
		i += rc <= 0;
		k += rc >= 0;
	}
}

void overlay_expect(struct rig *r, bool all, struct buf *lines)
{
	struct tree now, old;

	fill(&now, rig_path(r, "root"));
	fill(&old, r->lower);
	if (all)
		buf_printf(lines, "0 /\n");
	for (size_t i = 0; all && i < now.n; i++)
		buf_printf(lines, "0 %s\n", now.items[i].path);
	if (!all)
		expect(r, &now, &old, lines);
	clear(&now);
	clear(&old);
}
