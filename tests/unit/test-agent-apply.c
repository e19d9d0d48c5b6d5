/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-apply.c - changes of files, all or none */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "tests/unit/agent-record.h"
#include "tests/unit/agent-rig.h"
#include "tests/unit/overlay-rig.h"
#include "tests/unit/unit.h"

#define ROUNDS 40
#define OPERATIONS 40

static bool have_overlay;

/* ---- records of APPLY */

static void put_record(struct buf *to, const struct buf *values)
{
	uint32_t len = (uint32_t)values->len;

	buf_append(to, &len, sizeof(len));
	buf_append(to, values->data, values->len);
}

static void put_head(struct buf *values, const char *path, uint32_t change,
		     uint32_t mode)
{
	tlv_put_str(values, AGENT_T_PATH, path);
	tlv_put_u32(values, AGENT_T_CHANGE, change);
	if (mode) {
		tlv_put_u32(values, AGENT_T_MODE, mode);
		tlv_put_u32(values, AGENT_T_UID, geteuid());
		tlv_put_u32(values, AGENT_T_GID, getegid());
		tlv_put_u64(values, AGENT_T_MTIME, 1500000000123456789);
	}
}

static void put_content(struct buf *to, const void *data, size_t len)
{
	const uint64_t first[2] = { 0, len }, last[2] = { len, 0 };

	if (len)
		buf_append(to, first, sizeof(first));
	buf_append(to, data, len);
	buf_append(to, last, sizeof(last));
}

/* A new file, where nothing is. */
static void put_new(struct buf *to, const char *path, const char *text)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	put_head(&b, path, AGENT_CHANGE_ADDED, S_IFREG | 0644);
	put_record(to, &b);
	put_content(to, text, strlen(text));
}

/* A change of what is as in the image. */
static void put_image(struct buf *to, const char *path, uint32_t change,
		      uint32_t mode)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	put_head(&b, path, change, mode);
	tlv_put_u32(&b, AGENT_T_IMAGE, 1);
	put_record(to, &b);
}

static void apply(struct rig *r, const struct buf *records, struct reply *reply)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = rig_open(r);

	rig_send(fd, AGENT_APPLY, NULL, 0);
	rig_collect(fd, &in, reply);
	assert_int_equal(reply->type, AGENT_OK);
	reply_free(reply);
	for (size_t at = 0; at < records->len; at += 777)
		rig_send(fd, AGENT_DATA, records->data + at,
			 MIN((size_t)777, records->len - at));
	rig_send(fd, AGENT_END, NULL, 0);
	rig_collect(fd, &in, reply);
	frame_reader_free(&in);
	close(fd);
}

/* The reply's code, 0 for OK; its message, when it is not what was wanted. */
static void expect_code(struct rig *r, const struct buf *records, uint32_t code)
{
	struct reply reply;

	apply(r, records, &reply);
	if (reply.code != code)
		fail_msg("%u: %s", reply.code, reply.message);
	assert_int_equal(reply.type, code ? AGENT_ERROR : AGENT_OK);
	reply_free(&reply);
	assert_int_equal(rig_host("test -e %s/.podflare-apply", r->root), 1);
}

/* ---- a state with a bit of everything */

static void begin(struct rig *r)
{
	if (!have_overlay)
		skip();
	overlay_clear(r);
	rig_host("cd %s && mkdir -p d/sub keep && echo low >f && echo low >d/x && "
		 "ln -s f l && echo x >d/sub/y", r->lower);
	overlay_mount(r);
}

static void end(struct rig *r)
{
	overlay_umount(r);
}

