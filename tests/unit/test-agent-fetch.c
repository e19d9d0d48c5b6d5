/* SPDX-License-Identifier: MIT */
/* tests/unit/test-agent-fetch.c - files by their paths: HASH and FETCH */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "guest-init/sha256.h"
#include "tests/unit/agent-record.h"
#include "tests/unit/agent-rig.h"
#include "tests/unit/overlay-rig.h"
#include "tests/unit/unit.h"

/* @records as the host sends them. */
static void ask(struct rig *r, uint8_t type, const struct buf *records,
		struct reply *reply)
{
	struct frame_reader in = { .buf = BUF_INIT };
	int fd = rig_open(r);

	rig_send(fd, type, NULL, 0);
	rig_collect(fd, &in, reply);
	assert_int_equal(reply->type, AGENT_OK);
	reply_free(reply);
	/* frames end anywhere, also inside of a record */
	for (size_t at = 0; at < records->len; at += 1000)
		rig_send(fd, AGENT_DATA, records->data + at,
			 MIN((size_t)1000, records->len - at));
	rig_send(fd, AGENT_END, NULL, 0);
	rig_collect(fd, &in, reply);
	frame_reader_free(&in);
	close(fd);
}

static void ask_paths(struct rig *r, uint8_t type, const char *const *paths,
		      bool image, struct reply *reply)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	for (; *paths; paths++)
		rec_put_path(&b, *paths, image);
	ask(r, type, &b, reply);
	assert_int_equal(reply->type, AGENT_END);
}

static void hex(const uint8_t *digest, char *text)
{
	for (int i = 0; i < SHA256_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

/* FIPS 180-4's examples, and the empty message. */
static void digests_are_sha_256(void **state)
{
	static const struct {
		const char *text, *digest;
	} known[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb924"
		      "27ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223"
			 "b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039"
		  "a33ce45964ff2167f6ecedd419db06c1" },
		{ "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
		  "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
		  "cf5b16a778af8380036ce59e7b049237"
		  "0b249b11e8f07a51afac45037afee9d1" },
	};
	uint8_t digest[SHA256_SIZE];
	struct sha256 sha;
	char text[65];

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		sha256_init(&sha);
		sha256_update(&sha, known[i].text, strlen(known[i].text));
		sha256_final(&sha, digest);
		hex(digest, text);
		assert_string_equal(text, known[i].digest);
	}
	sha256_init(&sha);
	for (int i = 0; i < 1000000; i++)
		sha256_update(&sha, "a", 1);
	sha256_final(&sha, digest);
	hex(digest, text);
	assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67"
				  "f1809a48a497200e046d39ccc7112cd0");
}

static void digests_do_not_depend_on_the_pieces(void **state)
{
	uint8_t bytes[300], whole[SHA256_SIZE], pieces[SHA256_SIZE];
	struct sha256 sha;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		sha256_init(&sha);
		sha256_update(&sha, bytes, len);
		sha256_final(&sha, whole);
		sha256_init(&sha);
		for (size_t at = 0, n; at < len; at += n) {
			n = MIN(1 + at % 90, len - at);
			sha256_update(&sha, bytes + at, n);
		}
		sha256_final(&sha, pieces);
		assert_memory_equal(whole, pieces, sizeof(whole));
	}
}

static void files_are_hashed_in_the_order_asked_for(void **state)
{
	static const char *const paths[] = { "/d/abc", "/empty", "/d/abc", "/low",
					     NULL };
	static const char *const want[] = {
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	};
	static struct rec rec;
	struct rig *r = *state;
	struct reply reply;
	size_t pos = 0;
	char text[65];

	overlay_clear(r);
	rig_host("printf abc >%s/low; cd %s && mkdir d && printf abc >d/abc && "
		 ": >empty", r->lower, r->upper);
	ask_paths(r, AGENT_HASH, paths, false, &reply);
	for (int i = 0; i < 4; i++) {
		assert_true(rec_next(&reply.data, &pos, &rec));
		assert_string_equal(rec.path, paths[i]);
		assert_true(rec.has_digest);
		hex(rec.digest, text);
		assert_string_equal(text, want[i]);
	}
	assert_false(rec_next(&reply.data, &pos, &rec));
	reply_free(&reply);
}

