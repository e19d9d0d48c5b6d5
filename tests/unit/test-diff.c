/* SPDX-License-Identifier: MIT */
/* tests/unit/test-diff.c - two lists of changes, and what differs */
#include <sys/stat.h>

#include "cli/diff.h"
#include "common/agent.h"
#include "tests/unit/change-maker.h"
#include "tests/unit/unit.h"

#define REG (S_IFREG | 0644)
#define DIR (S_IFDIR | 0755)
#define LNK (S_IFLNK | 0777)
#define SECOND 1000000000LL

static struct change_list list_of(const struct change *v, size_t n)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct change_list l = { 0 };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < n; i++)
		change_put(&b, &v[i]);
	assert_int_equal(change_parse_all(&l, &b, n && !v[0].bits, 4096, &err),
			 0);
	return l;
}

/* "M/a:c D/b" of a diff, for comparison. */
static const char *shown(const struct diff *d)
{
	static char text[1024];
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < d->n; i++) {
		const struct diff_entry *e = &d->v[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used,
			"%s%c%s%s%s%s%s%s%s%s", i ? " " : "", diff_letter(e),
			e->path, e->what ? ":" : "",
			e->what & DIFF_CONTENT ? "c" : "",
			e->what & DIFF_MODE ? "m" : "",
			e->what & DIFF_OWNER ? "o" : "",
			e->what & DIFF_LINK ? "l" : "",
			e->what & DIFF_DEVICE ? "d" : "",
			e->unsure ? "?" : "");
	}
	return text;
}

static const char *diff_two(const struct change *a, size_t na,
			    const struct change *b, size_t nb, int64_t fork)
{
	struct side sa = { .changes = list_of(a, na), .all = na && !a->bits };
	struct side sb = { .changes = list_of(b, nb), .all = nb && !b->bits };
	struct kin kin = kin_of(&sa.changes, &sb.changes, fork);
	CLEANUP_DIFF struct diff d = { 0 };
	const char *text;

	assert_int_equal(diff_sides(&d, &sa, &sb, &kin, NULL), 0);
	text = shown(&d);
	change_list_free(&sa.changes);
	change_list_free(&sb.changes);
	return text;
}

static void against_the_image(void **state)
{
	const struct change v[] = {
		{ .path = "/added", .bits = AGENT_CHANGE_ADDED,
		  .now = { .mode = REG } },
		{ .path = "/bytes", .bits = AGENT_CHANGE_CONTENT,
		  .now = { .mode = REG, .size = 1 },
		  .was = { .mode = REG, .size = 1 } },
		{ .path = "/dev", .bits = AGENT_CHANGE_META,
		  .now = { .mode = S_IFCHR | 0666, .rdev = 5 },
		  .was = { .mode = S_IFCHR | 0600 } },
		{ .path = "/gone", .bits = AGENT_CHANGE_DELETED,
		  .was = { .mode = DIR } },
		{ .path = "/link", .bits = AGENT_CHANGE_CONTENT,
		  .now = { .mode = LNK, .link = "b" },
		  .was = { .mode = LNK, .link = "a" } },
		{ .path = "/meta", .bits = AGENT_CHANGE_META,
		  .now = { .mode = S_IFREG | 0600, .uid = 1, .size = 4 },
		  .was = { .mode = REG, .size = 4 } },
		{ .path = "/type", .bits = AGENT_CHANGE_TYPE,
		  .now = { .mode = DIR }, .was = { .mode = REG } },
	};
	struct side b = { .changes = list_of(v, ARRAY_SIZE(v)) };
	CLEANUP_DIFF struct diff d = { 0 };

	assert_int_equal(diff_image(&d, &b, NULL), 0);
	assert_string_equal(shown(&d), "A/added M/bytes:c M/dev:m D/gone "
			    "M/link:l M/meta:mo T/type:m");
	change_list_free(&b.changes);
}

