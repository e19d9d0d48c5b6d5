/* SPDX-License-Identifier: MIT */
/* tests/unit/change-maker.h - records of CHANGES, as an agent would send them */
#ifndef PODFLARE_TESTS_CHANGE_MAKER_H
#define PODFLARE_TESTS_CHANGE_MAKER_H

#include "cli/change.h"

/* Append the record; what is 0 or NULL in @c is left out. */
void change_put(struct buf *b, const struct change *c);
/* Append a record of raw TLVs. */
void change_put_raw(struct buf *b, const struct buf *tlvs);
/* Parse all of @b in pieces of @piece bytes. Return: as change_parse(). */
int change_parse_all(struct change_list *list, const struct buf *b, bool all,
		     size_t piece, struct err *err);

#endif
