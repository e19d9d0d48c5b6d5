/* SPDX-License-Identifier: MIT */
/*
 * guest-init/mounts.c - where something is mounted on the root
 *
 * A child of pid 1.  The kernel writes the table, but root chooses the names.
 */
#include "guest-init/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"

#define TABLE_MAX (64 * MIB)
#define POINT_FIELD 4		/* of a line, from 0 */

/* "\040" and the like, in place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' &&
		    s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Return: the mount point of a line, cut out of it; NULL when it has none. */
static char *cut_point(char *line)
{
	char *rest = NULL, *field = strtok_r(line, " ", &rest);

	for (int i = 0; field && i < POINT_FIELD; i++)
		field = strtok_r(NULL, " ", &rest);
	if (field)
		unescape(field);
	return field;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int cut_all(struct mounts *m, struct err *err)
{
	char *rest = NULL;
	size_t lines = 1;

	for (const char *p = m->text; *p; p++)
		lines += *p == '\n';
	m->points = calloc(lines, sizeof(*m->points));
	if (!m->points)
		return err_sys(err, ENOMEM, "mounts");
	for (char *line = strtok_r(m->text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		const char *point = cut_point(line);

		if (point)
			m->points[m->n++] = point;
	}
	qsort(m->points, m->n, sizeof(*m->points), compare);
	return 0;
}

int mounts_read(struct mounts *m, const char *file, struct err *err)
{
	struct buf b = { .max = TABLE_MAX };
	CLEANUP_FD int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	*m = (struct mounts){ 0 };
	if (fd < 0)
		return err_sys(err, errno, "%s", file);
	while ((n = buf_read(&b, fd, 64 * KIB)) > 0)
		continue;
	if (n < 0 || buf_append(&b, "", 1) < 0) {
		err_sys(err, errno, "%s", file);
		buf_free(&b);
		return -1;
	}
	m->text = (char *)b.data;	/* of one that is only freed below */
	if (cut_all(m, err) == 0)
		return 0;
	mounts_free(m);
	return -1;
}

void mounts_free(struct mounts *m)
{
	free(m->points);
	free(m->text);
	*m = (struct mounts){ 0 };
}

bool mounts_has(const struct mounts *m, const char *path)
{
	return m->n && bsearch(&path, m->points, m->n, sizeof(*m->points),
			       compare);
}
