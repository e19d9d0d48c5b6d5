/* SPDX-License-Identifier: MIT */
/* tests/fake/vmmctl-stream.c - what vmmctl does with a stream into the guest */
#include "tests/fake/vmmctl-stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proc.h"

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 7 + at / 251);
}

/* One step of an echo: whatever poll(2) allows. Return: false on an error. */
static bool echo_step(int fd, size_t *sent, size_t *got, size_t total)
{
	struct pollfd p = {
		.fd = fd, .events = POLLIN | (*sent < total ? POLLOUT : 0),
	};
	uint8_t buf[16384];
	ssize_t n = 0;

	if (poll(&p, 1, 20000) <= 0)
		return false;
	if (p.revents & POLLOUT) {
		size_t len = MIN(sizeof(buf), total - *sent);

		for (size_t i = 0; i < len; i++)
			buf[i] = pattern(*sent + i);
		n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return false;
		*sent += (size_t)MAX(n, 0);
		if (*sent == total)
			shutdown(fd, SHUT_WR);
	}
	if (!(p.revents & (POLLIN | POLLHUP)))
		return true;
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return false;
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != pattern(*got + (size_t)i))
			return false;
	*got += (size_t)MAX(n, 0);
	return true;
}

bool stream_echo(int fd, size_t total, size_t *got)
{
	size_t sent = 0;
	bool ok = true;
	char byte;

	*got = 0;
	while (ok && *got < total)
		ok = echo_step(fd, &sent, got, total);
	/* the end of the stream arrives as well */
	return ok && recv(fd, &byte, 1, 0) == 0;
}

bool stream_with(int fd, const char *command)
{
	const char *argv[] = { "sh", "-c", command, NULL };
	struct proc_spawn s = {
		.argv = argv, .fds = { 0, 1, 2, fd }, .nfds = 4,
	};
	struct err err = ERR_INIT;
	pid_t pid = proc_spawn(&s, NULL, &err);
	int status = -1;

	close(fd);
	if (pid < 0)
		fprintf(stderr, "vmmctl: %s\n", err.msg);
	else
		waitpid(pid, &status, 0);
	return status == 0;
}
