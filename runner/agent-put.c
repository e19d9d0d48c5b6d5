/* SPDX-License-Identifier: MIT */
/*
 * runner/agent-put.c - requests to the guest's agent from the API's JSON
 *
 * podflared, loop thread.  Distrusts the client for form: numbers are bounded,
 * the whole request fits one frame.
 */
#include "runner/agent-json.h"

#include <sys/random.h>
#include <time.h>

#include "common/agent.h"
#include "common/frame.h"
#include "common/tlv.h"
#include "runner/param.h"

#define ENTROPY 64

static int too_large(const char *what, struct err *err)
{
	return err_set(err, ERR_LIMIT, "%s over %d bytes", what, FRAME_MAX);
}

int agent_check_env(const json_t *env, struct err *err)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)env, key, v)
		if (!*key || strchr(key, '='))
			return err_set(err, ERR_USAGE,
				       "env: \"%.64s\" cannot be the name of a "
				       "variable", key);
	return 0;
}

static int put_flag(struct buf *out, uint16_t tag, uint64_t v)
{
	return v ? tlv_put_u32(out, tag, (uint32_t)v) : 0;
}

static int put_text(struct buf *out, uint16_t tag, const char *s)
{
	return s && *s ? tlv_put_str(out, tag, s) : 0;
}

int agent_put_hello(struct buf *out, const char *hostname,
		    enum hello_kind kind, struct err *err)
{
	uint8_t entropy[ENTROPY];
	struct timespec ts;
	int rc;

	if (getrandom(entropy, sizeof(entropy), 0) != sizeof(entropy))
		return err_set(err, ERR_FAILED, "getrandom");
	clock_gettime(CLOCK_REALTIME, &ts);
	rc = tlv_put_u32(out, AGENT_T_PROTOCOL, AGENT_PROTOCOL) |
	     tlv_put(out, AGENT_T_ENTROPY, entropy, sizeof(entropy)) |
	     tlv_put_u64(out, AGENT_T_REALTIME,
			 (uint64_t)ts.tv_sec * 1000000000ULL +
			 (uint64_t)ts.tv_nsec) |
	     tlv_put_str(out, AGENT_T_HOSTNAME, hostname) |
	     tlv_put_str(out, AGENT_T_VERSION, PACKAGE_VERSION) |
	     put_flag(out, AGENT_T_COPY, kind == HELLO_COPY) |
	     put_flag(out, AGENT_T_FROZEN, kind == HELLO_VIEW);
	explicit_bzero(entropy, sizeof(entropy));
	return rc < 0 ? err_set(err, ERR_NO_MEMORY, "hello") : 0;
}

/* Later objects win over earlier ones. */
static int put_env(struct buf *out, uint16_t tag, const json_t *const *envs,
		   size_t n)
{
	const char *key;
	json_t *v;
	size_t i, j;

	for (i = 0; i < n; i++) {
		json_object_foreach((json_t *)envs[i], key, v) {
			CLEANUP_BUF struct buf kv = BUF_INIT;

			for (j = i + 1; j < n; j++)
				if (json_object_get(envs[j], key))
					break;
			if (j < n)
				continue;
			if (buf_printf(&kv, "%s=%s", key,
				       json_string_value(v)) < 0 ||
			    tlv_put(out, tag, kv.data, kv.len) < 0)
				return -1;
		}
	}
	return 0;
}

static uint32_t exec_flags(const json_t *p)
{
	return (param_bool(p, "tty") ? AGENT_EXEC_TTY : 0) |
	       (param_bool(p, "stdin") ? AGENT_EXEC_STDIN : 0) |
	       (param_bool(p, "keep") ? AGENT_EXEC_KEEP : 0);
}

