/* SPDX-License-Identifier: MIT */
/*
 * guest-init/kmsg.c - what pid 1 has to say, through the kernel's log
 *
 * Pid 1.  The kernel prints its log by polling, so a line gets out even when
 * the serial port's interrupt does not work; a write(2) to the port itself
 * would then hang for ever.
 */
#include "guest-init/kmsg.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <unistd.h>

void kmsg_init(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (log >= 0 || null >= 0) {
		dup2(log >= 0 ? log : null, STDOUT_FILENO);
		dup2(log >= 0 ? log : null, STDERR_FILENO);
	}
	if (null > STDERR_FILENO)
		close(null);
	if (log > STDERR_FILENO)
		close(log);
}

void kmsg_line(enum kmsg_level level, const char *fmt, ...)
{
	char line[960];	/* the kernel cuts a record at about 1000 */
	va_list ap;
	int n = snprintf(line, sizeof(line), "<%d>podflare-init: ", level);

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - 1 - (size_t)n, fmt, ap);
	va_end(ap);
	strcat(line, "\n");
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return;	/* nowhere to say so */
}

/* See kmsg.h: a reset, which the VMM tells from an orderly end. */
void kmsg_die(const struct err *err)
{
	kmsg_line(KMSG_FATAL, "%s", err->msg);
	if (err->hint[0])
		kmsg_line(KMSG_FATAL, "hint: %s", err->hint);
	sync();
	reboot(RB_AUTOBOOT);
	_exit(1);	/* the kernel panics, which is a reset as well */
}
