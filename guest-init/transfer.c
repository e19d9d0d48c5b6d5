/* SPDX-License-Identifier: MIT */
/* guest-init/transfer.c - PUT, GET and STAT, in a process of their own */
#include "guest-init/transfer.h"

void transfer_start(struct conn *c, const struct frame *f)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_FAILED, "not there yet");
	conn_fail(c, &err);
}