static void every_kind_of_change_is_made(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT, v = BUF_INIT;
	struct rig *r = *state;

	begin(r);
	put_image(&b, "/d", AGENT_CHANGE_TYPE, S_IFREG | 0600);
	put_content(&b, "was a folder\n", 13);
	put_image(&b, "/d/sub", AGENT_CHANGE_DELETED, 0);
	put_image(&b, "/d/sub/y", AGENT_CHANGE_DELETED, 0);
	put_image(&b, "/d/x", AGENT_CHANGE_DELETED, 0);
	put_image(&b, "/f", AGENT_CHANGE_CONTENT, S_IFREG | 0755);
	put_content(&b, "new\n", 4);
	put_head(&v, "/g", AGENT_CHANGE_ADDED, S_IFREG | 0755);
	tlv_put_str(&v, AGENT_T_HARDLINK, "/f");
	put_record(&b, &v);
	put_image(&b, "/keep", AGENT_CHANGE_META, S_IFDIR | 0700);
	v.len = 0;
	put_head(&v, "/l", AGENT_CHANGE_CONTENT, S_IFLNK | 0777);
	tlv_put_str(&v, AGENT_T_LINK, "elsewhere");
	tlv_put_u32(&v, AGENT_T_IMAGE, 1);
	put_record(&b, &v);
	v.len = 0;
	put_head(&v, "/new", AGENT_CHANGE_ADDED, S_IFDIR | 01777);
	put_record(&b, &v);
	put_new(&b, "/new/file", "deep\n");
	v.len = 0;
	put_head(&v, "/pipe", AGENT_CHANGE_ADDED, S_IFIFO | 0622);
	put_record(&b, &v);
	expect_code(r, &b, 0);
	assert_int_equal(rig_host("cd %s && test \"$(cat d)\" = 'was a folder' && "
				  "test $(cat f) = new && test f -ef g && "
				  "test $(stat -c %%a f) = 755 && "
				  "test $(stat -c %%a keep) = 700 && "
				  "test $(readlink l) = elsewhere && "
				  "test $(stat -c %%a new) = 1777 && "
				  "test $(stat -c %%Y new) = 1500000000 && "
				  "test $(stat -c %%Y f) = 1500000000 && "
				  "test $(cat new/file) = deep && test -p pipe",
				  r->root), 0);
	end(r);
}

static void sparse_files_stay_sparse(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT, v = BUF_INIT;
	const uint64_t parts[] = { 1 << 20, 3 }, last[] = { 5 << 20, 0 };
	struct rig *r = *state;

	begin(r);
	put_head(&v, "/s", AGENT_CHANGE_ADDED, S_IFREG | 0644);
	put_record(&b, &v);
	buf_append(&b, parts, sizeof(parts));
	buf_append(&b, "abc", 3);
	buf_append(&b, last, sizeof(last));
	expect_code(r, &b, 0);
	assert_int_equal(rig_host("cd %s && test $(stat -c %%s s) = 5242880 && "
				  "test $(stat -c %%b s) -lt 100 && "
				  "test $(tail -c +1048577 s | head -c 3) = abc",
				  r->root), 0);
	end(r);
}

static void what_is_not_as_expected_is_left_alone(void **state)
{
	struct rig *r = *state;

	begin(r);
	rig_host("echo changed >%s/f; echo mine >%s/mine; touch %s/d/new; "
		 "cp -a %s %s", r->root, r->root, r->root, r->root,
		 rig_path(r, "before"));
	for (int i = 0; i < 6; i++) {
		CLEANUP_BUF struct buf b = BUF_INIT, v = BUF_INIT;

		/* a good one comes first, and has to be taken back */
		put_new(&b, "/A", "a\n");
		if (i == 0) {
			put_image(&b, "/f", AGENT_CHANGE_DELETED, 0);
		} else if (i == 1) {
			put_new(&b, "/mine", "x");
		} else if (i == 2) {
			put_image(&b, "/none", AGENT_CHANGE_DELETED, 0);
		} else if (i == 3) {
			put_head(&v, "/f", AGENT_CHANGE_DELETED, 0);
			tlv_put_u64(&v, AGENT_T_OLD_INO, 1);
			tlv_put_u64(&v, AGENT_T_OLD_CTIME, 1);
			put_record(&b, &v);
		} else if (i == 4) {
			/* one of its files was not told of */
			put_image(&b, "/d", AGENT_CHANGE_DELETED, 0);
			put_image(&b, "/d/sub", AGENT_CHANGE_DELETED, 0);
			put_image(&b, "/d/sub/y", AGENT_CHANGE_DELETED, 0);
			put_image(&b, "/d/x", AGENT_CHANGE_DELETED, 0);
		} else {
			put_new(&b, "/nowhere/f", "x");
		}
		expect_code(r, &b, ERR_BUSY);
		assert_int_equal(rig_host("diff -r --no-dereference %s %s", r->root,
					  rig_path(r, "before")), 0);
	}
	end(r);
}

