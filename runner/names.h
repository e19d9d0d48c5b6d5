/* SPDX-License-Identifier: MIT */
/* runner/names.h - names and ids of new sandboxes */
#ifndef PODFLARE_RUNNER_NAMES_H
#define PODFLARE_RUNNER_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define SANDBOX_ID_LEN 12

/* 12 random hexadecimal digits. @out has SANDBOX_ID_LEN + 1 bytes. */
void names_id(char *out);
bool names_id_valid(const char *s);
/* "brave-otter"; from the tenth @attempt on with a number behind it. */
void names_random(char *out, size_t size, unsigned int attempt);

#endif
