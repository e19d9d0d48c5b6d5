/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-tar.c - archives that are hostile, damaged or odd */
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "tests/unit/agent-tar.h"
#include "tests/unit/unit.h"

static void put(struct rig *r, const struct buf *tar, struct reply *reply)
{
	put_bytes(r, rig_path(r, "into"), tar->data, tar->len, reply);
}

/* It has to be refused, and these words have to be in the message. */
static void assert_refused(struct rig *r, struct buf *tar, const char *words)
{
	struct reply reply;

	put(r, tar, &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	if (!strstr(reply.message, words))
		fail_msg("\"%s\" is not in \"%s\"", words, reply.message);
	reply_free(&reply);
	buf_free(tar);
}

static void assert_taken(struct rig *r, struct buf *tar)
{
	struct reply reply;

	put(r, tar, &reply);
	if (reply.type != AGENT_OK)
		fail_msg("refused: %s", reply.message);
	reply_free(&reply);
	buf_free(tar);
}

static int clean(void **state)
{
	struct rig *r = *state;

	return rig_host("rm -rf %s %s && mkdir %s", rig_path(r, "into"),
			rig_path(r, "outside"), rig_path(r, "outside"));
}

static void names_that_lead_out_are_refused(void **state)
{
	static const char *const names[] = { "../out", "a/../../out", "..",
					     "a/.." };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct buf tar = BUF_INIT;

		tar_add(&tar, names[i], '0', NULL, "x", 1);
		tar_end(&tar);
		assert_refused(*state, &tar, "..");
	}
	assert_int_equal(access(rig_path(*state, "out"), F_OK), -1);
}

static void absolute_names_stay_below_the_folder(void **state)
{
	struct buf tar = BUF_INIT;

	tar_add(&tar, "//etc/./podflare-x", '0', NULL, "x", 1);
	tar_end(&tar);
	assert_taken(*state, &tar);
	assert_int_equal(access(rig_path(*state, "into/etc/podflare-x"), F_OK), 0);
	assert_int_equal(access("/etc/podflare-x", F_OK), -1);
}

static void nothing_is_written_through_a_link_of_the_archive(void **state)
{
	struct rig *r = *state;
	struct buf tar = BUF_INIT;

	tar_add(&tar, "door", '2', rig_path(r, "outside"), "", 0);
	tar_add(&tar, "door/file", '0', NULL, "x", 1);
	tar_end(&tar);
	assert_refused(r, &tar, "symbolic link");
	assert_int_equal(access(rig_path(r, "outside/file"), F_OK), -1);
}

static void nothing_is_written_through_a_link_that_was_there(void **state)
{
	struct rig *r = *state;
	struct buf tar = BUF_INIT;

	rig_host("mkdir -p %s; ln -s %s %s; echo old >%s; ln -s %s %s",
		 rig_path(r, "into"), rig_path(r, "outside"),
		 rig_path(r, "into/door"), rig_path(r, "outside/victim"),
		 rig_path(r, "outside/victim"), rig_path(r, "into/file"));
	tar_add(&tar, "file", '0', NULL, "new", 3);
	tar_end(&tar);
	assert_taken(r, &tar);
	assert_int_equal(rig_host("grep -q old %s && test ! -L %s && grep -q new %s",
				  rig_path(r, "outside/victim"),
				  rig_path(r, "into/file"),
				  rig_path(r, "into/file")), 0);
	tar = (struct buf)BUF_INIT;
	tar_add(&tar, "door/file", '0', NULL, "x", 1);
	tar_end(&tar);
	assert_refused(r, &tar, "symbolic link");
	tar = (struct buf)BUF_INIT;
	tar_add(&tar, "door/", '5', NULL, "", 0);
	tar_end(&tar);
	assert_refused(r, &tar, "door");
}

