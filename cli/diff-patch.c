/* SPDX-License-Identifier: MIT */
/*
 * cli/diff-patch.c - a diff as a patch
 *
 * Runs in the CLI.  The lines are a guest's: on a terminal, what would steer it
 * is shown as text; elsewhere they are written as they are, for programs.
 *
 * Theory of operation: what git and patch(1) know is written as git does; the
 * rest (folders, devices, owners) stands in lines that both skip.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli/diff-text.h"
#include "cli/text.h"

struct patch {
	unsigned int context;
	bool terminal;
};

/* "--- a/PATH"; as git, with a tab behind a name with spaces. */
static void put_name(const char *sign, const char *side, const char *path)
{
	fputs(sign, stdout);
	if (!side) {
		puts("/dev/null");
		return;
	}
	gpath_write(stdout, side, path, GPATH_QUOTED);
	puts(strchr(path, ' ') ? "\t" : "");
}

static void put_text(const struct patch *p, const char *data, size_t len)
{
	if (p->terminal)
		text_write(stdout, data, len, TEXT_MANY_LINES);
	else
		fwrite(data, 1, len, stdout);
}

/* Both sides are files or links of one type, or one is not there. */
static void put_header(const struct diff_entry *e, const struct node *a,
		       const struct node *b)
{
	fputs("diff --git ", stdout);
	gpath_write(stdout, "a", e->path, GPATH_QUOTED);
	putchar(' ');
	gpath_write(stdout, "b", e->path, GPATH_QUOTED);
	putchar('\n');
	if (!a)
		printf("new file mode %06o\n", b->mode);
	else if (!b)
		printf("deleted file mode %06o\n", a->mode);
	else if (e->what & DIFF_MODE)
		printf("old mode %06o\nnew mode %06o\n", a->mode, b->mode);
	if (a && b && e->what & DIFF_OWNER)
		printf("old owner %u:%u\n", a->uid, a->gid);
	if (b && (a ? e->what & DIFF_OWNER : b->uid || b->gid))
		printf("new owner %u:%u\n", b->uid, b->gid);
}

static int put_file(struct diff_texts *t, const struct diff_entry *e,
		    const struct diff_content *ca, const struct diff_content *cb,
		    struct err *err)
{
	const struct patch *p = t->user;
	const struct node *a = ca->there ? &e->a : NULL;
	const struct node *b = cb->there ? &e->b : NULL;
	struct textdiff_reply r;

	put_header(e, a, b);
	if (a && b && !(e->what & DIFF_CONTENT))
		return 0;
	if (diff_texts_compare(t, ca, cb, p->context, &r, err) < 0)
		return -1;
	if (r.result != TEXTDIFF_OK) {
		fputs("Binary files ", stdout);
		if (a)
			gpath_write(stdout, "a", e->path, GPATH_QUOTED);
		fputs(a ? " and " : "/dev/null and ", stdout);
		if (b)
			gpath_write(stdout, "b", e->path, GPATH_QUOTED);
		puts(b ? " differ" : "/dev/null differ");
	} else if (r.len) {
		put_name("--- ", a ? "a" : NULL, e->path);
		put_name("+++ ", b ? "b" : NULL, e->path);
		put_text(p, r.data, r.len);
	}
	free(r.data);
	return 0;
}

static void put_node(const struct node *n)
{
	if (S_ISBLK(n->mode) || S_ISCHR(n->mode))
		printf("numbers %u:%u, ", major(n->rdev), minor(n->rdev));
	printf("mode %04o, owner %u:%u", n->mode & 07777, n->uid, n->gid);
}

/* "# added dir /srv: mode 0755, owner 0:0" */
static void put_other(const struct diff_entry *e, const struct node *a,
		      const struct node *b)
{
	const struct node *n = a ? a : b;

	printf("# %s %s ", !a ? "added" : !b ? "removed" : "modified",
	       node_type_name(n->mode));
	gpath_write(stdout, "", e->path, GPATH_QUOTED);
	fputs(": ", stdout);
	put_node(n);
	if (a && b) {
		fputs(" -> ", stdout);
		put_node(b);
	}
	putchar('\n');
}

static int put_entry(struct diff_texts *t, const struct diff_entry *e,
		     const struct diff_content *a, const struct diff_content *b,
		     struct err *err)
{
	const struct diff_content none = { 0 };
	/* of a link that only changes, a patch does not tell that it is one */
	bool apart = e->what & (DIFF_TYPE | DIFF_LINK);

	if (diff_entry_implied(t->diff, e))
		return 0;
	if (!apart && (a->there || b->there))
		return put_file(t, e, a, b, err);
	if (!apart) {
		put_other(e, e->a.mode ? &e->a : NULL,
			  e->b.mode ? &e->b : NULL);
		return 0;
	}
	/* one goes, one comes */
	if (!a->there)
		put_other(e, &e->a, NULL);
	else if (put_file(t, e, a, &none, err) < 0)
		return -1;
	if (!b->there)
		put_other(e, NULL, &e->b);
	else if (put_file(t, e, &none, b, err) < 0)
		return -1;
	return 0;
}

/* See diff-text.h. */
int diff_print_patch(const struct diff *d, struct side *a, struct side *b,
		     struct textdiff *tool, unsigned int context,
		     struct err *err)
{
	struct patch p = { .context = context,
			   .terminal = isatty(STDOUT_FILENO) };
	struct diff_texts t = { .diff = d,
				.a = a,
				.b = b,
				.tool = tool,
				.entry = put_entry,
				.user = &p };

	return diff_texts_run(&t, err);
}
