/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-runner-image.c - podflared's image store
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/agent.h"
#include "common/frame.h"
#include "tests/unit/runner-host.h"
#include "tests/unit/unit.h"

static const char images[] = "data/podflare/images";

/* Begin a put that is needed. */
static void begin(struct conn *c, const char *name, const char *note)
{
	CLEANUP_BUF struct buf meta = BUF_INIT;
	json_t *r;

	image_meta(&meta, note);
	conn_open(c, false);
	r = conn_ok(c, "image.put", image_params(name, buf_str(&meta)));
	assert_true(json_is_true(json_object_get(r, "need")));
	json_decref(r);
}

static void assert_refused(struct conn *c, const char *code)
{
	json_t *r = conn_reply(c, c->id);
	json_t *data = json_object_get(json_object_get(r, "error"), "data");
	const char *got = json_string_value(json_object_get(data, "code"));

	assert_non_null(got);
	assert_string_equal(got, code);
	json_decref(r);
	assert_null(conn_reply(c, 12345));	/* and dropped */
	conn_close(c);
	assert_int_equal(host_count(images), 2);	/* names, default */
}

static void test_put_list_show_rm(void **state)
{
	struct conn c;
	json_t *r, *img;

	begin(&c, "other", "2");
	image_send(&c);
	r = conn_reply(&c, c.id);
	img = json_object_get(r, "result");
	assert_string_equal(json_string_value(json_object_get(img, "name")),
			    "default2");
	json_decref(r);
	/* the connection goes on as it was */
	r = conn_ok(&c, "image.list", NULL);
	assert_int_equal(json_array_size(json_object_get(r, "images")), 2);
	json_decref(r);
	json_decref(conn_ok(&c, "image.rm", json_pack("{s:s}", "image",
						      "other")));
	json_decref(conn_fail(&c, "image.show", json_pack("{s:s}", "image",
							  "other"),
			      "not_found"));
	conn_close(&c);
	assert_int_equal(host_count(images), 2);
}

/* As when it was put again while its folder was still going. */
static void test_rm_beside_a_folder_that_is_going(void **state)
{
	const char *digest;
	char going[256];
	struct conn c;
	json_t *r;

	begin(&c, "other", "2");
	image_send(&c);
	r = conn_reply(&c, c.id);
	digest = json_string_value(json_object_get(json_object_get(r, "result"),
						   "digest"));
	assert_non_null(digest);
	snprintf(going, sizeof(going), "%s",
		 host_path("%s/.rm-%s", images, digest));
	assert_int_equal(mkdir(going, 0700), 0);
	strcat(going, "/left");
	assert_int_equal(mkdir(going, 0700), 0);
	json_decref(r);
	json_decref(conn_ok(&c, "image.rm", json_pack("{s:s}", "image",
						      "other")));
	conn_close(&c);
	assert_int_equal(rmdir(going), 0);
	*strrchr(going, '/') = '\0';
	assert_int_equal(rmdir(going), 0);
	assert_int_equal(host_count(images), 2);
}

/* Put one whose env has 50 KiB. */
static void put_long(unsigned int i)
{
	CLEANUP_BUF struct buf meta = BUF_INIT;
	char name[16], *value = malloc(50001), *text;
	struct conn c;
	json_t *json;

	snprintf(name, sizeof(name), "long%u", i);
	memset(value, 'x', 50000);
	value[50000] = '\0';
	image_meta(&meta, name);
	json = json_loads(buf_str(&meta), 0, NULL);
	json_object_set_new(json, "env", json_pack("{s:s}", "LONG", value));
	text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	conn_open(&c, false);
	json_decref(conn_ok(&c, "image.put", image_params(name, text)));
	image_send(&c);
	json_decref(conn_reply(&c, c.id));
	conn_close(&c);
	json_decref(json);
	free(text);
	free(value);
}

/* Every reply has to fit a line of 1 MiB. */
static void test_a_long_list_is_cut(void **state)
{
	unsigned int with = 0, n = 30;
	struct conn c;
	json_t *r, *img;
	char name[16];
	size_t i;

	for (i = 0; i < n; i++)
		put_long((unsigned int)i);
	conn_open(&c, false);
	r = conn_ok(&c, "image.list", NULL);
	json_array_foreach(json_object_get(r, "images"), i, img)
		with += json_object_get(img, "env") != NULL;
	assert_int_equal(i, n + 1);
	assert_in_range(with, 5, n - 5);
	json_decref(r);
	conn_close(&c);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "long%zu", i);
		call_ok("image.rm", json_pack("{s:s}", "image", name));
	}
}

static void test_known_image_is_only_named(void **state)
{
	CLEANUP_BUF struct buf meta = BUF_INIT;
	char digest[128];
	struct conn c;
	json_t *r;

	image_meta(&meta, "");
	conn_open(&c, false);
	r = conn_ok(&c, "image.put", image_params("alias", buf_str(&meta)));
	assert_true(json_is_false(json_object_get(r, "need")));
	json_decref(r);
	r = conn_ok(&c, "image.show", json_pack("{s:s}", "image", "alias"));
	assert_int_equal(json_array_size(json_object_get(r, "names")), 2);
	snprintf(digest, sizeof(digest), "%s",
		 json_string_value(json_object_get(r, "digest")));
	json_decref(r);
	digest[7 + 12] = '\0';		/* a beginning of the digest will do */
	json_decref(conn_ok(&c, "image.show", json_pack("{s:s}", "image",
							digest)));
	json_decref(conn_ok(&c, "image.show", json_pack("{s:s}", "image",
							digest + 7)));
	json_decref(conn_ok(&c, "image.rm", json_pack("{s:s}", "image",
						      "alias")));
	json_decref(conn_ok(&c, "image.show", json_pack("{s:s}", "image",
							"default")));
	conn_close(&c);
}

