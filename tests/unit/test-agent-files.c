/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-files.c - PUT, GET and STAT of real trees */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "tests/unit/agent-tar.h"
#include "tests/unit/unit.h"

/* What must be the same on both sides, of every file below a folder. Folders'
 * sizes are their file system's affair. */
#define LISTING "LC_ALL=C find . -type d -printf 'd %%P %%m %%U %%G %%T@\\n' -o " \
	"-printf '%%y %%P %%m %%U %%G %%T@ %%s %%n %%l\\n' | sort"

static void assert_same_tree(const char *a, const char *b)
{
	assert_int_equal(rig_host("(cd '%s' && " LISTING ") >/tmp/rig-a-%d; "
				  "(cd '%s' && " LISTING ") >/tmp/rig-b-%d; "
				  "diff /tmp/rig-a-%d /tmp/rig-b-%d >&2; rc=$?; "
				  "rm /tmp/rig-[ab]-%d; exit $rc",
				  a, getpid(), b, getpid(), getpid(), getpid(),
				  getpid()), 0);
	assert_int_equal(rig_host("diff -r --no-dereference '%s' '%s' "
				  "2>&1 | grep -vE 'is a (fifo|character)' >&2", a, b), 1);
}

/* Every kind of thing that a tree may hold. */
static void make_tree(const char *dir)
{
	assert_int_equal(rig_host(
		"set -e; mkdir -p '%s'; cd '%s'; mkdir -p a/b/c empty 'sp ace' ro; "
		"echo hello >a/file; : >a/nothing; ln -s file a/link; "
		"ln -s /no/where a/dangling; ln a/file a/b/hard; "
		"ln -s ../../a a/b/up; mkfifo a/fifo; "
		"printf x >\"$(printf 'a/new\\nline')\"; printf x >'a/sp ace'; "
		"printf x >\"$(printf 'a/\\303\\244\\377')\"; printf x >'a/-rf'; "
		"printf x >'a/q\"uo\\te'; printf x >\"a/'\"; "
		"head -c 100000 /dev/urandom >a/random; "
		"head -c 511 /dev/zero >a/z511; head -c 512 /dev/zero >a/z512; "
		"head -c 513 /dev/zero >a/z513; "
		"head -c 65537 /dev/urandom >a/b/c/r65537; "
		"truncate -s 3000000 a/sparse; "
		"printf mid | dd of=a/sparse bs=1 seek=1000000 conv=notrunc 2>/dev/null; "
		"printf end | dd of=a/sparse bs=1 seek=2999997 conv=notrunc 2>/dev/null; "
		"truncate -s 1000000 a/hole; "
		"chmod 0751 a; chmod 04755 a/random; chmod 02750 a/b; "
		"chmod 01777 empty; echo in >ro/in; chmod 0500 ro; "
		"p=deep; for i in 1 2 3 4 5 6 7 8 9; do p=$p/a-rather-long-folder-"
		"name-number-$i; done; mkdir -p $p; echo deep >$p/file; "
		"ln -s $p/file long-target; ln $p/file $p/hard-link-with-a-long-name; "
		"touch -d '2001-02-03 04:05:06.789012345' a/file; "
		"touch -d '1969-12-31 23:59:58.25 UTC' a/z511; "
		"touch -h -d '2002-01-01' a/dangling; "
		"touch -d '2003-01-01' a/b/c empty", dir, dir), 0);
	if (geteuid() == 0)
		assert_int_equal(rig_host("cd %s && chown 12:34 a/file && "
					  "chown -h 3000000:4000000 a/link && "
					  "chown 5:6 empty && chmod 0 a/nothing && "
					  "mknod a/null c 1 3 && "
					  "chmod 666 a/null", dir), 0);
}

