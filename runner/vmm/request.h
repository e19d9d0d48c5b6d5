/* SPDX-License-Identifier: MIT */
/* runner/vmm/request.h - the requests of control.h, checked and carried out */
#ifndef PODFLARE_VMM_REQUEST_H
#define PODFLARE_VMM_REQUEST_H

#include "runner/vmm/ctlsock.h"

/* For the control socket that is part of a struct vmm. */
extern const struct ctlsock_ops request_ops;

#endif
