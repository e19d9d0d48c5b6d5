/* SPDX-License-Identifier: MIT */
/* tests/unit/runner-host.h - a podflared of its own for a test, with fake VMMs */
#ifndef PODFLARE_TESTS_RUNNER_HOST_H
#define PODFLARE_TESTS_RUNNER_HOST_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/buf.h"

#define MIB_(n) ((json_int_t)(n) << 20)

/* cmocka set-up and tear-down of a group: folders, environment, a runner, an
 * image named "default". Tear-down checks that no process is left. */
int host_setup(void **state);
int host_teardown(void **state);

extern char host_dir[64];	/* runtime, data, state, libexec, root below */
extern pid_t host_runner;

/* Start podflared and wait until it is ready. Return: NULL, or its error line
 * (to be freed). */
char *host_start(void);
/* End it with @sig and wait. */
void host_end(int sig);
/* A path below the test's folder; static storage. */
const char *host_path(const char *fmt, ...) PRINTF(1, 2);
/* Entries of a folder below it, without . and .. */
int host_count(const char *sub);
/* Wait until @cond(arg) or fail after 10 s. */
void host_wait(bool (*cond)(void *arg), void *arg);
/* Processes named podflare-vmm that belong to this test. */
int host_vmms(void);
void host_kill_vmms(void);
/* The image that host_setup() has put there, after it was removed. */
void host_put_image(void);

struct conn {
	int fd;
	int passed;	/* descriptor that came with the last reply, or -1 */
	int64_t id;
	unsigned int progress;	/* notifications seen */
	struct buf in;
};

/* Connect and, unless @raw, say hello. */
void conn_open(struct conn *c, bool raw);
void conn_close(struct conn *c);
void conn_send(struct conn *c, const char *text);
/* Return: the id. @params is stolen. */
int64_t conn_request(struct conn *c, const char *method, json_t *params);
/* The reply with that id; NULL at end of stream. */
json_t *conn_reply(struct conn *c, int64_t id);
/* Call and expect a result: it is returned. */
json_t *conn_ok(struct conn *c, const char *method, json_t *params);
/* Call and expect an error of that code; the error object is returned. */
json_t *conn_fail(struct conn *c, const char *method, json_t *params,
		  const char *code);
/* As the two, what they return dropped; on a connection of its own. */
void call_ok(const char *method, json_t *params);
void call_fail(const char *method, json_t *params, const char *code);
/* The member @key of sandbox @name as text; static storage. "" if not there */
const char *sandbox_text(const char *name, const char *key);
bool sandbox_is(const char *name, const char *state);
json_t *by_name(const char *name);	/* {"sandbox": name} */
/* The image of host_setup(): image.json, and its three small files. */
void image_meta(struct buf *meta, const char *note);
json_t *image_params(const char *name, const char *meta);
/* Send the files of image_params() after {need: true}. */
void image_send(struct conn *c);

#endif