static void trees_arrive_whole_in_every_format(void **state)
{
	static const char *const formats[] = {
		"--format=pax", "--format=gnu", "--format=gnu -S",
		"--format=pax -S", "--format=pax -S --sparse-version=0.0",
		"--format=pax -S --sparse-version=0.1",
	};
	struct rig *r = *state;
	struct reply reply;
	char src[128], dst[128], command[512];

	snprintf(src, sizeof(src), "%s/src", r->dir);
	snprintf(dst, sizeof(dst), "%s/some/new/dst", r->dir);
	make_tree(src);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		/* gnu has whole seconds only */
		if (strstr(formats[i], "gnu"))
			rig_host("find %s -exec touch -h -d 2004-05-06 {} +", src);
		snprintf(command, sizeof(command), "tar -C %s %s -cf - .", src,
			 formats[i]);
		put_output(r, dst, NULL, command, &reply);
		assert_int_equal(reply.type, AGENT_OK);
		assert_same_tree(src, dst);
		/* holes stay holes, also where they came as zeros */
		assert_int_equal(rig_host("test $(stat -c %%b %s/a/sparse) -lt 400",
					  dst), 0);
		reply_free(&reply);
		rig_host("chmod -R u+rwx %s; rm -rf %s", dst, dst);
		if (strstr(formats[i], "gnu")) {
			rig_host("chmod -R u+rwx %s; rm -rf %s", src, src);
			make_tree(src);
		}
	}
}

static void trees_come_back_whole(void **state)
{
	struct rig *r = *state;
	struct reply reply;
	char src[128], dst[128];

	snprintf(src, sizeof(src), "%s/tree", r->dir);
	snprintf(dst, sizeof(dst), "%s/back", r->dir);
	make_tree(src);
	get_path(r, src, NULL, false, &reply);
	assert_int_equal(reply.type, AGENT_END);
	assert_int_equal(untar(r, &reply, dst), 0);
	strcat(dst, "/tree");
	assert_same_tree(src, dst);
	/* the holes were not sent */
	assert_true(reply.data.len < 1500000);
	reply_free(&reply);
}

