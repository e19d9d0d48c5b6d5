/* SPDX-License-Identifier: MIT */
/* tests/fake/vmmctl-stream.h - what vmmctl does with a stream into the guest */
#ifndef PODFLARE_TESTS_VMMCTL_STREAM_H
#define PODFLARE_TESTS_VMMCTL_STREAM_H

#include <stdbool.h>
#include <stddef.h>

/* Send @total bytes of a pattern, want them back and then the stream's end.
 * @param got how many came. Return: whether all was right. */
bool stream_echo(int fd, size_t total, size_t *got);
/* Run @command by the shell with the stream as its descriptor 3; @fd is closed.
 * Return: whether it ended with status 0. */
bool stream_with(int fd, const char *command);

#endif
