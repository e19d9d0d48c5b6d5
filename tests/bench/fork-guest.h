/* SPDX-License-Identifier: MIT */
/* tests/bench/fork-guest.h - a guest of a few instructions */
#ifndef PODFLARE_TESTS_BENCH_FORK_GUEST_H
#define PODFLARE_TESTS_BENCH_FORK_GUEST_H

#include <stdbool.h>
#include <stdint.h>

/* A kernel for podflare-vmm: it writes to each page of @dirty bytes from 32 MiB
 * on, sends an 'h' to COM1 and is idle then.  In a copy it makes an exit at once.
 * @busy: it exits all the time instead.  Return: the file, or -1 with errno. */
int fork_guest_kernel(uint64_t dirty, bool busy);
/* The same for QEMU, as a ROM of @size bytes: it writes 'h' to the debug console
 * (port 0xe9) again and again. Runs with interrupts off. */
#define FORK_GUEST_ROM 65536
void fork_guest_rom(uint8_t rom[FORK_GUEST_ROM], uint64_t dirty);

#endif
