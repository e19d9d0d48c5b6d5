/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-changes.c - what differs from the image */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/err.h"
#include "tests/unit/agent-record.h"
#include "tests/unit/agent-rig.h"
#include "tests/unit/overlay-rig.h"
#include "tests/unit/unit.h"

#define ROUNDS 40
#define OPERATIONS 60

static bool have_overlay;

static void ask(struct rig *r, const char *const *paths, bool all,
		struct reply *reply)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	for (; paths && *paths; paths++)
		tlv_put_str(&b, AGENT_T_PATH, *paths);
	if (all)
		tlv_put_u32(&b, AGENT_T_ALL, 1);
	rig_ask(r, AGENT_CHANGES, &b, reply);
}

/* "CHANGE PATH" lines of the whole answer. */
static void ask_lines(struct rig *r, const char *const *paths, bool all,
		      struct buf *lines)
{
	static struct rec rec;
	struct reply reply;
	size_t pos = 0;

	ask(r, paths, all, &reply);
	if (reply.type != AGENT_END)
		fail_msg("%u: %s", reply.type, reply.message);
	while (rec_next(&reply.data, &pos, &rec))
		buf_printf(lines, "%u %s\n", rec.change, rec.path);
	reply_free(&reply);
}

static void expect_lines(struct rig *r, const char *const *paths, bool all,
			 const char *want)
{
	CLEANUP_BUF struct buf lines = BUF_INIT;

	ask_lines(r, paths, all, &lines);
	if (!lines.len)
		buf_append(&lines, "", 0);
	assert_string_equal(lines.len ? buf_str(&lines) : "", want);
}

static void ask_one(struct rig *r, const char *path, struct rec *rec)
{
	const char *const paths[] = { path, NULL };
	struct reply reply;
	size_t pos = 0;

	ask(r, paths, false, &reply);
	assert_int_equal(reply.type, AGENT_END);
	assert_true(rec_next(&reply.data, &pos, rec));
	reply_free(&reply);
}

static bool whiteout(struct rig *r, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", r->upper, name);
	return mknod(path, S_IFCHR, makedev(0, 0)) == 0;
}

static void the_upper_half_alone_is_told(void **state)
{
	struct rig *r = *state;

	overlay_clear(r);
	rig_host("cd %s && mkdir -p etc usr/lib && echo 1 >etc/a && echo 2 >etc/b "
		 "&& echo 3 >usr/lib/x && ln -s a etc/l && echo 5 >etc/same",
		 r->lower);
	rig_host("cd %s && mkdir -p etc new usr/lib && echo 9 >etc/a && "
		 "echo new >new/f && ln -s b etc/l && echo 5 >etc/same && "
		 "touch etc/a-b 'etc/a b' && mkdir etc/b", r->upper);
	expect_lines(r, NULL, false,
		     "4 /etc/a\n1 /etc/a b\n1 /etc/a-b\n24 /etc/b\n4 /etc/l\n"
		     "1 /new\n1 /new/f\n");
}

static void what_was_deleted_is_told_path_by_path(void **state)
{
	struct rig *r = *state;

	overlay_clear(r);
	rig_host("cd %s && mkdir -p a/b a-b && touch a/b/c a/z a-b/k keep", r->lower);
	if (!whiteout(r, "a") || !whiteout(r, "none"))
		skip();
	expect_lines(r, NULL, false, "2 /a\n2 /a/b\n2 /a/b/c\n2 /a/z\n");
}

static void paths_are_sorted_as_bytes(void **state)
{
	struct rig *r = *state;

	overlay_clear(r);
	rig_host("cd %s && mkdir -p a 'a b' a-b a-b-c a.d a0 \xc3\xa4 && "
		 "touch a/x 'a b/x' a-b/x a-b-c/x a.d/x a0/x a/- \xc3\xa4/x",
		 r->upper);
	expect_lines(r, NULL, false,
		     "1 /a\n1 /a b\n1 /a b/x\n1 /a-b\n1 /a-b-c\n1 /a-b-c/x\n"
		     "1 /a-b/x\n1 /a.d\n1 /a.d/x\n1 /a/-\n1 /a/x\n1 /a0\n"
		     "1 /a0/x\n1 /\xc3\xa4\n1 /\xc3\xa4/x\n");
}