int agent_put_exec(struct buf *out, const json_t *params,
		   const struct exec_defaults *def, struct err *err)
{
	const json_t *envs[] = { def->image_env, def->sandbox_env,
				 param_get(params, "env") };
	const json_t *cmd = param_get(params, "cmd");
	const char *user = param_str(params, "user", def->user);
	/* the image's folder is meant for the image's user */
	const char *cwd = param_str(params, "cwd",
				    strcmp(user, def->user) ? "" : def->workdir);
	uint64_t rows = 0, cols = 0, timeout = 0;
	json_t *arg;
	size_t i;

	if (!json_array_size(cmd) ||
	    !json_string_length(json_array_get(cmd, 0)))
		return err_set(err, ERR_USAGE, "cmd: empty");
	if (param_range(params, "rows", 0, 65535, &rows, err) < 0 ||
	    param_range(params, "cols", 0, 65535, &cols, err) < 0 ||
	    param_range(params, "timeout_ms", 0, UINT32_MAX, &timeout,
			err) < 0 ||
	    (envs[2] && agent_check_env(envs[2], err) < 0))
		return -1;
	out->max = FRAME_MAX;
	json_array_foreach(cmd, i, arg)
		if (tlv_put_str(out, AGENT_T_ARG, json_string_value(arg)) < 0)
			return too_large("command and environment are", err);
	if (put_env(out, AGENT_T_ENV, envs, ARRAY_SIZE(envs)) < 0 ||
	    put_text(out, AGENT_T_CWD, cwd) < 0 ||
	    put_text(out, AGENT_T_USER, user) < 0 ||
	    put_flag(out, AGENT_T_FLAGS, exec_flags(params)) < 0 ||
	    put_flag(out, AGENT_T_ROWS, rows) < 0 ||
	    put_flag(out, AGENT_T_COLS, cols) < 0 ||
	    put_flag(out, AGENT_T_TIMEOUT, timeout) < 0)
		return too_large("command and environment are", err);
	return 0;
}

int agent_put_code(struct buf *out, const json_t *params,
		   const struct exec_defaults *def, uint32_t flags,
		   struct err *err)
{
	const json_t *envs[] = { def->image_env, def->sandbox_env };
	const json_t *env = param_get(params, "env");
	uint64_t timeout = 0;

	if (param_range(params, "timeout_ms", 0, UINT32_MAX, &timeout,
			err) < 0 || (env && agent_check_env(env, err) < 0))
		return -1;
	flags |= (param_bool(params, "stdin") ? AGENT_EXEC_STDIN : 0) |
		 (param_bool(params, "ask") ? AGENT_CODE_ASK : 0) |
		 (param_bool(params, "keep") ? AGENT_EXEC_KEEP : 0) |
		 (param_bool(params, "restart") ? AGENT_CODE_RESTART : 0) |
		 (param_bool(params, "displays") ? AGENT_CODE_DISPLAY : 0);
	out->max = FRAME_MAX;
	if (put_text(out, AGENT_T_LANG,
		     param_str(params, "lang", "python")) < 0 ||
	    put_text(out, AGENT_T_NAME, param_str(params, "name", "")) < 0 ||
	    put_env(out, AGENT_T_ENV, envs, ARRAY_SIZE(envs)) < 0 ||
	    put_env(out, AGENT_T_CALL_ENV, &env, env != NULL) < 0 ||
	    put_text(out, AGENT_T_CWD, def->workdir) < 0 ||
	    put_text(out, AGENT_T_USER, def->user) < 0 ||
	    put_flag(out, AGENT_T_FLAGS, flags) < 0 ||
	    put_flag(out, AGENT_T_TIMEOUT, timeout) < 0)
		return too_large("the environment is", err);
	return 0;
}

int agent_put_session(struct buf *out, int64_t session, struct err *err)
{
	if (session > UINT32_MAX)
		return err_set(err, ERR_NOT_FOUND,
			       "session %lld: there is no such session",
			       (long long)session);
	if (tlv_put_u32(out, AGENT_T_SESSION, (uint32_t)session) < 0)
		return err_set(err, ERR_NO_MEMORY, "session");
	return 0;
}

int agent_put_file(struct buf *out, const json_t *params, struct err *err)
{
	const char *path = param_str(params, "path", "");

	if (!*path)
		return err_set(err, ERR_USAGE, "path: empty");
	out->max = FRAME_MAX;
	if (tlv_put_str(out, AGENT_T_PATH, path) < 0 ||
	    put_text(out, AGENT_T_NAME, param_str(params, "name", "")) < 0 ||
	    put_text(out, AGENT_T_USER, param_str(params, "user", "")) < 0 ||
	    put_flag(out, AGENT_T_FOLLOW, param_bool(params, "follow")) < 0 ||
	    put_flag(out, AGENT_T_IMAGE, param_bool(params, "image")) < 0)
		return too_large("the paths are", err);
	return 0;
}

int agent_put_changes(struct buf *out, const json_t *params, struct err *err)
{
	const json_t *paths = param_get(params, "paths");
	json_t *path;
	size_t i;

	out->max = FRAME_MAX;
	json_array_foreach(paths, i, path)
		if (tlv_put_str(out, AGENT_T_PATH, json_string_value(path)) < 0)
			return too_large("the paths are", err);
	if (put_flag(out, AGENT_T_ALL, param_bool(params, "all")) < 0)
		return too_large("the paths are", err);
	return 0;
}