/* A path in one list only is as in the image on the other side. */
static void one_sided_changes(void **state)
{
	const struct change v[] = {
		{ .path = "/added", .bits = AGENT_CHANGE_ADDED,
		  .now = { .mode = REG } },
		{ .path = "/gone", .bits = AGENT_CHANGE_DELETED,
		  .was = { .mode = REG } },
		{ .path = "/same-bytes", .bits = AGENT_CHANGE_META,
		  .now = { .mode = S_IFREG | 0600, .size = 4 },
		  .was = { .mode = REG, .size = 4 } },
	};

	assert_string_equal(diff_two(v, 3, NULL, 0, 0),
			    "D/added A/gone M/same-bytes:m");
	assert_string_equal(diff_two(NULL, 0, v, 3, 0),
			    "A/added D/gone M/same-bytes:m");
}

static struct change file(const char *path, uint64_t ino, int64_t ctime)
{
	return (struct change){ .path = (char *)path,
				.bits = AGENT_CHANGE_ADDED,
				.now = { .mode = REG, .size = 5 },
				.ctime = ctime,
				.mtime = ctime,
				.ino = ino };
}

static void what_a_fork_shares_is_not_hashed(void **state)
{
	const int64_t t = 1000 * SECOND;
	struct change a[] = { file("/inode", 1, t), file("/mapped", 6, t),
			      file("/new", 2, t), file("/old", 3, t),
			      file("/touched", 4, t),
			      file("/young", 5, t + 5 * SECOND) };
	struct change b[ARRAY_SIZE(a)];

	memcpy(b, a, sizeof(a));
	b[0].ino = 9;
	b[1].mapped = true;
	b[2].now.size = 6;
	b[4].ctime += 1;
	/* /young may have been written in the tick of the fork */
	assert_string_equal(diff_two(a, 6, b, 6, t + 6 * SECOND),
			    "M/inode? M/mapped? M/new:c M/touched? M/young?");
	/* no fork in common: inodes mean nothing */
	assert_string_equal(diff_two(a, 6, b, 6, 0),
			    "M/inode? M/mapped? M/new:c M/old? M/touched? M/young?");
	/* the host's clock says that the fork was earlier than that */
	assert_string_equal(diff_two(a, 6, b, 6, t + SECOND),
			    "M/inode? M/mapped? M/new:c M/old? M/touched? M/young?");
}

static void the_image_decides_without_hashing(void **state)
{
	struct change a = { .path = "/x", .bits = AGENT_CHANGE_META,
			    .now = { .mode = S_IFREG | 0600, .size = 3 },
			    .was = { .mode = REG, .size = 3 } };
	struct change b = { .path = "/x", .bits = AGENT_CHANGE_CONTENT,
			    .now = { .mode = S_IFREG | 0600, .size = 3 },
			    .was = { .mode = REG, .size = 3 } };

	assert_string_equal(diff_two(&a, 1, &b, 1, 0), "M/x:c");
	assert_string_equal(diff_two(&a, 1, &a, 1, 0), "");
	b.now.size = b.was.size = 0;
	assert_string_equal(diff_two(&b, 1, &b, 1, 0), "");
}

static void all_of_two_images(void **state)
{
	const struct change a[] = { { .path = "/", .now = { .mode = DIR } },
				    { .path = "/a", .now = { .mode = REG } },
				    { .path = "/b", .now = { .mode = REG,
							     .size = 3 } } };
	const struct change b[] = { { .path = "/", .now = { .mode = DIR } },
				    { .path = "/b", .now = { .mode = REG,
							     .size = 3 } },
				    { .path = "/c", .now = { .mode = DIR } } };

	assert_string_equal(diff_two(a, 3, b, 3, 0), "D/a M/b? A/c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_the_image),
		cmocka_unit_test(one_sided_changes),
		cmocka_unit_test(what_a_fork_shares_is_not_hashed),
		cmocka_unit_test(the_image_decides_without_hashing),
		cmocka_unit_test(all_of_two_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