static void a_record_has_all_that_is_known(void **state)
{
	static struct rec rec;
	struct rig *r = *state;
	char path[512];
	struct stat st;

	overlay_clear(r);
	rig_host("cd %s && echo old >f && ln -s there l && mkdir d", r->lower);
	rig_host("cd %s && echo newer >f && chmod 640 f && ln f f2 && "
		 "touch -d @1000000000.123456789 f && ln -s here l && mkfifo p",
		 r->upper);
	snprintf(path, sizeof(path), "%s/f", r->upper);
	assert_int_equal(stat(path, &st), 0);
	ask_one(r, "/f", &rec);
	assert_string_equal(rec.path, "/f");
	assert_int_equal(rec.change, AGENT_CHANGE_CONTENT | AGENT_CHANGE_META);
	assert_int_equal(rec.mode, S_IFREG | 0640);
	assert_int_equal(rec.uid, geteuid());
	assert_int_equal(rec.nlink, 2);
	assert_int_equal(rec.size, 6);
	assert_int_equal(rec.mtime, 1000000000123456789);
	assert_int_equal(rec.ino, st.st_ino);
	assert_int_equal(rec.ctime, (uint64_t)st.st_ctim.tv_sec * 1000000000 +
			 (uint64_t)st.st_ctim.tv_nsec);
	assert_int_equal(rec.old_mode, S_IFREG | 0644);
	assert_int_equal(rec.old_size, 4);
	ask_one(r, "/l", &rec);
	assert_string_equal(rec.link, "here");
	assert_string_equal(rec.old_link, "there");
	/* a pipe is told of, and not opened */
	ask_one(r, "/p", &rec);
	assert_int_equal(rec.mode & S_IFMT, S_IFIFO);
	assert_int_equal(rec.change, AGENT_CHANGE_ADDED);
}

static void only_the_paths_that_were_asked_for(void **state)
{
	static const char *const some[] = { "/a/b", "/c", "/a-b/", "//a//b/x",
					    "/none/at/all", NULL };
	static const char *const root[] = { "/c", "/", NULL };
	static const char *const bad[] = { "relative", NULL };
	static const char *const up[] = { "/a/../c", NULL };
	struct rig *r = *state;
	struct reply reply;

	overlay_clear(r);
	rig_host("cd %s && mkdir -p a/b/x a-b a/bb c/d && touch a/b/x/y a/b-x "
		 "a-b/k a/q c/d/e z", r->upper);
	expect_lines(r, some, false,
		     "1 /a-b\n1 /a-b/k\n1 /a/b\n1 /a/b/x\n1 /a/b/x/y\n1 /c\n"
		     "1 /c/d\n1 /c/d/e\n");
	expect_lines(r, root, false,
		     "1 /a\n1 /a-b\n1 /a-b/k\n1 /a/b\n1 /a/b-x\n1 /a/b/x\n"
		     "1 /a/b/x/y\n1 /a/bb\n1 /a/q\n1 /c\n1 /c/d\n1 /c/d/e\n1 /z\n");
	ask(r, bad, false, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_USAGE);
	reply_free(&reply);
	ask(r, up, false, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	reply_free(&reply);
}

static void what_is_not_on_the_disk_is_left_out(void **state)
{
	struct rig *r = *state;

	overlay_clear(r);
	rig_host("cd %s && mkdir -p proc/1 sys dev run/x mnt/tmp 'mnt/a b' srv/dev "
		 "&& touch proc/1/s dev/null run/x/y mnt/tmp/f 'mnt/a b/f' srv/dev/f",
		 r->upper);
	rig_host("printf '%%s\\n' '20 1 8:1 / / rw - ext4 x rw' "
		 "'21 20 0:20 / /mnt/tmp rw - tmpfs t rw' "
		 "'22 20 0:21 / /mnt/a\\040b rw - tmpfs t rw' >%s", r->mountinfo);
	expect_lines(r, NULL, false, "1 /mnt\n"
		     "1 /mnt/a b\n1 /mnt/tmp\n1 /srv\n1 /srv/dev\n1 /srv/dev/f\n");
	rig_host(": >%s", r->mountinfo);
}

static void all_of_the_root_may_be_asked_for(void **state)
{
	static const char *const some[] = { "/usr", NULL };
	struct rig *r = *state;

	overlay_clear(r);
	rig_host("cd %s && mkdir -p usr/lib dev && touch usr/lib/a usr/b dev/x",
		 r->lower);
	rig_host("cd %s && mkdir -p usr/lib && touch usr/lib/c usr/b", r->upper);
	expect_lines(r, NULL, true, "0 /\n0 /usr\n0 /usr/b\n0 /usr/lib\n"
		     "0 /usr/lib/a\n0 /usr/lib/c\n");
	expect_lines(r, some, true, "0 /usr\n0 /usr/b\n0 /usr/lib\n"
		     "0 /usr/lib/a\n0 /usr/lib/c\n");
}

static void a_large_folder_comes_whole_and_sorted(void **state)
{
	static struct rec rec;
	struct rig *r = *state;
	char last[sizeof(rec.path)] = "";
	struct reply reply;
	size_t pos = 0, n = 0;
	int dir;

	overlay_clear(r);
	dir = open(r->upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned int i = 0; i < 20000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "f-%u", i * 2654435761U);
		assert_int_equal(mknodat(dir, name, S_IFREG | 0644, 0), 0);
	}
	close(dir);
	ask(r, NULL, false, &reply);
	assert_int_equal(reply.type, AGENT_END);
	for (; rec_next(&reply.data, &pos, &rec); n++) {
		assert_true(strcmp(last, rec.path) < 0);
		strcpy(last, rec.path);
	}
	assert_int_equal(n, 20000);
	reply_free(&reply);
}