static void hard_links_stay_below_the_folder(void **state)
{
	struct rig *r = *state;
	struct buf tar = BUF_INIT;

	rig_host("echo secret >%s; mkdir -p %s; ln -s %s %s",
		 rig_path(r, "outside/secret"), rig_path(r, "into"),
		 rig_path(r, "outside"), rig_path(r, "into/door"));
	tar_add(&tar, "stolen", '1', "../outside/secret", "", 0);
	tar_end(&tar);
	assert_refused(r, &tar, "..");
	tar = (struct buf)BUF_INIT;
	tar_add(&tar, "stolen", '1', "door/secret", "", 0);
	tar_end(&tar);
	assert_refused(r, &tar, "symbolic link");
	tar = (struct buf)BUF_INIT;
	tar_add(&tar, "stolen", '1', rig_path(r, "outside/secret"), "", 0);
	tar_end(&tar);
	assert_refused(r, &tar, "No such file");
	tar = (struct buf)BUF_INIT;
	tar_add(&tar, "self", '0', NULL, "x", 1);
	tar_add(&tar, "self", '1', "./self", "", 0);
	tar_end(&tar);
	assert_refused(r, &tar, "itself");
	assert_int_equal(access(rig_path(r, "into/stolen"), F_OK), -1);
}

static void a_folder_is_not_replaced_by_a_file(void **state)
{
	struct rig *r = *state;
	struct buf tar = BUF_INIT;

	rig_host("mkdir -p %s; echo >%s", rig_path(r, "into/a"),
		 rig_path(r, "into/b"));
	tar_add(&tar, "a", '0', NULL, "x", 1);
	tar_end(&tar);
	assert_refused(r, &tar, "a folder is not replaced");
	tar = (struct buf)BUF_INIT;
	tar_add(&tar, "b", '5', NULL, "", 0);
	tar_end(&tar);
	assert_refused(r, &tar, "exists");
	tar = (struct buf)BUF_INIT;
	tar_add(&tar, "b/c", '0', NULL, "x", 1);
	tar_end(&tar);
	assert_refused(r, &tar, "no folder");
}

static void the_folder_itself_keeps_its_attributes(void **state)
{
	struct rig *r = *state;
	struct buf tar = BUF_INIT;

	rig_host("mkdir -p %s; chmod 1777 %s", rig_path(r, "into"),
		 rig_path(r, "into"));
	tar_add(&tar, "./", '5', NULL, "", 0);
	tar_end(&tar);
	assert_taken(r, &tar);
	assert_int_equal(rig_host("test $(stat -c %%a %s) = 1777",
				  rig_path(r, "into")), 0);
}

static void damaged_archives_are_refused(void **state)
{
	struct rig *r = *state;
	struct buf tar = BUF_INIT;

	/* a checksum that is wrong */
	tar_add(&tar, "a", '0', NULL, "x", 1);
	tar.data[0] = 'b';
	assert_refused(r, &tar, "checksum");
	/* no archive at all */
	tar = (struct buf)BUF_INIT;
	for (int i = 0; i < 100; i++)
		buf_append(&tar, "no tar! ", 8);
	assert_refused(r, &tar, "not a valid tar archive");
	/* cut in a header, in the data, and in the padding */
	for (size_t cut = 100; cut < 1700; cut += 500) {
		tar = (struct buf)BUF_INIT;
		tar_add(&tar, "whole", '0', NULL, "12345", 5);
		tar_add(&tar, "a", '0', NULL, "12345", 5);
		tar.len = cut;
		assert_refused(r, &tar, "cut short");
	}
	assert_int_equal(access(rig_path(r, "into/a"), F_OK), -1);
	/* more data announced than come */
	tar = (struct buf)BUF_INIT;
	tar_add_sized(&tar, "b", '0', NULL, 077777777777, "x", 1);
	assert_refused(r, &tar, "cut short");
	assert_int_equal(access(rig_path(r, "into/b"), F_OK), -1);
	/* a member that nobody knows */
	tar = (struct buf)BUF_INIT;
	tar_add(&tar, "c", 'Q', NULL, "x", 1);
	assert_refused(r, &tar, "unknown type");
}

static void archives_without_an_end_mark_are_taken(void **state)
{
	struct buf tar = BUF_INIT;

	tar_add(&tar, "a", '0', NULL, "x", 1);
	assert_taken(*state, &tar);
	assert_int_equal(access(rig_path(*state, "into/a"), F_OK), 0);
	tar = (struct buf)BUF_INIT;
	assert_taken(*state, &tar);
}

