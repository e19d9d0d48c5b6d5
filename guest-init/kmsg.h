/* SPDX-License-Identifier: MIT */
/* guest-init/kmsg.h - what pid 1 has to say, through the kernel's log */
#ifndef PODFLARE_GUEST_KMSG_H
#define PODFLARE_GUEST_KMSG_H

#include "common/err.h"

enum kmsg_level { KMSG_FATAL = 2, KMSG_WARN = 4, KMSG_INFO = 6 };

/* Standard input becomes /dev/null, output and errors the kernel's log. Once
 * /dev is mounted; until then lines go to the console the kernel gave us. */
void kmsg_init(void);
/* One line. KMSG_FATAL reaches the console whatever its log level is. */
void kmsg_line(enum kmsg_level level, const char *fmt, ...) PRINTF(2, 3);
/* Say why there is no going on, then reset the machine: the VMM reports that,
 * and the console's tail holds the line. */
__attribute__((noreturn)) void kmsg_die(const struct err *err);

#endif
