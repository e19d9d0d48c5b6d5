/* SPDX-License-Identifier: MIT */
/* tests/unit/overlay-rig.c - see overlay-rig.h */
#include "tests/unit/overlay-rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
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

	mkdir(r->root, 0755);
	mkdir(rig_path(r, "work"), 0755);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s,"
		 "redirect_dir=on,metacopy=off,index=off,xino=auto", r->lower,
		 r->upper, rig_path(r, "work"));
	assert_int_equal(mount("overlay", r->root, "overlay", 0,
			       options), 0);
}

void overlay_umount(struct rig *r)
{
	assert_int_equal(umount2(r->root, MNT_DETACH), 0);
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

static uint32_t compare(const char *now_root, const struct item *now,
			const char *old_root, const struct item *old)
{
	CLEANUP_BUF struct buf a = BUF_INIT, b = BUF_INIT;
	uint32_t change = 0;

	if (now->st.st_uid != old->st.st_uid || now->st.st_gid != old->st.st_gid ||
	    (now->st.st_mode ^ old->st.st_mode) & 07777)
		change |= AGENT_CHANGE_META;
	if ((now->st.st_mode ^ old->st.st_mode) & S_IFMT)
		return change | AGENT_CHANGE_TYPE;
	read_item(now_root, now, &a);
	read_item(old_root, old, &b);
	if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
		change |= AGENT_CHANGE_CONTENT;
	return change;
}

void tree_compare(const char *now_root, const char *old_root, tree_fn *fn,
		  void *arg)
{
	struct tree now, old;
	size_t i = 0, k = 0;

	fill(&now, now_root);
	fill(&old, old_root);
	while (i < now.n || k < old.n) {
		int rc = i == now.n ? 1 : k == old.n ? -1 :
			by_path(&now.items[i], &old.items[k]);
		const struct item *a = &now.items[i], *b = &old.items[k];
		uint32_t change = rc < 0 ? AGENT_CHANGE_ADDED :
			rc > 0 ? AGENT_CHANGE_DELETED :
			compare(now_root, a, old_root, b);

		if (change)
			fn(arg, rc > 0 ? b->path : a->path, change,
			   rc > 0 ? NULL : &a->st, rc < 0 ? NULL : &b->st);
		i += rc <= 0;
		k += rc >= 0;
	}
	clear(&now);
	clear(&old);
}

static void add_line(void *arg, const char *path, uint32_t change,
		     const struct stat *now, const struct stat *old)
{
	buf_printf(arg, "%u %s\n", change, path);
}

void overlay_expect(struct rig *r, bool all, struct buf *lines)
{
	struct tree now;

	if (!all) {
		tree_compare(r->root, r->lower, add_line, lines);
		return;
	}
	fill(&now, r->root);
	buf_printf(lines, "0 /\n");
	for (size_t i = 0; i < now.n; i++)
		buf_printf(lines, "0 %s\n", now.items[i].path);
	clear(&now);
}

static unsigned int pick(unsigned int *seed, unsigned int n)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % n;
}

void tree_pick_path(unsigned int *seed, char *path, size_t size)
{
	static const char *const names[] = { "a", "a-b", "a b", "a.c", "b", "b0",
					     "\xc3\xa4", "-" };
	size_t len = 0;

	for (unsigned int i = 0, n = 1 + pick(seed, 3); i < n; i++)
		len += (size_t)snprintf(path + len, size - len, "%s%s",
					i ? "/" : "",
					names[pick(seed, ARRAY_SIZE(names))]);
}

static void write_random(int dir, const char *path, int flags,
			 unsigned int *seed)
{
	int fd = openat(dir, path, O_WRONLY | O_CREAT | O_NONBLOCK |
			O_CLOEXEC | flags, 0644);
	char text[3];

	/* few contents and lengths, so that some are equal */
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('x' + pick(seed, 2));
	if (fd < 0)
		return;
	assert_true(write(fd, text, 1 + pick(seed, 3)) > 0);
	close(fd);
}

static void operate(int dir, unsigned int *seed)
{
	char path[64], other[64];

	tree_pick_path(seed, path, sizeof(path));
	tree_pick_path(seed, other, sizeof(other));
	switch (pick(seed, 16)) {
	case 0 ... 2:
		write_random(dir, path, O_TRUNC, seed);
		break;
	case 3:
		write_random(dir, path, 0, seed);
		break;
	case 4:
		unlinkat(dir, path, 0);
		break;
	case 5 ... 6:
		mkdirat(dir, path, 0755);
		break;
	case 7:
		rig_host("rm -rf -- './%s'", path);
		break;
	case 8 ... 10:
		renameat(dir, path, dir, other);
		break;
	case 11:
		fchmodat(dir, path, pick(seed, 2) ? 0755 : 0700, 0);
		break;
	case 12:
		symlinkat(pick(seed, 2) ? "x" : "y", dir, path);
		break;
	case 13:
		linkat(dir, path, dir, other, 0);
		break;
	case 14:
		utimensat(dir, path, NULL, 0);
		break;
	default:
		mknodat(dir, path, pick(seed, 2) ? S_IFIFO | 0600 :
			S_IFCHR | 0600, makedev(1, 3 + 2 * pick(seed, 2)));
	}
}

void tree_operate(const char *top, unsigned int *seed, int n)
{
	int dir;

	assert_int_equal(chdir(top), 0);
	dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < n; i++)
		operate(dir, seed);
	close(dir);
	assert_int_equal(chdir("/"), 0);
}
