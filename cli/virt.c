/* SPDX-License-Identifier: MIT */
/*
 * cli/virt.c - can this processor run guests
 *
 * Runs in the CLI, on the kernel's word.
 */
#include "cli/virt.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

static bool has_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = line; (p = strstr(p, word)); p += n)
		if (p > line && p[-1] == ' ' && strchr(" \n", p[n]))
			return true;
	return false;
}

/* See virt.h. */
bool virt_present(void)
{
	CLEANUP_FILE FILE *f = fopen("/proc/cpuinfo", "re");
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0)
		if (strncmp(line, "flags", 5) == 0)
			return has_word(line, "vmx") || has_word(line, "svm");
	return false;
}
