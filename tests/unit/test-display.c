/* SPDX-License-Identifier: MIT */
/* tests/unit/test-display.c - pictures and tables from a guest, honest and not */
#include <stdio.h>

#include "cli/client.h"
#include "cli/display.h"
#include "common/agent.h"
#include "common/tlv.h"
#include "tests/unit/unit.h"

static int put(struct displays *d, uint32_t id, const char *mime,
	       const void *data, size_t len)
{
	CLEANUP_BUF struct buf b = { .max = 2 * MIB };
	struct err err = ERR_INIT;
	struct frame f = { .type = AGENT_DISPLAY };
	int rc;

	if (id)
		tlv_put_u32(&b, AGENT_T_DISPLAY, id);
	if (mime)
		tlv_put_str(&b, AGENT_T_MIME, mime);
	if (data)
		tlv_put(&b, AGENT_T_CONTENT, data, len);
	f.data = b.data;
	f.len = (uint32_t)b.len;
	rc = displays_put(d, &f, &err);
	assert_int_equal(rc < 0, err.code != ERR_NONE);
	return rc;
}

static void forms_of_a_thing_go_together(void **state)
{
	CLEANUP_DISPLAYS struct displays d = DISPLAYS_INIT;
	CLEANUP_JSON json_t *list = NULL;

	assert_int_equal(put(&d, 1, "image/png", "\xff\x00", 2), 0);
	assert_int_equal(put(&d, 1, "image/png", "P", 1), 0);
	assert_int_equal(put(&d, 1, "text/html", "<b>\xff", 4), 0);
	assert_int_equal(put(&d, 2, "application/x-own", "ab", 2), 0);
	list = displays_json(&d);
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(json_string_value(json_object_get(
		json_array_get(list, 0), "image/png")), "/wBQ");
	assert_string_equal(json_string_value(json_object_get(
		json_array_get(list, 0), "text/html")), "<b>\xef\xbf\xbd");
	assert_string_equal(json_string_value(json_object_get(
		json_array_get(list, 1), "application/x-own")), "YWI=");
}

static void what_is_malformed_is_refused(void **state)
{
	CLEANUP_DISPLAYS struct displays d = DISPLAYS_INIT;
	struct frame f = { .type = AGENT_DISPLAY,
			   .data = (const uint8_t *)"rubbish", .len = 7 };
	struct err err = ERR_INIT;
	char mime[300];

	memset(mime, 'm', sizeof(mime) - 1);
	mime[sizeof(mime) - 1] = '\0';
	assert_int_equal(displays_put(&d, &f, &err), -1);
	assert_int_equal(put(&d, 0, "image/png", "x", 1), -1);
	assert_int_equal(put(&d, 1, NULL, "x", 1), -1);
	assert_int_equal(put(&d, 1, "", "x", 1), -1);
	assert_int_equal(put(&d, 1, mime, "x", 1), -1);
	assert_int_equal(put(&d, 1, "image/png", NULL, 0), 0);
}

static void their_number_and_size_have_bounds(void **state)
{
	CLEANUP_DISPLAYS struct displays d = DISPLAYS_INIT, big = DISPLAYS_INIT;
	static char data[1024 * 1024];
	int n = 0;

	for (uint32_t i = 1; i <= DISPLAYS_MAX; i++)
		assert_int_equal(put(&d, i, "image/png", "x", 1), 0);
	assert_int_equal(put(&d, 1, "image/png", "x", 1), -1);
	while (put(&big, 1, "image/png", data, sizeof(data)) == 0)
		n++;
	assert_int_equal(n, 64);
}

static void names_never_leave_the_folder(void **state)
{
	CLEANUP_DISPLAYS struct displays d = DISPLAYS_INIT;
	struct globals g = { .quiet = true };
	char dir[] = "/tmp/podflare-display-XXXXXX", command[128];
	struct err err = ERR_INIT;

	assert_non_null(mkdtemp(dir));
	put(&d, 1, "image/png", "x", 1);
	put(&d, 2, "../../etc", "x", 1);
	put(&d, 3, "text/html", "x", 1);
	assert_int_equal(displays_write(&d, &g, dir, &err), 0);
	assert_int_equal(displays_write(&d, &g, dir, &err), 0);
	snprintf(command, sizeof(command), "ls %s | wc -l | grep -qx 4 && "
		 "rm -r %s", dir, dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_of_a_thing_go_together),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(their_number_and_size_have_bounds),
		cmocka_unit_test(names_never_leave_the_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
