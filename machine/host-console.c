/* SPDX-License-Identifier: MIT */
/*
 * machine/host-console.c - the machine's serial console, kept within bounds
 *
 * Supervisor.  Two files of HOST_LOG_MAX bytes at most: when console.log is full
 * it becomes console.log.1.  Distrusts the bytes: they go to the file as they
 * are, and to a terminal only through console_last(), made safe.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"
#include "machine/host.h"

#define TAIL 4096

struct console {
	struct loop *loop;
	struct loop_watch watch;
	int sock, file;
	char *path;
	size_t size;
};

static int open_log(struct console *c)
{
	struct stat st;

	c->file = open(c->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		       0600);
	if (c->file < 0)
		return -1;
	c->size = fstat(c->file, &st) == 0 ? (size_t)st.st_size : 0;
	return 0;
}

static void rotate(struct console *c)
{
	char old[PATH_MAX];

	snprintf(old, sizeof(old), "%s.1", c->path);
	if (rename(c->path, old) < 0)
		unlink(c->path);
	close(c->file);
	if (open_log(c) < 0)
		c->file = -1;
}

static void on_console(struct loop_watch *w, uint32_t events)
{
	struct console *c = container_of(w, struct console, watch);
	char data[4096];
	ssize_t n = read(c->sock, data, sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		loop_del(c->loop, w);
		return;
	}
	/* a full disk costs log lines, nothing else */
	if (c->file >= 0 && write(c->file, data, (size_t)n) == n)
		c->size += (size_t)n;
	if (c->size > HOST_LOG_MAX)
		rotate(c);
}

int console_open(struct host *h, struct err *err)
{
	struct console *c = calloc(1, sizeof(*c));

	if (!c)
		return err_sys(err, ENOMEM, "console");
	h->console = c;
	c->loop = &h->loop;
	c->watch = (struct loop_watch){ .fd = -1, .cb = on_console };
	c->file = -1;
	c->sock = host_qemu_connect(h, HOST_CONSOLE_SOCKET, err);
	c->path = host_log_path("console.log", err);
	if (c->sock < 0 || !c->path)
		return -1;
	if (open_log(c) < 0)
		return err_sys(err, errno, "%s", c->path);
	if (loop_add(c->loop, &c->watch, c->sock, EPOLLIN) < 0)
		return err_sys(err, errno, "console");
	return 0;
}

void console_close(struct host *h)
{
	struct console *c = h->console;

	if (!c)
		return;
	loop_del(c->loop, &c->watch);
	if (c->sock >= 0)
		close(c->sock);
	if (c->file >= 0)
		close(c->file);
	free(c->path);
	free(c);
	h->console = NULL;
}

/* The last line with text in the last @TAIL bytes of the file @name. */
static int last_line(const char *name, char *out, size_t size)
{
	CLEANUP_FREE char *path = host_log_path(name, NULL);
	CLEANUP_FD int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	char data[TAIL + 1], *end, *line;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	n = pread(fd, data, TAIL, MAX(st.st_size - TAIL, 0));
	if (n <= 0)
		return -1;
	end = data + n;
	while (end > data && (unsigned char)end[-1] <= ' ')
		end--;
	*end = '\0';
	line = strrchr(data, '\n');
	line = line ? line + 1 : data;
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	snprintf(out, size, "%s", line);
	return *line ? 0 : -1;
}

char *console_last(const struct host *h, char *out, size_t size)
{
	if (last_line("qemu.log", out, size) < 0 &&
	    last_line("console.log", out, size) < 0)
		snprintf(out, size, "it said nothing");
	return out;
}