static void what_follows_the_end_mark_is_ignored(void **state)
{
	struct buf tar = BUF_INIT;

	tar_add(&tar, "a", '0', NULL, "x", 1);
	tar_end(&tar);
	for (int i = 0; i < 20000; i++)
		buf_append(&tar, "more and more", 13);
	assert_taken(*state, &tar);
}

static int pax_record(char *to, size_t size, const char *key, const char *value)
{
	size_t len = strlen(key) + strlen(value) + 5;	/* two digits */

	return snprintf(to, size, "%zu %s=%s\n", len, key, value);
}

static void refuse_records(struct rig *r, const char *records)
{
	struct buf tar = BUF_INIT;

	tar_add(&tar, "pax", 'x', NULL, records, strlen(records));
	tar_add(&tar, "a", '0', NULL, "x", 1);
	tar_end(&tar);
	assert_refused(r, &tar, "not a valid tar archive");
}

static void bad_extended_headers_are_refused(void **state)
{
	static const char *const records[] = {
		"x", "12", "5 a=b", "99 path=long\n", "0 path=x\n", "-1 path=x\n",
		"7 path\n", "99999999999999999999999 path=x\n", "8 path=x\n",
		"11 path=x\n",
	};
	static const char *const values[][2] = {
		{ "mtime", "1.2.3" }, { "mtime", "-" }, { "uid", "four" },
		{ "gid", "99999999999" }, { "size", "-100" },
		{ "size", "99999999999999999999" },
		{ "GNU.sparse.map", "1,," }, { "GNU.sparse.map", "1" },
		{ "GNU.sparse.numbytes", "12" }, { "GNU.sparse.size", "x" },
	};
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(records); i++)
		refuse_records(*state, records[i]);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		pax_record(text, sizeof(text), values[i][0], values[i][1]);
		refuse_records(*state, text);
	}
}

static void a_name_with_a_nul_is_refused(void **state)
{
	struct buf tar = BUF_INIT;

	tar_add(&tar, "pax", 'x', NULL, "12 path=a\0b\n", 12);
	tar_add(&tar, "a", '0', NULL, "x", 1);
	assert_refused(*state, &tar, "NUL");
}

static void what_has_to_be_kept_in_memory_is_bounded(void **state)
{
	struct buf tar = { .max = 64 * MIB };
	static char big[2 * 1024 * 1024];

	memset(big, 'a', sizeof(big));
	tar_add(&tar, "pax", 'x', NULL, big, sizeof(big));
	assert_refused(*state, &tar, "too long");
	tar = (struct buf){ .max = 64 * MIB };
	tar_add(&tar, "long", 'L', NULL, big, sizeof(big));
	assert_refused(*state, &tar, "too long");
	/* within our bound, but no file system takes such a name */
	tar = (struct buf){ .max = 64 * MIB };
	tar_add(&tar, "long", 'L', NULL, big, 100000);
	tar_add(&tar, "a", '0', NULL, "x", 1);
	tar_end(&tar);
	assert_refused(*state, &tar, "File name too long");
}

/* GNU's format 0.1. */
static void sparse(struct buf *tar, const char *map, const char *real,
		   const char *data)
{
	char records[256];
	int n = pax_record(records, sizeof(records), "GNU.sparse.size", real);

	n += pax_record(records + n, sizeof(records) - (size_t)n,
			"GNU.sparse.map", map);
	*tar = (struct buf)BUF_INIT;
	tar_add(tar, "pax", 'x', NULL, records, (size_t)n);
	tar_add(tar, "sparse", '0', NULL, data, strlen(data));
	tar_end(tar);
}

