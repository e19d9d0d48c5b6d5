/* SPDX-License-Identifier: MIT */
/* cli/virt.h - can this processor run guests */
#ifndef PODFLARE_CLI_VIRT_H
#define PODFLARE_CLI_VIRT_H

#include <stdbool.h>

/* Return: whether the CPU lets KVM run guests (vmx or svm in /proc/cpuinfo). */
bool virt_present(void);

#endif
