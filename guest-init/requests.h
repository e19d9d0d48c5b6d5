/* SPDX-License-Identifier: MIT */
/* guest-init/requests.h - requests that are answered at once */
#ifndef PODFLARE_GUEST_REQUESTS_H
#define PODFLARE_GUEST_REQUESTS_H

#include "guest-init/conn.h"

/* Each answers on @c, OK or ERROR, and finishes it. */
void request_hello(struct conn *c, const struct frame *f);
void request_info(struct conn *c);
void request_poweroff(struct conn *c);

#endif
