/* SPDX-License-Identifier: MIT */
/*
 * common/err.c - the error object
 *
 * Any process, any thread; an object belongs to one thread at a time.  Owns no
 * memory.
 */
#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const code_names[ERR_CODES] = {
	[ERR_NONE] = "none",
	[ERR_FAILED] = "failed",
	[ERR_USAGE] = "usage",
	[ERR_NOT_FOUND] = "not_found",
	[ERR_EXISTS] = "exists",
	[ERR_STATE] = "state",
	[ERR_BUSY] = "busy",
	[ERR_LIMIT] = "limit",
	[ERR_NO_SPACE] = "no_space",
	[ERR_NO_MEMORY] = "no_memory",
	[ERR_PERMISSION] = "permission",
	[ERR_KVM] = "kvm",
	[ERR_VERSION] = "version",
	[ERR_TIMEOUT] = "timeout",
	[ERR_PROTOCOL] = "protocol",
	[ERR_GUEST] = "guest",
	[ERR_IO] = "io",
	[ERR_UNAVAILABLE] = "unavailable",
	[ERR_CANCELLED] = "cancelled",
};

static enum err_code code_of_errno(int sys)
{
	switch (sys) {
	case ENOENT:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EBUSY:
	case ETXTBSY:
		return ERR_BUSY;
	case ENOSPC:
	case EDQUOT:
		return ERR_NO_SPACE;
	case ENOMEM:
		return ERR_NO_MEMORY;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_PERMISSION;
	case EMFILE:
	case ENFILE:
	case EFBIG:
		return ERR_LIMIT;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case EPROTO:
	case EBADMSG:
		return ERR_PROTOCOL;
	case EIO:
		return ERR_IO;
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
		return ERR_UNAVAILABLE;
	case ECANCELED:
		return ERR_CANCELLED;
	default:
		return ERR_FAILED;
	}
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	err->code = code;
	err->sys = 0;
	err->hint[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return -1;
}

int err_sys(struct err *err, int sys, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	if (!err)
		return -1;
	err->code = code_of_errno(sys);
	err->sys = sys;
	err->hint[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", strerror(sys));
	return -1;
}

int err_context(struct err *err, const char *fmt, ...)
{
	char old[sizeof(err->msg)];
	va_list ap;
	size_t n;

	if (!err)
		return -1;
	memcpy(old, err->msg, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	n = strlen(err->msg);
	snprintf(err->msg + n, sizeof(err->msg) - n, ": %.*s",
		 (int)sizeof(old) - 1, old);
	return -1;
}

int err_hint(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err || err->hint[0])
		return -1;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
	return -1;
}

const char *err_code_name(enum err_code code)
{
	if ((unsigned int)code >= ERR_CODES)
		return code_names[ERR_FAILED];
	return code_names[code];
}

enum err_code err_code_parse(const char *name)
{
	for (int i = 0; i < ERR_CODES; i++)
		if (strcmp(code_names[i], name) == 0)
			return i;
	return ERR_FAILED;
}
