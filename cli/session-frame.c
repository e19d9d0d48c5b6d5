/* SPDX-License-Identifier: MIT */
/*
 * cli/session-frame.c - what the agent's answers say, checked
 *
 * Runs in the CLI.  Distrusts the frames: they are the guest's.
 */
#include "cli/session-frame.h"

#include "cli/cmd.h"
#include "common/agent.h"
#include "common/tlv.h"

/* See session-frame.h. */
int frame_started(const struct frame *f, uint32_t *session, uint32_t *fresh)
{
	struct tlv t;
	size_t pos = 0;
	int rc;

	*session = *fresh = 0;
	while ((rc = tlv_next(f->data, f->len, &pos, &t)) > 0) {
		if (t.tag == AGENT_T_SESSION)
			*session = tlv_u32(&t);
		else if (t.tag == AGENT_T_FRESH)
			*fresh = tlv_u32(&t);
	}
	return rc;
}

/* See session-frame.h. */
int frame_exit(const struct frame *f, int *code, uint32_t *why)
{
	uint32_t status = 0, sig = 0;
	struct tlv t;
	size_t pos = 0;
	int rc;

	*why = 0;
	while ((rc = tlv_next(f->data, f->len, &pos, &t)) > 0) {
		if (t.tag == AGENT_T_STATUS)
			status = tlv_u32(&t);
		else if (t.tag == AGENT_T_SIGNALED)
			sig = tlv_u32(&t);
		else if (t.tag == AGENT_T_WHY)
			*why = tlv_u32(&t);
	}
	if (rc < 0 || status > 255 || sig > 64)
		return -1;
	if (*why & AGENT_WHY_TIMEOUT)
		*code = CMD_EXIT_TIMEOUT;
	else
		*code = sig ? CMD_EXIT_SIGNAL + (int)sig : (int)status;
	return 0;
}

static int get_error(const struct frame *f, const char *where,
		     struct err *err)
{
	char message[512] = "no reason given";
	uint32_t code = ERR_GUEST;
	struct tlv t;
	size_t pos = 0;

	while (tlv_next(f->data, f->len, &pos, &t) > 0) {
		if (t.tag == AGENT_T_MESSAGE)
			tlv_str(&t, message, sizeof(message));
		else if (t.tag == AGENT_T_CODE)
			code = tlv_u32(&t);
	}
	if (code == ERR_NONE || code >= ERR_CODES || code == ERR_USAGE)
		code = ERR_GUEST;
	return err_set(err, (enum err_code)code, "%s%s", where, message);
}

/* See session-frame.h. */
int frame_error(const struct frame *f, struct err *err)
{
	return get_error(f, "in the sandbox: ", err);
}

/* See session-frame.h. */
int frame_error_plain(const struct frame *f, struct err *err)
{
	return get_error(f, "", err);
}