static void a_broken_stream_changes_nothing(void **state)
{
	struct rig *r = *state;

	begin(r);
	for (int i = 0; i < 7; i++) {
		CLEANUP_BUF struct buf b = BUF_INIT, v = BUF_INIT;
		const uint64_t back[] = { 4, 1 };

		put_new(&b, "/b", "a\n");
		if (i == 0) {
			put_new(&b, "/a", "order\n");
		} else if (i == 1) {
			put_head(&v, "/c", AGENT_CHANGE_DELETED, 0);
			put_record(&b, &v);	/* what is there? */
		} else if (i == 2) {
			put_head(&v, "/c", 0, 0);
			put_record(&b, &v);
		} else if (i == 3) {
			put_head(&v, "/c", AGENT_CHANGE_ADDED, S_IFREG | 0644);
			tlv_put_str(&v, AGENT_T_HARDLINK, "/f");
			put_record(&b, &v);
		} else if (i == 4) {
			put_new(&b, "/c", "cut");
			b.len -= 20;
		} else if (i == 5) {
			put_head(&v, "/c", AGENT_CHANGE_ADDED, S_IFREG | 0644);
			put_record(&b, &v);
			buf_append(&b, back, sizeof(back));
			buf_append(&b, "x", 1);
			buf_append(&b, (uint64_t[2]){ 3, 1 }, 16);
		} else {
			put_head(&v, "relative", AGENT_CHANGE_ADDED,
				 S_IFREG | 0644);
			put_record(&b, &v);
		}
		expect_code(r, &b, i == 4 ? ERR_FAILED : ERR_PROTOCOL);
		assert_int_equal(rig_host("cd %s && test ! -e b && test ! -e c",
					  r->root), 0);
	}
	end(r);
}

static void links_on_the_way_are_not_followed(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct rig *r = *state;

	begin(r);
	rig_host("mkdir -p %s && ln -s %s %s/out", rig_path(r, "outside"),
		 rig_path(r, "outside"), r->root);
	put_new(&b, "/out/f", "x");
	expect_code(r, &b, ERR_BUSY);
	assert_int_equal(rig_host("test -e %s/f", rig_path(r, "outside")), 1);
	end(r);
}

static void a_folder_left_behind_is_in_nobodys_way(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT, got = BUF_INIT;
	struct rig *r = *state;
	struct reply reply;

	begin(r);
	rig_host("cd %s && mkdir -m 700 .podflare-apply && cd .podflare-apply && "
		 "echo x >0 && mkdir 1", r->root);
	/* nor is it a change */
	rig_ask(r, AGENT_CHANGES, NULL, &reply);
	assert_int_equal(reply.data.len, 0);
	reply_free(&reply);
	put_new(&b, "/n", "x");
	expect_code(r, &b, 0);
	end(r);
}

/* ---- random trees: from one to the other */

struct plan {
	struct buf records;
	struct rec *known;	/* what CHANGES tells of the root */
	size_t n;
	const char *target;
};

static void list_known(struct rig *r, struct plan *p)
{
	struct reply reply;
	size_t pos = 0;

	rig_ask(r, AGENT_CHANGES, NULL, &reply);
	assert_int_equal(reply.type, AGENT_END);
	for (;;) {
		p->known = realloc(p->known, (p->n + 1) * sizeof(*p->known));
		if (!rec_next(&reply.data, &pos, &p->known[p->n]))
			break;
		p->n++;
	}
	reply_free(&reply);
}

static void put_expected(const struct plan *p, struct buf *v, const char *path)
{
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->known[i].path, path) != 0)
			continue;
		tlv_put_u64(v, AGENT_T_OLD_INO, p->known[i].ino);
		tlv_put_u64(v, AGENT_T_OLD_CTIME, p->known[i].ctime);
		return;
	}
	tlv_put_u32(v, AGENT_T_IMAGE, 1);
}