static void what_is_no_file_has_a_reason(void **state)
{
	static const struct {
		const char *path;
		uint32_t sys;
	} cases[] = {
		{ "/none", ENOENT }, { "/none/x", ENOENT }, { "/d", EISDIR },
		{ "/l", ELOOP }, { "/l/x", ENOENT }, { "/p", EINVAL },
		{ "relative", EINVAL }, { "/a/../d", EINVAL }, { "/d/", EINVAL },
		{ "/./d", EINVAL }, { "//d", EINVAL }, { "", EINVAL },
		{ "/", EISDIR }, { "/gone", ENOENT }, { "/f/x", ENOENT },
	};
	CLEANUP_BUF struct buf b = BUF_INIT;
	static struct rec rec;
	struct rig *r = *state;
	struct reply reply;
	size_t pos = 0;

	overlay_clear(r);
	rig_host("touch %s/gone; cd %s && mkdir d && touch d/x && ln -s d l && "
		 "mkfifo p && touch f && mknod gone c 0 0 2>/dev/null || "
		 "rm %s/gone", r->lower, r->upper, r->lower);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		rec_put_path(&b, cases[i].path, false);
	ask(r, AGENT_HASH, &b, &reply);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_true(rec_next(&reply.data, &pos, &rec));
		assert_string_equal(rec.path, cases[i].path);
		assert_false(rec.has_digest);
		assert_int_equal(rec.sys, cases[i].sys);
	}
	reply_free(&reply);
}

/* Put the extents at *pos together. */
static void take_content(const struct buf *data, size_t *pos, uint64_t size,
			 struct buf *content)
{
	uint64_t head[2], at = 0;

	for (;;) {
		assert_true(data->len - *pos >= sizeof(head));
		memcpy(head, data->data + *pos, sizeof(head));
		*pos += sizeof(head);
		assert_true(head[0] >= at && head[0] <= size);
		while (at < head[0]) {
			buf_append(content, "", 1);
			at++;
		}
		if (!head[1])
			break;
		assert_true(data->len - *pos >= head[1]);
		assert_true(head[1] <= size - at);
		buf_append(content, data->data + *pos, head[1]);
		*pos += head[1];
		at += head[1];
	}
	assert_int_equal(at, size);
}

static void files_come_with_all_that_they_are(void **state)
{
	static const char *const paths[] = { "/big", "/l", "/low", "/d", "/none",
					     "/empty", NULL };
	CLEANUP_BUF struct buf content = { .max = 64 * MIB };
	static struct rec rec;
	struct rig *r = *state;
	struct reply reply;
	size_t pos = 0;
	struct stat st;
	char path[512];

	overlay_clear(r);
	rig_host("echo low >%s/low; cd %s && head -c 300000 /dev/urandom >big && "
		 "dd if=/dev/urandom of=big bs=1 count=7 seek=9000000 conv=notrunc "
		 "2>/dev/null && truncate -s 9500000 big && chmod 601 big && "
		 "ln -s /some/where l && mkdir -m 700 d && : >empty",
		 r->lower, r->upper);
	ask_paths(r, AGENT_FETCH, paths, false, &reply);
	/* holes are not sent */
	assert_true(reply.data.len < 2000000);
	assert_true(rec_next(&reply.data, &pos, &rec));
	assert_int_equal(rec.mode, S_IFREG | 0601);
	assert_int_equal(rec.size, 9500000);
	snprintf(path, sizeof(path), "%s/big", r->upper);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(rec.ino, st.st_ino);
	take_content(&reply.data, &pos, rec.size, &content);
	{
		FILE *f = fopen(rig_path(r, "got"), "we");

		assert_int_equal(fwrite(content.data, 1, content.len, f),
				 content.len);
		fclose(f);
	}
	assert_int_equal(rig_host("cmp %s %s", path, rig_path(r, "got")), 0);
	assert_true(rec_next(&reply.data, &pos, &rec));
	assert_string_equal(rec.link, "/some/where");
	assert_true(rec_next(&reply.data, &pos, &rec));
	assert_string_equal(rec.path, "/low");
	assert_int_equal(rec.ino, 0);
	content.len = 0;
	take_content(&reply.data, &pos, rec.size, &content);
	assert_string_equal(buf_str(&content), "low\n");
	assert_true(rec_next(&reply.data, &pos, &rec));
	assert_int_equal(rec.mode, S_IFDIR | 0700);
	assert_true(rec_next(&reply.data, &pos, &rec));
	assert_int_equal(rec.sys, ENOENT);
	assert_true(rec_next(&reply.data, &pos, &rec));
	content.len = 0;
	take_content(&reply.data, &pos, 0, &content);
	assert_int_equal(content.len, 0);
	assert_int_equal(pos, reply.data.len);
	reply_free(&reply);
}

