/* SPDX-License-Identifier: MIT */
/*
 * runner/agent-get.c - replies of the guest's agent as the API's JSON
 *
 * podflared, loop thread.  Distrusts every value: texts become clean UTF-8,
 * lists are bounded, what is malformed refuses the whole reply.
 */
#include <stdbool.h>

#include "common/agent.h"
#include "common/tlv.h"
#include "runner/agent-json.h"
#include "runner/text.h"

#define SESSIONS_MAX 1024
#define ARGS_MAX 256		/* of a session, more are left out */
#define ARGS_BUDGET (64 * 1024)	/* bytes of all sessions', more are left out */
#define ARG_COST 4		/* quotes, comma */
#define TEXT_MAX 4096		/* bytes of one text, more are cut */

static json_t *clean_text(const struct tlv *t)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	if (text_put(&b, t->data, MIN(t->len, TEXT_MAX), TEXT_CLEAN) < 0)
		return json_string("");
	return json_stringn(buf_str(&b), b.len);
}

static json_t *number(const struct tlv *t)
{
	uint64_t v = t->len == 8 ? tlv_u64(t) : tlv_u32(t);

	return json_integer((json_int_t)MIN(v, (uint64_t)INT64_MAX));
}

static json_t *malformed(json_t *partial, struct err *err)
{
	json_decref(partial);
	err_set(err, ERR_PROTOCOL, "the guest's agent: malformed answer");
	return NULL;
}

static void session_value(json_t *s, const struct tlv *t, size_t *args)
{
	json_t *cmd = json_object_get(s, "cmd");

	if (t->tag == AGENT_T_PID) {
		json_object_set_new(s, "pid", number(t));
	} else if (t->tag == AGENT_T_ARG) {
		*args += MIN(t->len, TEXT_MAX) + ARG_COST;
		if (*args <= ARGS_BUDGET && json_array_size(cmd) < ARGS_MAX)
			json_array_append_new(cmd, clean_text(t));
	} else if (t->tag == AGENT_T_FLAGS) {
		json_object_set_new(s, "tty", json_boolean(tlv_u32(t) &
							   AGENT_EXEC_TTY));
	} else if (t->tag == AGENT_T_STATUS) {
		json_object_set_new(s, "running", json_false());
		json_object_set_new(s, "exit_code", number(t));
	}
}

json_t *agent_get_sessions(const uint8_t *values, size_t len, struct err *err)
{
	json_t *list = json_array(), *s = NULL;
	struct tlv t;
	size_t pos = 0, args = 0;
	int rc;

	while ((rc = tlv_next(values, len, &pos, &t)) > 0) {
		if (t.tag == AGENT_T_SESSION) {
			if (json_array_size(list) >= SESSIONS_MAX)
				return malformed(list, err);
			s = json_pack("{s:o, s:i, s:[], s:b, s:b, s:n}",
				      "session", number(&t), "pid", 0, "cmd",
				      "tty", 0, "running", 1, "exit_code");
			json_array_append_new(list, s);
		} else if (s) {
			session_value(s, &t, &args);
		}
	}
	return rc < 0 ? malformed(list, err) : list;
}

struct field {
	uint16_t tag;
	const char *name;
	bool text;
};

/* The fields of @table that are there. Return: NULL with @err. */
static json_t *get_fields(const uint8_t *values, size_t len,
			  const struct field *table, size_t n, struct err *err)
{
	json_t *obj = json_object();
	struct tlv t;
	size_t pos = 0, i;
	int rc;

	while ((rc = tlv_next(values, len, &pos, &t)) > 0)
		for (i = 0; i < n; i++)
			if (table[i].tag == t.tag)
				json_object_set_new(obj, table[i].name,
						    table[i].text
						    ? clean_text(&t)
						    : number(&t));
	return rc < 0 ? malformed(obj, err) : obj;
}

json_t *agent_get_info(const uint8_t *values, size_t len, struct err *err)
{
	static const struct field fields[] = {
		{ AGENT_T_MEM_TOTAL, "mem_total", false },
		{ AGENT_T_MEM_FREE, "mem_free", false },
		{ AGENT_T_DISK_TOTAL, "disk_total", false },
		{ AGENT_T_DISK_FREE, "disk_free", false },
		{ AGENT_T_PROCS, "procs", false },
		{ AGENT_T_PROCS_MAX, "procs_max", false },
		{ AGENT_T_OOM_KILLS, "oom_kills", false },
		{ AGENT_T_FORK_FAILS, "fork_fails", false },
		{ AGENT_T_LOAD, "load", true },
		{ AGENT_T_KERNEL, "kernel", true },
	};

	return get_fields(values, len, fields, ARRAY_SIZE(fields), err);
}

/* st_mode's type bits, as Linux has them whatever the host. */
static const char *type_name(json_int_t mode)
{
	switch (mode & 0170000) {
	case 0100000:
		return "file";
	case 0040000:
		return "dir";
	case 0120000:
		return "link";
	case 0060000:
		return "block";
	case 0020000:
		return "char";
	case 0010000:
		return "fifo";
	case 0140000:
		return "socket";
	default:
		return "unknown";
	}
}

json_t *agent_get_stat(const uint8_t *values, size_t len, struct err *err)
{
	static const struct field fields[] = {
		{ AGENT_T_MODE, "mode", false },
		{ AGENT_T_SIZE, "size", false },
		{ AGENT_T_UID, "uid", false },
		{ AGENT_T_GID, "gid", false },
		{ AGENT_T_MTIME, "mtime", false },
		{ AGENT_T_LINK, "link", true },
	};
	json_t *obj = get_fields(values, len, fields, ARRAY_SIZE(fields), err);
	json_t *mode = json_object_get(obj, "mode");

	if (!obj)
		return NULL;
	if (!mode)
		return malformed(obj, err);
	json_object_set_new(obj, "exists", json_true());
	json_object_set_new(obj, "type",
			    json_string(type_name(json_integer_value(mode))));
	return obj;
}

int agent_check_hello(const uint8_t *values, size_t len, struct err *err)
{
	struct tlv t;
	size_t pos = 0;
	int rc;

	while ((rc = tlv_next(values, len, &pos, &t)) > 0)
		if (t.tag == AGENT_T_PROTOCOL &&
		    tlv_u32(&t) == AGENT_PROTOCOL)
			return 0;
	if (rc < 0)
		return err_set(err, ERR_PROTOCOL,
			       "the guest's agent: malformed answer");
	return err_set(err, ERR_VERSION,
		       "the guest's agent speaks another protocol");
}
