/* SPDX-License-Identifier: MIT */
/*
 * guest-init/mapped.c - files that processes can write to through memory
 *
 * A child of pid 1.  Names in /proc/PID/maps are the guest's: bytes, compared
 * with others.
 */
#include "guest-init/mapped.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/util.h"

static void add(struct mapped *m, uint64_t ino, const char *path)
{
	size_t room = m->room ? 2 * m->room : 64;
	struct mapped_file *grown;
	char *copy = strdup(path);

	if (m->n == m->room && copy && m->n < MAPPED_MAX) {
		grown = realloc(m->files, room * sizeof(*grown));
		if (grown) {
			m->files = grown;
			m->room = room;
		}
	}
	if (!copy || m->n == m->room) {
		free(copy);
		m->all = true;
		return;
	}
	m->files[m->n++] = (struct mapped_file){ ino, copy };
}

/* proc(5): "start-end rw-s offset major:minor inode      path" */
static void take_line(struct mapped *m, const char *line)
{
	char mode[5] = "";
	uint64_t ino = 0;
	int path = 0;

	if (sscanf(line, "%*x-%*x %4s %*x %*x:%*x %" SCNu64 " %n", mode, &ino,
		   &path) < 2 || mode[1] != 'w' || mode[3] != 's')
		return;
	add(m, ino, path ? line + path : "");
}

static void read_process(struct mapped *m, const char *proc, const char *pid)
{
	CLEANUP_FREE char *line = NULL;
	CLEANUP_FILE FILE *f = NULL;
	char name[128];
	size_t size = 0;
	ssize_t n;

	snprintf(name, sizeof(name), "%s/%.20s/maps", proc, pid);
	f = fopen(name, "re");
	while (f && (n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		take_line(m, line);
	}
}

void mapped_read(struct mapped *m, const char *proc)
{
	CLEANUP_DIR DIR *d = opendir(proc);
	struct dirent *e;

	*m = (struct mapped){ 0 };
	while (d && !m->all && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			read_process(m, proc, e->d_name);
}

void mapped_free(struct mapped *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->files[i].path);
	free(m->files);
	*m = (struct mapped){ 0 };
}

bool mapped_has(const struct mapped *m, uint64_t ino, const char *path)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->files[i].ino == ino || !strcmp(m->files[i].path, path))
			return true;
	return m->all;
}
