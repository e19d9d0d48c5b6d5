/* SPDX-License-Identifier: MIT */
/*
 * common/err.h - the error object
 *
 * The last parameter of a function that can fail for a reason worth telling.
 * It is set only on failure, gets context on the way up, and is printed once,
 * in main.  It owns no memory, so it can be dropped anywhere:
 *
 *	struct err err = ERR_INIT;
 *
 *	if (thing_open(&err) < 0)
 *		return err_context(&err, "image %s", name);
 */
#ifndef PODFLARE_COMMON_ERR_H
#define PODFLARE_COMMON_ERR_H

#include "common/util.h"

/* Stable: the names (err_code_name()) are part of the API. */
enum err_code {
	ERR_NONE,
	ERR_FAILED,	/* anything without a code of its own */
	ERR_USAGE,	/* flags, parameters, recipe: the caller is wrong */
	ERR_NOT_FOUND,
	ERR_EXISTS,
	ERR_STATE,	/* the object's state does not allow it */
	ERR_BUSY,	/* in use by something else */
	ERR_LIMIT,	/* a documented bound would be passed */
	ERR_NO_SPACE,	/* disk full */
	ERR_NO_MEMORY,
	ERR_PERMISSION,
	ERR_KVM,	/* no usable /dev/kvm */
	ERR_VERSION,	/* the other side is of another version */
	ERR_TIMEOUT,
	ERR_PROTOCOL,	/* the other side broke the protocol */
	ERR_GUEST,	/* the guest failed (panic, no answer) */
	ERR_IO,
	ERR_UNAVAILABLE,/* runner or machine cannot be reached */
	ERR_CANCELLED,
	ERR_CODES
};

struct err {
	enum err_code code;
	int sys;		/* errno, 0 when it was none */
	char msg[1024];		/* "WHAT: WHY", no newline */
	char hint[512];		/* the cure, "" when none is known */
};

#define ERR_INIT { .code = ERR_NONE }

/* All of them accept err == NULL and return -1, so that a failing function
 * can end with `return err_set(err, ...)`. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
	PRINTF(3, 4);
/* As err_set, ": strerror(sys)" appended; the code follows from errno
 * (ENOENT: not_found, ENOSPC: no_space, EACCES: permission, ...). */
int err_sys(struct err *err, int sys, const char *fmt, ...) PRINTF(3, 4);
/* Put "fmt: " before the message. */
int err_context(struct err *err, const char *fmt, ...) PRINTF(2, 3);
/* Set the hint, unless one stands already. */
int err_hint(struct err *err, const char *fmt, ...) PRINTF(2, 3);

/* "not_found", ...; unknown codes are "failed". */
const char *err_code_name(enum err_code code);
/* Return: the code of that name, ERR_FAILED when there is none. */
enum err_code err_code_parse(const char *name);

#endif