static void test_used_image_is_kept(void **state)
{
	struct conn c;
	json_t *r;

	call_ok("sandbox.create", json_pack("{s:s}", "name", "user"));
	call_fail("image.rm", json_pack("{s:s}", "image", "default"), "busy");
	conn_open(&c, false);
	r = conn_ok(&c, "image.show", json_pack("{s:s}", "image", "default"));
	assert_int_equal(json_array_size(json_object_get(r, "used_by")), 1);
	json_decref(r);
	conn_close(&c);
	call_ok("sandbox.rm", by_name("user"));
}

static void refuse_meta(const char *name, const char *meta, const char *code)
{
	call_fail("image.put", image_params(name, meta), code);
	assert_int_equal(host_count(images), 2);
}

static void test_wrong_meta(void **state)
{
	CLEANUP_BUF struct buf meta = BUF_INIT;
	const char *good;
	char *bad;

	image_meta(&meta, "3");
	good = buf_str(&meta);
	refuse_meta("Not Valid", good, "usage");
	refuse_meta("../x", good, "usage");
	refuse_meta("x", "no json", "usage");
	refuse_meta("x", "{\"format\":2}", "version");
	refuse_meta("x", "{\"format\":1}", "usage");
	bad = strdup(good);
	memcpy(strstr(bad, "squashfs"), "squash s", 8);
	refuse_meta("x", bad, "usage");
	free(bad);
	bad = strdup(good);
	memcpy(strstr(bad, "base.img"), "../x.img", 8);
	refuse_meta("x", bad, "usage");
	free(bad);
	bad = strdup(good);
	memcpy(strstr(bad, "\"size\":8"), "\"size\":9", 8);
	refuse_meta("x", bad, "usage");	/* not what `files` says */
	free(bad);
}

static void test_wrong_files_parameter(void **state)
{
	CLEANUP_BUF struct buf meta = BUF_INIT;
	json_t *p;

	image_meta(&meta, "4");
	p = image_params("x", buf_str(&meta));
	json_array_remove(json_object_get(p, "files"), 0);
	call_fail("image.put", p, "usage");
	p = image_params("x", buf_str(&meta));
	json_array_append_new(json_object_get(p, "files"),
			      json_pack("{s:s, s:i}", "name", "passwd", "size",
					1));
	call_fail("image.put", p, "usage");
	p = image_params("x", buf_str(&meta));
	json_array_append_new(json_object_get(p, "files"), json_string("x"));
	call_fail("image.put", p, "usage");
}

static void test_wrong_digest(void **state)
{
	struct conn c;

	begin(&c, "x", "5");
	frame_write(c.fd, AGENT_DATA, "BASE.IMG", 8);
	frame_write(c.fd, AGENT_END, NULL, 0);
	assert_refused(&c, "usage");
}

static void test_wrong_sizes(void **state)
{
	struct conn c;

	begin(&c, "x", "6");
	frame_write(c.fd, AGENT_DATA, "base.img!", 9);
	assert_refused(&c, "usage");
	begin(&c, "x", "6");
	frame_write(c.fd, AGENT_DATA, "base", 4);
	frame_write(c.fd, AGENT_END, NULL, 0);
	assert_refused(&c, "usage");
}

static void test_wrong_frames(void **state)
{
	struct conn c;

	begin(&c, "x", "7");
	frame_write(c.fd, AGENT_STDIN, "base", 4);
	assert_refused(&c, "protocol");
	begin(&c, "x", "7");
	assert_int_equal(send(c.fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 0),
			 8);
	assert_refused(&c, "protocol");
}

static bool clean(void *arg)
{
	return host_count(images) == 2;
}

static void test_client_dies_while_it_sends(void **state)
{
	struct conn c;

	begin(&c, "x", "8");
	frame_write(c.fd, AGENT_DATA, "base", 4);
	conn_close(&c);
	host_wait(clean, NULL);
	begin(&c, "x", "8");
	frame_write(c.fd, AGENT_DATA, "base", 4);
	shutdown(c.fd, SHUT_WR);
	assert_refused(&c, "cancelled");
}

static void test_damaged_image_is_told(void **state)
{
	struct conn c;
	json_t *r;

	assert_int_equal(mkdir(host_path("%s/sha256-%064d", images, 1), 0700),
			 0);
	conn_open(&c, false);
	r = conn_ok(&c, "image.list", NULL);
	assert_int_equal(json_array_size(json_object_get(r, "images")), 1);
	json_decref(r);
	conn_close(&c);
	assert_int_equal(rmdir(host_path("%s/sha256-%064d", images, 1)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_list_show_rm),
		cmocka_unit_test(test_rm_beside_a_folder_that_is_going),
		cmocka_unit_test(test_a_long_list_is_cut),
		cmocka_unit_test(test_known_image_is_only_named),
		cmocka_unit_test(test_used_image_is_kept),
		cmocka_unit_test(test_wrong_meta),
		cmocka_unit_test(test_wrong_files_parameter),
		cmocka_unit_test(test_wrong_digest),
		cmocka_unit_test(test_wrong_sizes),
		cmocka_unit_test(test_wrong_frames),
		cmocka_unit_test(test_client_dies_while_it_sends),
		cmocka_unit_test(test_damaged_image_is_told),
	};

	return cmocka_run_group_tests(tests, host_setup, host_teardown);
}