static void plan_path(void *arg, const char *path, uint32_t change,
		      const struct stat *now, const struct stat *old)
{
	CLEANUP_BUF struct buf v = BUF_INIT;
	struct plan *p = arg;
	char full[512], text[512];
	ssize_t n;
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", p->target, path);
	if (change & AGENT_CHANGE_TYPE)
		change = AGENT_CHANGE_TYPE;
	else if (change & AGENT_CHANGE_CONTENT)
		change = AGENT_CHANGE_CONTENT;
	put_head(&v, path, change, now ? now->st_mode : 0);
	if (old)
		put_expected(p, &v, path);
	if (now && S_ISLNK(now->st_mode)) {
		n = readlink(full, text, sizeof(text));
		tlv_put(&v, AGENT_T_LINK, text, (size_t)n);
	}
	if (now && now->st_rdev)
		tlv_put_u64(&v, AGENT_T_RDEV, now->st_rdev);
	put_record(&p->records, &v);
	if (now && S_ISREG(now->st_mode) && change != AGENT_CHANGE_META) {
		f = fopen(full, "re");
		assert_non_null(f);
		put_content(&p->records, text, fread(text, 1, sizeof(text), f));
		fclose(f);
	}
}

static void note_difference(void *arg, const char *path, uint32_t change,
			    const struct stat *now, const struct stat *old)
{
	buf_printf(arg, "%u %s\n", change, path);
}

static void expect_same(const char *a, const char *b, int round)
{
	CLEANUP_BUF struct buf lines = BUF_INIT;

	tree_compare(a, b, note_difference, &lines);
	if (lines.len)
		fail_msg("round %d: %s", round, buf_str(&lines));
}

static void from_one_tree_to_another(struct rig *r, int round)
{
	unsigned int seed = (unsigned int)round * 104729 + 3;
	const char *target = rig_path(r, "target");
	struct plan p = { .target = target };

	overlay_clear(r);
	tree_operate(r->lower, &seed, OPERATIONS);
	overlay_mount(r);
	tree_operate(r->root, &seed, OPERATIONS / 2);
	rig_host("rm -rf %s %s; cp -a %s %s; cp -a %s %s", target,
		 rig_path(r, "was"), r->root, target, r->root,
		 rig_path(r, "was"));
	tree_operate(target, &seed, OPERATIONS / 2);
	list_known(r, &p);
	tree_compare(target, r->root, plan_path, &p);
	/* once so that it fails at the very end, and all is taken back */
	put_new(&p.records, "/\xff/nowhere", "x");
	expect_code(r, &p.records, ERR_BUSY);
	expect_same(r->root, rig_path(r, "was"), round);
	/* files that were put back have new inodes: look again */
	p.records.len = p.n = 0;
	list_known(r, &p);
	tree_compare(target, r->root, plan_path, &p);
	expect_code(r, &p.records, 0);
	expect_same(r->root, target, round);
	overlay_umount(r);
	buf_free(&p.records);
	free(p.known);
}

static void any_tree_becomes_any_other_or_stays(void **state)
{
	if (!have_overlay)
		skip();
	for (int round = 0; round < ROUNDS; round++)
		from_one_tree_to_another(*state, round);
}

/* They stood still for the last step; the stream that asked for it is local, and
 * what is left unread in it is no reset. */
static void commands_go_on_afterwards(void **state)
{
	struct rig *r = *state;
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct reply reply;

	begin(r);
	put_new(&b, "/new", "text");
	expect_code(r, &b, 0);
	expect_code(r, &b, ERR_BUSY);
	rig_sh(r, "echo on", &reply);
	assert_int_equal(reply.type, AGENT_EXIT);
	assert_int_equal(reply.status, 0);
	reply_free(&reply);
	end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_change_is_made),
		cmocka_unit_test(sparse_files_stay_sparse),
		cmocka_unit_test(what_is_not_as_expected_is_left_alone),
		cmocka_unit_test(a_broken_stream_changes_nothing),
		cmocka_unit_test(links_on_the_way_are_not_followed),
		cmocka_unit_test(a_folder_left_behind_is_in_nobodys_way),
		cmocka_unit_test(commands_go_on_afterwards),
		cmocka_unit_test(any_tree_becomes_any_other_or_stays),
	};

	have_overlay = overlay_possible();
	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