static void sparse_maps_have_to_make_sense(void **state)
{
	struct rig *r = *state;
	struct buf tar;

	sparse(&tar, "100000,3,200000,2", "300000", "abcde");
	assert_taken(r, &tar);
	assert_int_equal(rig_host("test $(stat -c %%s %s) = 300000 && "
				  "test $(tail -c +100001 %s | head -c 3) = abc",
				  rig_path(r, "into/sparse"),
				  rig_path(r, "into/sparse")), 0);
	sparse(&tar, "200000,3,100000,2", "300000", "abcde");	/* out of order */
	assert_refused(r, &tar, "map");
	sparse(&tar, "100000,3,100001,2", "300000", "abcde");	/* overlap */
	assert_refused(r, &tar, "map");
	sparse(&tar, "299999,5", "300000", "abcde");	/* beyond the end */
	assert_refused(r, &tar, "map");
	sparse(&tar, "18446744073709551615,5", "300000", "abcde");
	assert_refused(r, &tar, "map");
	sparse(&tar, "100000,18446744073709551610", "300000", "abcde");
	assert_refused(r, &tar, "map");
	sparse(&tar, "100000,4", "300000", "abcde");	/* data left over */
	assert_refused(r, &tar, "map");
	sparse(&tar, "100000,6", "300000", "abcde");	/* too few */
	assert_refused(r, &tar, "map");
}

static void odd_but_legal_members_are_taken(void **state)
{
	struct rig *r = *state;
	struct buf tar = BUF_INIT;

	tar_add(&tar, "label", 'V', NULL, "", 0);
	tar_add(&tar, "old-folder/", '\0', NULL, "", 0);
	tar_add(&tar, "old-file", '\0', NULL, "x", 1);
	tar_add(&tar, "contiguous", '7', NULL, "x", 1);
	tar_add(&tar, "dumped", 'D', NULL, "Yold-file\0\0", 11);
	/* sizes that are mere remarks */
	tar_add_sized(&tar, "sized", '5', NULL, 4096, "", 0);
	tar_add_sized(&tar, "link", '2', "x", 77, "", 0);
	tar_add_sized(&tar, "hard", '1', "old-file", 1, "", 0);
	tar_add(&tar, "fifo", '6', NULL, "", 0);
	tar_add(&tar, "global", 'g', NULL, "21 comment=a comment\n", 21);
	/* with pax, a hard link may repeat the data */
	tar_add(&tar, "hard2", '1', "old-file", "x", 1);
	tar_add(&tar, "last", '0', NULL, "x", 1);
	tar_end(&tar);
	assert_taken(r, &tar);
	assert_int_equal(rig_host("cd %s && test -d old-folder && test -d dumped "
				  "&& test -d sized && test -L link && "
				  "test -p fifo && test old-file -ef hard && "
				  "test -f last && test -f contiguous",
				  rig_path(r, "into")), 0);
}

/* Every answer is a proper one: none of them comes from a crash. */
static void mutated_archives_never_crash(void **state)
{
	CLEANUP_BUF struct buf good = BUF_INIT;
	struct rig *r = *state;
	struct reply reply;
	uint32_t seed = 4711;
	char records[128];
	int n;

	tar_add(&good, "a/", '5', NULL, "", 0);
	n = pax_record(records, sizeof(records), "GNU.sparse.size", "9");
	n += pax_record(records + n, sizeof(records) - (size_t)n,
			"GNU.sparse.map", "0,3,5,2");
	tar_add(&good, "pax", 'x', NULL, records, (size_t)n);
	tar_add(&good, "x", '0', NULL, "abcde", 5);
	tar_add(&good, "long", 'L', NULL, "a/some/longer/name", 18);
	tar_add(&good, "y", '0', NULL, "12345", 5);
	tar_add(&good, "l", '2', "x", "", 0);
	tar_end(&good);
	for (int i = 0; i < 300; i++) {
		CLEANUP_BUF struct buf tar = BUF_INIT;

		buf_append(&tar, good.data, good.len);
		for (int k = 0; k < 3; k++) {
			uint32_t at, block;
			unsigned int sum = 0;

			seed = seed * 1664525 + 1013904223;
			at = (seed >> 8) % (uint32_t)tar.len;
			tar.data[at] = (uint8_t)(seed >> (i % 2 ? 24 : 3));
			/* mostly with a header that is right again */
			block = at / 512 * 512;
			if (i % 4 == 0 || memcmp(tar.data + block + 257, "ustar", 5))
				continue;
			memset(tar.data + block + 148, ' ', 8);
			for (int b = 0; b < 512; b++)
				sum += tar.data[block + (uint32_t)b];
			snprintf((char *)tar.data + block + 148, 8, "%06o", sum);
		}
		put(r, &tar, &reply);
		assert_true(reply.type == AGENT_OK || reply.type == AGENT_ERROR);
		reply_free(&reply);
	}
}

