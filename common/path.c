/* SPDX-License-Identifier: MIT */
/*
 * common/path.c - the XDG places, names, Unix sockets by folder
 *
 * Any process.  Distrusts the shared /tmp (the runtime folder is checked) and
 * every name: they are never used as paths unchecked.
 */
#include "common/path.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"

/* XDG Base Directory Specification: variable, default below $HOME */
static const struct {
	const char *var;
	const char *below_home;
} places[] = {
	[PATH_RUNTIME] = { "XDG_RUNTIME_DIR", NULL },
	[PATH_DATA] = { "XDG_DATA_HOME", ".local/share" },
	[PATH_CONFIG] = { "XDG_CONFIG_HOME", ".config" },
	[PATH_CACHE] = { "XDG_CACHE_HOME", ".cache" },
	[PATH_STATE] = { "XDG_STATE_HOME", ".local/state" },
};

int path_mkdirs(const char *path, struct err *err)
{
	CLEANUP_FREE char *copy = strdup(path);
	struct stat st;

	if (!copy)
		return err_sys(err, ENOMEM, "%s", path);
	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST &&
		    stat(copy, &st) < 0)
			return err_sys(err, errno, "%s", copy);
		*p = c;
		if (c == '\0')
			break;
	}
	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
		return err_sys(err, ENOTDIR, "%s", path);
	return 0;
}

/* The runtime folder holds sockets: nobody else may have a say in it. */
static int check_private(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return err_sys(err, errno, "%s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 077)) {
		err_set(err, ERR_PERMISSION,
			"%s: not a private directory of our own", path);
		return err_hint(err, "remove it, or set XDG_RUNTIME_DIR to a "
				"directory of yours with mode 0700");
	}
	return 0;
}

static const char *home_dir(void)
{
	const char *home = getenv("HOME");
	struct passwd *pw;

	if (home && home[0] == '/')
		return home;
	pw = getpwuid(geteuid());
	return pw ? pw->pw_dir : NULL;
}

static char *place_root(enum path_place place, struct err *err)
{
	const char *xdg = getenv(places[place].var);
	const char *home;
	char *path = NULL;
	int n;

	/* the specification has relative values ignored */
	if (xdg && xdg[0] == '/') {
		n = asprintf(&path, "%s/podflare", xdg);
	} else if (place == PATH_RUNTIME) {
		n = asprintf(&path, "/tmp/podflare-%u",
			     (unsigned int)geteuid());
	} else {
		home = home_dir();
		if (!home) {
			err_set(err, ERR_FAILED, "no home directory");
			err_hint(err, "set HOME, or %s", places[place].var);
			return NULL;
		}
		n = asprintf(&path, "%s/%s/podflare", home,
			     places[place].below_home);
	}
	if (n < 0) {
		err_sys(err, ENOMEM, "path");
		return NULL;
	}
	return path;
}

char *path_place(enum path_place place, const char *sub, bool make,
		 struct err *err)
{
	CLEANUP_FREE char *root = place_root(place, err);
	char *path = NULL;

	if (!root)
		return NULL;
	if (make && path_mkdirs(root, err) < 0)
		return NULL;
	if (place == PATH_RUNTIME && (make || access(root, F_OK) == 0) &&
	    check_private(root, err) < 0)
		return NULL;
	if (!sub)
		return steal_ptr(&root);
	if (asprintf(&path, "%s/%s", root, sub) < 0) {
		err_sys(err, ENOMEM, "path");
		return NULL;
	}
	if (make && path_mkdirs(path, err) < 0) {
		free(path);
		return NULL;
	}
	return path;
}

bool path_name_valid(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > PODFLARE_NAME_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!alnum && (i == 0 || !strchr("_.-", c)))
			return false;
	}
	return true;
}

/* An address for a socket in @dirfd that fits sun_path however deep it lies. */
static int unix_address(struct sockaddr_un *sa, int dirfd, const char *name,
			struct err *err)
{
	int n;

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if (dirfd == AT_FDCWD)
		n = snprintf(sa->sun_path, sizeof(sa->sun_path), "%s", name);
	else
		n = snprintf(sa->sun_path, sizeof(sa->sun_path),
			     "/proc/self/fd/%d/%s", dirfd, name);
	if (n < 0 || (size_t)n >= sizeof(sa->sun_path))
		return err_sys(err, ENAMETOOLONG, "socket %s", name);
	return 0;
}

int path_bind_unix(int dirfd, const char *name, int type, struct err *err)
{
	CLEANUP_FD int fd = -1;
	struct sockaddr_un sa;

	if (unix_address(&sa, dirfd, name, err) < 0)
		return -1;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, errno, "socket");
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, errno, "socket %s", name);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return err_sys(err, errno, "socket %s", name);
	return steal_fd(&fd);
}

int path_connect_unix(int dirfd, const char *name, int type, struct err *err)
{
	CLEANUP_FD int fd = -1;
	struct sockaddr_un sa;

	if (unix_address(&sa, dirfd, name, err) < 0)
		return -1;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, errno, "socket");
	if (TEMP_FAILURE_RETRY(connect(fd, (struct sockaddr *)&sa,
				       sizeof(sa))) < 0)
		return err_sys(err, errno, "socket %s", name);
	return steal_fd(&fd);
}

char *path_program(const char *name, struct err *err)
{
	const char *env = getenv("PODFLARE_LIBEXEC");
	CLEANUP_FREE char *self = calloc(1, PATH_MAX);
	const char *dirs[3] = { env, NULL, PODFLARE_LIBEXECDIR };
	char *path = NULL, *slash;

	if (self && readlink("/proc/self/exe", self, PATH_MAX - 1) > 0) {
		slash = strrchr(self, '/');
		if (slash && slash != self) {
			*slash = '\0';
			dirs[1] = self;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		if (!dirs[i] || !dirs[i][0])
			continue;
		if (asprintf(&path, "%s/%s", dirs[i], name) < 0)
			break;
		if (access(path, R_OK) == 0)
			return path;
		free(path);
	}
	err_set(err, ERR_NOT_FOUND, "%s: not found beside podflare nor in %s",
		name, PODFLARE_LIBEXECDIR);
	err_hint(err, "install podflare completely (make install), or set "
		 "PODFLARE_LIBEXEC to the folder that holds it");
	return NULL;
}
