/* SPDX-License-Identifier: MIT */
/* runner/vmm/request-config.h - requests that make a machine, or save it */
#ifndef PODFLARE_VMM_REQUEST_CONFIG_H
#define PODFLARE_VMM_REQUEST_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct vmm;

/* Return, the three: false when the message is none; else it was answered, and
 * the fds were taken over. */
bool request_config(struct vmm *v, const void *msg, size_t len, int *fds,
		    size_t nfds);
bool request_restore(struct vmm *v, const void *msg, size_t len, int *fds,
		     size_t nfds);
bool request_save(struct vmm *v, const void *msg, size_t len, int *fds,
		  size_t nfds);

/* In request.c. Answer @seq: @error 0 or an errno; @fd goes along unless -1. */
void request_reply(struct vmm *v, uint64_t seq, int error, const char *detail,
		   int fd);
void request_reply_err(struct vmm *v, uint64_t seq, const struct err *err);
/* Those that are not -1. */
void request_close_fds(const int *fds, size_t nfds);

#endif