/* As many names in the image: they are listed, not looked up. */
static void a_large_folder_is_compared_with_the_images(void **state)
{
	CLEANUP_BUF struct buf want = { .max = 4 * MIB };
	struct rig *r = *state;

	overlay_clear(r);
	rig_host("cd %s && mkdir d && cd d && seq -f %%05.0f 0 3 6000 | xargs touch",
		 r->lower);
	rig_host("cd %s && mkdir d && cd d && seq -f %%05.0f 0 2 6000 | xargs touch "
		 "&& echo x >00006", r->upper);
	for (int i = 0; i <= 6000; i += 2)
		if (i % 3)
			buf_printf(&want, "1 /d/%05d\n", i);
		else if (i == 6)
			buf_printf(&want, "4 /d/00006\n");
	expect_lines(r, NULL, false, buf_str(&want));
}

/* @depth folders in one another. */
static void make_deep(const char *top, int depth, const char *name)
{
	int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < depth; i++) {
		int next;

		assert_int_equal(mkdirat(fd, name, 0755), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		assert_true(next >= 0);
		fd = next;
	}
	close(fd);
}

static void deep_folders_are_walked_as_far_as_paths_go(void **state)
{
	static struct rec rec;
	struct rig *r = *state;
	struct reply reply;
	size_t pos = 0, n = 0;
	char name[256];

	overlay_clear(r);
	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	make_deep(r->upper, 15, name);
	make_deep(r->upper, 2047, "d");
	ask(r, NULL, false, &reply);
	assert_int_equal(reply.type, AGENT_END);
	while (rec_next(&reply.data, &pos, &rec))
		n++;
	assert_int_equal(n, 15 + 2047);
	assert_int_equal(rec.path_len, 15 * 256);
	reply_free(&reply);
	overlay_clear(r);
	make_deep(r->upper, 4200, "d");
	ask(r, NULL, false, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_LIMIT);
	reply_free(&reply);
	overlay_clear(r);
}

static void a_request_is_checked_in_form(void **state)
{
	struct reply reply;

	rig_ask(*state, AGENT_CHANGES, &(struct buf){ (uint8_t *)"\1\0\0\0\xff",
						      5, 5, 5 }, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_PROTOCOL);
	reply_free(&reply);
}