static void files_come_as_the_image_has_them(void **state)
{
	static const char *const paths[] = { "/d/f", "/new", "/gone", NULL };
	CLEANUP_BUF struct buf content = BUF_INIT;
	static struct rec rec;
	struct rig *r = *state;
	struct reply reply;
	size_t pos = 0;

	overlay_clear(r);
	rig_host("cd %s && mkdir d && echo old >d/f && echo g >gone", r->lower);
	rig_host("cd %s && mkdir d && echo newer >d/f && : >new && "
		 "mknod gone c 0 0 2>/dev/null", r->upper);
	ask_paths(r, AGENT_FETCH, paths, true, &reply);
	assert_true(rec_next(&reply.data, &pos, &rec));
	assert_int_equal(rec.size, 4);
	assert_int_equal(rec.ino, 0);
	take_content(&reply.data, &pos, 4, &content);
	assert_string_equal(buf_str(&content), "old\n");
	assert_true(rec_next(&reply.data, &pos, &rec));
	assert_int_equal(rec.sys, ENOENT);
	assert_true(rec_next(&reply.data, &pos, &rec));
	assert_int_equal(rec.size, 2);
	reply_free(&reply);
}

static void many_paths_are_fine(void **state)
{
	CLEANUP_BUF struct buf b = { .max = 64 * MIB };
	static struct rec rec;
	struct rig *r = *state;
	struct reply reply;
	size_t pos = 0, n = 0;
	char path[64];

	overlay_clear(r);
	rig_host("cd %s && mkdir -p a/b a/c ab && touch a/b/5 ab/5 a/c/5", r->upper);
	for (int i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "/%s/%d",
			 i % 3 == 0 ? "a/b" : i % 3 == 1 ? "ab" : "a/c", i % 11);
		rec_put_path(&b, path, false);
	}
	ask(r, AGENT_HASH, &b, &reply);
	assert_int_equal(reply.type, AGENT_END);
	for (; rec_next(&reply.data, &pos, &rec); n++) {
		assert_int_equal(rec.has_digest, n % 11 == 5);
		assert_int_equal(rec.sys, n % 11 == 5 ? 0 : ENOENT);
	}
	assert_int_equal(n, 20000);
	reply_free(&reply);
}

static void a_stream_that_is_not_ours_is_refused(void **state)
{
	static const uint8_t bad[][12] = {
		{ 0xff, 0xff, 0xff, 0x7f }, /* far too long */
		{ 4, 0, 0, 0, 1, 2, 3, 4 }, /* no values */
		{ 0 }, /* no path */
		{ 200, 0, 0, 0, 48, 0, 0, 0, 4 }, /* cut short */
	};
	struct reply reply;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct buf b = { (uint8_t *)bad[i], sizeof(bad[i]),
				 sizeof(bad[i]), sizeof(bad[i]) };

		ask(*state, i % 2 ? AGENT_HASH : AGENT_FETCH, &b, &reply);
		assert_int_equal(reply.type, AGENT_ERROR);
		assert_int_equal(reply.code, ERR_PROTOCOL);
		reply_free(&reply);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_sha_256),
		cmocka_unit_test(digests_do_not_depend_on_the_pieces),
		cmocka_unit_test(files_are_hashed_in_the_order_asked_for),
		cmocka_unit_test(what_is_no_file_has_a_reason),
		cmocka_unit_test(files_come_with_all_that_they_are),
		cmocka_unit_test(files_come_as_the_image_has_them),
		cmocka_unit_test(many_paths_are_fine),
		cmocka_unit_test(a_stream_that_is_not_ours_is_refused),
	};

	return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