static void what_was_got_can_be_put(void **state)
{
	struct rig *r = *state;
	struct reply got, reply;
	char src[128], dst[128];

	snprintf(src, sizeof(src), "%s/tree2", r->dir);
	snprintf(dst, sizeof(dst), "%s/copy", r->dir);
	make_tree(src);
	get_path(r, src, ".", false, &got);
	put_bytes(r, dst, got.data.data, got.data.len, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	assert_same_tree(src, dst);
	reply_free(&got);
	reply_free(&reply);
}

static void files_beyond_8_gib_keep_their_size(void **state)
{
	struct rig *r = *state;
	struct reply got, reply;
	char src[128], dst[128];

	snprintf(src, sizeof(src), "%s/huge", r->dir);
	snprintf(dst, sizeof(dst), "%s/huge-copy", r->dir);
	assert_int_equal(rig_host("truncate -s 9G %s && printf end | dd of=%s "
				  "bs=1 seek=9663676413 conv=notrunc 2>/dev/null",
				  src, src), 0);
	get_path(r, src, NULL, false, &got);
	assert_int_equal(got.type, AGENT_END);
	put_bytes(r, dst, got.data.data, got.data.len, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	assert_int_equal(rig_host("test $(stat -c %%s %s/huge) = 9663676416 && "
				  "test $(tail -c 3 %s/huge) = end", dst, dst), 0);
	reply_free(&got);
	reply_free(&reply);
}

static void a_single_file_can_have_another_name(void **state)
{
	struct rig *r = *state;
	struct reply reply;

	rig_host("echo content >%s", rig_path(r, "one"));
	get_path(r, rig_path(r, "one"), "other", false, &reply);
	assert_int_equal(untar(r, &reply, rig_path(r, "named")), 0);
	assert_int_equal(rig_host("grep -q content %s", rig_path(r, "named/other")),
			 0);
	reply_free(&reply);
}

static void a_link_is_followed_only_when_asked(void **state)
{
	struct rig *r = *state;
	struct reply reply;

	rig_host("echo content >%s; ln -sf target %s", rig_path(r, "target"),
		 rig_path(r, "alias"));
	get_path(r, rig_path(r, "alias"), NULL, false, &reply);
	untar(r, &reply, rig_path(r, "nofollow"));
	assert_int_equal(rig_host("test -L %s", rig_path(r, "nofollow/alias")), 0);
	reply_free(&reply);
	get_path(r, rig_path(r, "alias"), NULL, true, &reply);
	untar(r, &reply, rig_path(r, "follow"));
	assert_int_equal(rig_host("test -f %s -a ! -L %s",
				  rig_path(r, "follow/alias"),
				  rig_path(r, "follow/alias")), 0);
	reply_free(&reply);
}

static void missing_paths_are_told(void **state)
{
	struct rig *r = *state;
	struct reply reply;

	get_path(r, "/no/such/path", NULL, false, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_NOT_FOUND);
	assert_int_equal(reply.data.len, 0);
	reply_free(&reply);
	get_path(r, "", NULL, false, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	reply_free(&reply);
	rig_host("echo >%s", rig_path(r, "plain"));
	put_output(r, rig_path(r, "plain/x"), NULL, "tar -cf - -T /dev/null",
		   &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_non_null(strstr(reply.message, "Not a directory"));
	reply_free(&reply);
}

static void kernel_file_systems_are_left_out(void **state)
{
	struct reply reply;

	if (rig_host("mountpoint -q /dev/pts") != 0)
		skip();
	get_path(*state, "/dev", NULL, false, &reply);
	assert_int_equal(reply.type, AGENT_END);
	untar(*state, &reply, NULL);
	assert_int_equal(rig_host("tar -tf %s | grep -q '^dev/pts/$'",
				  rig_path(*state, "got.tar")), 0);
	assert_int_equal(rig_host("tar -tf %s | grep -q '^dev/pts/.'",
				  rig_path(*state, "got.tar")), 1);
	reply_free(&reply);
}

static void another_user_gets_files_of_his_own(void **state)
{
	struct rig *r = *state;
	struct reply reply;

	if (geteuid() != 0)
		skip();
	rig_host("mkdir -p %s && chown 1234:1235 %s; mkdir -p %s; echo x >%s; "
		 "echo x >%s; chmod 600 %s", rig_path(r, "his"),
		 rig_path(r, "his"), rig_path(r, "s"), rig_path(r, "s/f"),
		 rig_path(r, "secret"), rig_path(r, "secret"));
	/* a relative path is below his home, which is the rig's folder */
	put_output(r, "his/new", "dev", "tar -C /etc -cf - passwd group", &reply);
	assert_int_equal(reply.type, AGENT_OK);
	assert_int_equal(rig_host("test $(stat -c %%u:%%g %s) = 1234:1235",
				  rig_path(r, "his/new/passwd")), 0);
	reply_free(&reply);
	put_output(r, "/etc", "dev", "tar -C /etc -cf - passwd", &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_PERMISSION);
	reply_free(&reply);
}

static void attributes_can_be_asked_for(void **state)
{
	struct rig *r = *state;
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct reply reply;
	uint64_t size = 0;
	uint32_t mode = 0;
	struct tlv t;
	size_t pos = 0;
	char link[64] = "";

	rig_host("printf 12345 >%s; chmod 640 %s; ln -sf st %s",
		 rig_path(r, "st"), rig_path(r, "st"), rig_path(r, "stl"));
	tlv_put_str(&b, AGENT_T_PATH, rig_path(r, "st"));
	rig_ask(r, AGENT_STAT, &b, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	while (tlv_next(reply.values.data, reply.values.len, &pos, &t) > 0) {
		if (t.tag == AGENT_T_SIZE)
			size = tlv_u64(&t);
		if (t.tag == AGENT_T_MODE)
			mode = tlv_u32(&t);
	}
	assert_int_equal(size, 5);
	assert_int_equal(mode, S_IFREG | 0640);
	reply_free(&reply);
	b.len = pos = 0;
	tlv_put_str(&b, AGENT_T_PATH, rig_path(r, "stl"));
	rig_ask(r, AGENT_STAT, &b, &reply);
	while (tlv_next(reply.values.data, reply.values.len, &pos, &t) > 0)
		if (t.tag == AGENT_T_LINK)
			tlv_str(&t, link, sizeof(link));
	assert_string_equal(link, "st");
	reply_free(&reply);
	b.len = 0;
	tlv_put_str(&b, AGENT_T_PATH, rig_path(r, "not-there"));
	rig_ask(r, AGENT_STAT, &b, &reply);
	assert_int_equal(reply.code, ERR_NOT_FOUND);
	reply_free(&reply);
}

static void commands_go_on_while_files_are_copied(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct rig *r = *state;
	struct reply reply;
	int fd = rig_open(r);

	/* a transfer that nobody reads */
	tlv_put_str(&b, AGENT_T_PATH, "/usr/lib");
	rig_send(fd, AGENT_GET, b.data, b.len);
	rig_sh(r, "echo still here", &reply);
	assert_string_equal(buf_str(&reply.out), "still here\n");
	reply_free(&reply);
	close(fd);
}

static void many_files_go_through(void **state)
{
	struct rig *r = *state;
	struct reply got, reply;
	char dst[128];

	snprintf(dst, sizeof(dst), "%s/many-copy", r->dir);
	assert_int_equal(rig_host("mkdir %s && cd %s && seq 1 3000 | xargs touch && "
				  "mkdir d && cd d && seq 1 3000 | xargs -n1 ln ../1",
				  rig_path(r, "many"), rig_path(r, "many")), 0);
	get_path(r, rig_path(r, "many"), ".", false, &got);
	put_bytes(r, dst, got.data.data, got.data.len, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	assert_same_tree(rig_path(r, "many"), dst);
	reply_free(&got);
	reply_free(&reply);
}

static void get_image(struct rig *r, const char *path, struct reply *reply)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	tlv_put_str(&b, AGENT_T_PATH, path);
	tlv_put_u32(&b, AGENT_T_IMAGE, 1);
	rig_ask(r, AGENT_GET, &b, reply);
}

static void a_file_can_be_had_as_the_image_has_it(void **state)
{
	struct rig *r = *state;
	struct reply reply;

	rig_host("cd %s && mkdir -p usr/lib && echo image >usr/lib/f && "
		 "ln -s usr/lib lib && ln -s /etc/passwd out && ln -s / root",
		 r->lower);
	rig_host("cd %s && mkdir -p usr/lib && echo now >usr/lib/f && "
		 "echo new >usr/lib/new", r->upper);
	get_image(r, "/usr/lib/f", &reply);
	assert_int_equal(reply.type, AGENT_END);
	assert_int_equal(untar(r, &reply, rig_path(r, "image-f")), 0);
	assert_int_equal(rig_host("grep -q image %s/f", rig_path(r, "image-f")), 0);
	reply_free(&reply);
	/* links on the way stay in it, one at the end is not followed */
	get_image(r, "/root/lib//f/", &reply);
	assert_int_equal(reply.type, AGENT_END);
	assert_int_equal(untar(r, &reply, rig_path(r, "image-g")), 0);
	assert_int_equal(rig_host("grep -q image %s/f", rig_path(r, "image-g")), 0);
	reply_free(&reply);
	get_image(r, "/out", &reply);
	assert_int_equal(untar(r, &reply, rig_path(r, "image-l")), 0);
	assert_int_equal(rig_host("test -h %s/out", rig_path(r, "image-l")), 0);
	reply_free(&reply);
	get_image(r, "/", &reply);
	assert_int_equal(reply.type, AGENT_END);
	reply_free(&reply);
	get_image(r, "/usr/lib/new", &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_NOT_FOUND);
	reply_free(&reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees_arrive_whole_in_every_format),
		cmocka_unit_test(trees_come_back_whole),
		cmocka_unit_test(what_was_got_can_be_put),
		cmocka_unit_test(files_beyond_8_gib_keep_their_size),
		cmocka_unit_test(a_single_file_can_have_another_name),
		cmocka_unit_test(a_link_is_followed_only_when_asked),
		cmocka_unit_test(missing_paths_are_told),
		cmocka_unit_test(kernel_file_systems_are_left_out),
		cmocka_unit_test(another_user_gets_files_of_his_own),
		cmocka_unit_test(attributes_can_be_asked_for),
		cmocka_unit_test(commands_go_on_while_files_are_copied),
		cmocka_unit_test(many_files_go_through),
		cmocka_unit_test(a_file_can_be_had_as_the_image_has_it),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
