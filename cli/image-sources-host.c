/* SPDX-License-Identifier: MIT */
/*
 * cli/image-sources-host.c - where the host keeps its apt sources
 *
 * Runs in the CLI.  Reads what apt itself reads, and the user's own file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "cli/image-sources.h"
#include "common/cleanup.h"
#include "common/path.h"

#define APT_ETC "/etc/apt"
#define FILE_MAX MIB

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && !strcmp(name + n - m, end);
}

/* Return: how many sources of the file are wanted, -1 with @err. */
static int select_file(const char *path, const struct sources_want *want,
		       struct buf *out, struct err *err)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	int n;

	if (path_read_file(AT_FDCWD, path, FILE_MAX, &text, err) < 0)
		return -1;
	if (!text.len)
		return 0;
	n = sources_select(buf_str(&text), ends_with(path, ".list"), want, out);
	return n < 0 ? err_sys(err, ENOMEM, "%s", path) : n;
}

static int is_source(const struct dirent *e)
{
	return ends_with(e->d_name, ".list") || ends_with(e->d_name, ".sources");
}

static int select_all(const struct sources_want *want, struct buf *out,
		      struct err *err)
{
	struct dirent **names = NULL;
	char path[PATH_MAX];
	int total = 0, n, i, rc;

	if (access(APT_ETC "/sources.list", F_OK) == 0)
		total = select_file(APT_ETC "/sources.list", want, out, err);
	if (total < 0)
		return -1;
	n = scandir(APT_ETC "/sources.list.d", &names, is_source, alphasort);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), APT_ETC "/sources.list.d/%s",
			 names[i]->d_name);
		free(names[i]);
		rc = total < 0 ? 0 : select_file(path, want, out, err);
		total = rc < 0 ? -1 : total + rc;
	}
	free(names);
	return total;
}

/* VERSION_CODENAME of a Debian host: "trixie", or "". */
static void debian_codename(char *out, size_t size)
{
	CLEANUP_FILE FILE *f = fopen("/etc/os-release", "re");
	bool debian = false;
	char line[256];

	out[0] = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, "ID=debian"))
			debian = true;
		if (!strncmp(line, "VERSION_CODENAME=", 17))
			snprintf(out, size, "%.*s", (int)size - 1, line + 17);
	}
	if (!debian)
		out[0] = '\0';
}

/* See image-sources.h. */
int sources_of_host(const char *suite, struct buf *out, struct err *err)
{
	CLEANUP_FREE char *own = path_place(PATH_CONFIG, NULL, false, err);
	struct sources_want want = { .suite = suite };
	char path[PATH_MAX], codename[64];
	int total = 0, n;

	if (!own)
		return -1;
	snprintf(path, sizeof(path), "%s/%s.sources", own, suite);
	if (access(path, F_OK) == 0)
		total = select_file(path, &want, out, err);
	if (total < 0)
		return -1;
	debian_codename(codename, sizeof(codename));
	/* such a host may call its own release "stable" */
	if (!strcmp(codename, suite))
		want.alias = "stable";
	n = select_all(&want, out, err);
	if (n == 0 && total == 0 && codename[0] && strcmp(codename, suite)) {
		/* the mirror of one release has the others as well */
		want.instead = codename;
		n = select_all(&want, out, err);
	}
	if (n < 0)
		return -1;
	if (n + total > 0)
		return 0;
	err_set(err, ERR_NOT_FOUND,
		"no apt source of this machine has the suite %s", suite);
	return err_hint(err, "describe one in %s, as in "
			APT_ETC "/sources.list.d (deb822; Signed-By: the "
			"keyring of the package debian-archive-keyring)", path);
}
