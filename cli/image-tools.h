/* SPDX-License-Identifier: MIT */
/* cli/image-tools.h - what image build and import need on this host */
#ifndef PODFLARE_CLI_IMAGE_TOOLS_H
#define PODFLARE_CLI_IMAGE_TOOLS_H

#include <stdbool.h>

#include "common/err.h"

/* Return: 0 when the programs that build (or import) an image are there, or -1
 * with @err, whose hint installs what is missing. */
int tools_check(bool build, struct err *err);
/* Return: 0 when this ordinary user may have a user namespace with many ids, as
 * mmdebstrap needs; root needs none. Else -1 with @err and the cure. */
int tools_check_userns(struct err *err);
/* Whether /etc/subuid or /etc/subgid (@text) gives @user (by name or id) at
 * least 65536 ids. */
bool tools_has_subids(const char *text, const char *user, unsigned int uid);

#endif