/* Of the lines of everything, those of a path and what is below. */
static void keep_below(struct buf *lines, const char *path)
{
	struct buf kept = BUF_INIT;
	size_t len = strlen(path);
	char *rest, *line;

	buf_append(lines, "", 1);
	for (line = strtok_r((char *)lines->data, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		const char *p = strchr(line, ' ') + 1;

		if (strncmp(p, path, len) == 0 && (!p[len] || p[len] == '/'))
			buf_printf(&kept, "%s\n", line);
	}
	buf_free(lines);
	*lines = kept;
}

static void check_round(struct rig *r, int round, unsigned int *seed)
{
	CLEANUP_BUF struct buf want = BUF_INIT, got = BUF_INIT, all = BUF_INIT;
	CLEANUP_BUF struct buf got_all = BUF_INIT, got_some = BUF_INIT;
	char path[64] = "/";
	const char *const paths[] = { path, NULL };

	overlay_expect(r, false, &want);
	overlay_expect(r, true, &all);
	tree_pick_path(seed, path + 1, sizeof(path) - 1);
	ask_lines(r, NULL, false, &got);
	ask_lines(r, NULL, true, &got_all);
	ask_lines(r, paths, false, &got_some);
	if (!want.len)
		return;
	if (strcmp(buf_str(&want), got.len ? buf_str(&got) : "") != 0)
		fail_msg("round %d: want\n%sgot\n%s", round, buf_str(&want),
			 buf_str(&got));
	assert_string_equal(buf_str(&all), buf_str(&got_all));
	keep_below(&want, path);
	assert_string_equal(want.len ? buf_str(&want) : "",
			    got_some.len ? buf_str(&got_some) : "");
}

static void whatever_was_done_the_answer_is_as_the_slow_way_finds(void **state)
{
	struct rig *r = *state;

	if (!have_overlay)
		skip();
	for (int round = 0; round < ROUNDS; round++) {
		unsigned int seed = (unsigned int)round * 7919 + 1;

		overlay_clear(r);
		tree_operate(r->lower, &seed, OPERATIONS);
		overlay_mount(r);
		for (int i = 0; i < 3; i++) {
			tree_operate(r->root, &seed, OPERATIONS / 3);
			check_round(r, round, &seed);
		}
		overlay_umount(r);
	}
}

static void expect_sorted(const struct buf *data)
{
	static struct rec rec;
	char last[sizeof(rec.path)] = "";
	size_t pos = 0;

	while (rec_next(data, &pos, &rec)) {
		assert_true(strcmp(last, rec.path) < 0);
		strcpy(last, rec.path);
		assert_int_equal(S_ISLNK(rec.mode), rec.link[0] != '\0');
		assert_int_equal(rec.mode == 0,
				 (rec.change & AGENT_CHANGE_DELETED) != 0);
	}
}

static void a_tree_may_change_while_it_is_walked(void **state)
{
	struct rig *r = *state;
	unsigned int seed = 1;
	struct reply reply;
	pid_t pid;

	if (!have_overlay)
		skip();
	overlay_clear(r);
	tree_operate(r->lower, &seed, OPERATIONS);
	overlay_mount(r);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		for (;;)
			tree_operate(r->root, &seed, OPERATIONS);
	for (int i = 0; i < 100; i++) {
		ask(r, NULL, false, &reply);
		assert_int_equal(reply.type, AGENT_END);
		expect_sorted(&reply.data);
		reply_free(&reply);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	overlay_umount(r);
}

/* Such a file can change without a new time. */
static void files_that_are_mapped_to_be_written_are_told(void **state)
{
	struct rig *r = *state;
	static struct rec rec;
	char path[512];
	void *at;
	int fd;

	overlay_clear(r);
	rig_host("cd %s && echo text >mapped && echo text >other", r->upper);
	snprintf(path, sizeof(path), "%s/mapped", r->upper);
	fd = open(path, O_RDWR | O_CLOEXEC);
	at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(at != MAP_FAILED);
	close(fd);
	ask_one(r, "/mapped", &rec);
	assert_int_equal(rec.mapped, 1);
	ask_one(r, "/other", &rec);
	assert_int_equal(rec.mapped, 0);
	munmap(at, 4096);
	ask_one(r, "/mapped", &rec);
	assert_int_equal(rec.mapped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_upper_half_alone_is_told),
		cmocka_unit_test(what_was_deleted_is_told_path_by_path),
		cmocka_unit_test(paths_are_sorted_as_bytes),
		cmocka_unit_test(a_record_has_all_that_is_known),
		cmocka_unit_test(only_the_paths_that_were_asked_for),
		cmocka_unit_test(what_is_not_on_the_disk_is_left_out),
		cmocka_unit_test(all_of_the_root_may_be_asked_for),
		cmocka_unit_test(a_large_folder_comes_whole_and_sorted),
		cmocka_unit_test(a_large_folder_is_compared_with_the_images),
		cmocka_unit_test(deep_folders_are_walked_as_far_as_paths_go),
		cmocka_unit_test(a_request_is_checked_in_form),
		cmocka_unit_test(files_that_are_mapped_to_be_written_are_told),
		cmocka_unit_test(whatever_was_done_the_answer_is_as_the_slow_way_finds),
		cmocka_unit_test(a_tree_may_change_while_it_is_walked),
	};

	have_overlay = overlay_possible();
	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
