/* SPDX-License-Identifier: MIT */
/* runner/template-file.h - a template in files, which outlive its process */
#ifndef PODFLARE_RUNNER_TEMPLATE_FILE_H
#define PODFLARE_RUNNER_TEMPLATE_FILE_H

#include "runner/sandbox.h"

/* Whether its folder has all of it. */
bool template_file_whole(const struct sandbox *t);
/* Save @t (SB_HELD), soon, when nothing else is being made. A failure is
 * logged: then it has no files. */
void template_file_want(struct sandbox *t);
/* At the end: forget what is being saved; the next runner begins anew. */
void template_file_let_go(struct runner *r);

#endif