static void a_full_disk_is_told(void **state)
{
	struct rig *r = *state;
	struct reply reply;

	rig_host("mkdir -p %s", rig_path(r, "small"));
	if (mount("t", rig_path(r, "small"), "tmpfs", 0, "size=1m") < 0)
		skip();
	put_output(r, rig_path(r, "small"), NULL, "head -c 5000000 /dev/urandom "
		   ">/tmp/podflare-rig-big; tar -C /tmp -cf - podflare-rig-big; "
		   "rm /tmp/podflare-rig-big", &reply);
	assert_int_equal(rig_host("test ! -e %s/podflare-rig-big",
				  rig_path(r, "small")), 0);
	umount(rig_path(r, "small"));
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_int_equal(reply.code, ERR_NO_SPACE);
	assert_non_null(strstr(reply.message, "podflare-rig-big"));
	reply_free(&reply);
}

static void a_stream_that_breaks_off_leaves_no_half_file(void **state)
{
	CLEANUP_BUF struct buf b = BUF_INIT, tar = BUF_INIT;
	struct frame_reader in = { .buf = BUF_INIT };
	struct rig *r = *state;
	struct reply reply;
	int fd = rig_open(r);

	tlv_put_str(&b, AGENT_T_PATH, rig_path(r, "into"));
	rig_send(fd, AGENT_PUT, b.data, b.len);
	rig_collect(fd, &in, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	reply_free(&reply);
	tar_add_sized(&tar, "half", '0', NULL, 100000, "only this", 9);
	rig_send(fd, AGENT_DATA, tar.data, tar.len);
	assert_true(rig_wait_file(rig_path(r, "into/half"), true));
	close(fd);
	frame_reader_free(&in);
	assert_true(rig_wait_file(rig_path(r, "into/half"), false));
}

static void the_error_is_heard_while_the_host_still_sends(void **state)
{
	struct rig *r = *state;
	struct reply reply;

	rig_host("mkdir -p %s", rig_path(r, "into/etc"));
	put_output(r, rig_path(r, "into"), NULL, "cd /tmp && rm -rf rig-x && "
		   "mkdir rig-x && cd rig-x && truncate -s 20M etc && tar -cf - etc"
		   " && rm -rf /tmp/rig-x", &reply);
	assert_int_equal(reply.type, AGENT_ERROR);
	assert_non_null(strstr(reply.message, "a folder is not replaced"));
	reply_free(&reply);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, clean)
	const struct CMUnitTest tests[] = {
		TEST(names_that_lead_out_are_refused),
		TEST(absolute_names_stay_below_the_folder),
		TEST(nothing_is_written_through_a_link_of_the_archive),
		TEST(nothing_is_written_through_a_link_that_was_there),
		TEST(hard_links_stay_below_the_folder),
		TEST(a_folder_is_not_replaced_by_a_file),
		TEST(the_folder_itself_keeps_its_attributes),
		TEST(damaged_archives_are_refused),
		TEST(archives_without_an_end_mark_are_taken),
		TEST(what_follows_the_end_mark_is_ignored),
		TEST(bad_extended_headers_are_refused),
		TEST(a_name_with_a_nul_is_refused),
		TEST(what_has_to_be_kept_in_memory_is_bounded),
		TEST(sparse_maps_have_to_make_sense),
		TEST(odd_but_legal_members_are_taken),
		TEST(mutated_archives_never_crash),
		TEST(a_full_disk_is_told),
		TEST(a_stream_that_breaks_off_leaves_no_half_file),
		TEST(the_error_is_heard_while_the_host_still_sends),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
