/* SPDX-License-Identifier: MIT */
/*
 * cli/image-apt.c - an apt of our own in the cache folder
 *
 * Runs in the CLI.  apt checks signatures and digests; what its programs print
 * is read with bounds.
 */
#include "cli/image-apt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/image-sources.h"
#include "cli/output.h"
#include "common/cleanup.h"
#include "common/path.h"

#define OUTPUT_MAX MIB

extern char **environ;

/* Where lines of a short program go: all of them. */
static void collect(struct job *j, const char *line)
{
	buf_printf(j->data, "%s\n", line);
}

static char *lookup(struct job *j, const char *const *argv,
		    const char *const *envp, struct err *err)
{
	struct buf out = { .max = OUTPUT_MAX };
	int rc;

	j->data = &out;
	rc = job_run(j, argv, envp, collect, err);
	j->data = NULL;
	if (rc < 0 || buf_append(&out, "", 1) < 0) {
		buf_free(&out);
		return NULL;
	}
	return (char *)out.data;
}

/* Our environment with APT_CONFIG. Return: NULL-terminated, to be freed. */
static const char **apt_env(const struct apt *a)
{
	size_t n = 0, m = 0;
	const char **envp;

	while (environ[n])
		n++;
	envp = calloc(n + 3, sizeof(*envp));
	for (size_t i = 0; envp && i < n; i++)
		if (strncmp(environ[i], "APT_CONFIG=", 11) &&
		    strncmp(environ[i], "LC_ALL=", 7))
			envp[m++] = environ[i];
	if (envp) {
		envp[m++] = "LC_ALL=C.UTF-8";
		envp[m++] = a->env;
	}
	return envp;
}

/* Lines of `apt-config dump` that say how to fetch. */
static void put_fetch(const char *dump, struct buf *out)
{
	static const char *const not[] = {
		"Acquire::IndexTargets", "Acquire::Languages",
		"Acquire::GzipIndexes", "Acquire::CompressionTypes",
	};

	for (size_t n; *dump; dump += n + (dump[n] == '\n')) {
		bool take = !strncmp(dump, "Acquire::", 9);

		n = strcspn(dump, "\n");
		for (size_t i = 0; i < ARRAY_SIZE(not); i++)
			if (!strncmp(dump, not[i], strlen(not[i])))
				take = false;
		if (take)
			buf_printf(out, "%.*s\n", (int)n, dump);
	}
	/* credentials, where this user may read them */
	if (access("/etc/apt/auth.conf", R_OK) == 0)
		buf_printf(out, "Dir::Etc::netrc \"/etc/apt/auth.conf\";\n");
	if (access("/etc/apt/auth.conf.d", R_OK | X_OK) == 0)
		buf_printf(out, "Dir::Etc::netrcparts "
				"\"/etc/apt/auth.conf.d/\";\n");
}

static int write_config(struct apt *a, struct err *err)
{
	static const char *const dirs[] = { "lists/partial",
		"archives/partial", "etc/apt.conf.d", "etc/preferences.d",
		"etc/sources.list.d" };
	CLEANUP_BUF struct buf conf = BUF_INIT;
	CLEANUP_FD int fd = -1;
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", a->dir, dirs[i]);
		if (path_mkdirs(path, err) < 0)
			return -1;
	}
	/* their modes are copied into the image with them */
	chmod(a->lists, 0755);
	chmod(a->archives, 0755);
	fd = open(a->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, errno, "%s", a->dir);
	buf_printf(&conf, "Dir \"%s\";\nDir::Etc \"%s/etc\";\n"
		   "Dir::Etc::Trusted \"/etc/apt/trusted.gpg\";\n"
		   "Dir::Etc::TrustedParts \"/etc/apt/trusted.gpg.d/\";\n"
		   "Dir::State \"%s\";\nDir::State::lists \"%s\";\n"
		   "Dir::State::status \"%s/status\";\n"
		   "Dir::Cache \"%s\";\nDir::Cache::archives \"%s\";\n",
		   a->dir, a->dir, a->dir, a->lists, a->dir, a->dir,
		   a->archives);
	buf_printf(&conf, "APT::Architecture \"amd64\";\n"
		   "APT::Architectures \"amd64\";\n"
		   "APT::Sandbox::User \"\";\n"
		   "APT::Install-Recommends \"false\";\nAcquire::Languages \"none\";\n"
		   "%s", buf_str(&a->fetch));
	if (path_write_file(fd, "apt.conf", conf.data, conf.len, 0600,
			    err) < 0 ||
	    path_write_file(fd, "status", "", 0, 0600, err) < 0)
		return -1;
	return path_write_file(fd, "etc/sources.list.d/host.sources",
			       a->sources.data, a->sources.len, 0600, err);
}

/* See image-apt.h. */
int apt_open(struct apt *a, struct job *j, const char *suite, struct err *err)
{
	static const char *const dump_argv[] = { "apt-config", "dump", NULL };
	CLEANUP_FREE char *dump = NULL;
	char sub[128];

	snprintf(sub, sizeof(sub), "apt/%s", suite);
	a->dir = path_place(PATH_CACHE, sub, true, err);
	if (!a->dir)
		return -1;
	if (asprintf(&a->lists, "%s/lists", a->dir) < 0 ||
	    asprintf(&a->archives, "%s/archives", a->dir) < 0 ||
	    asprintf(&a->env, "APT_CONFIG=%s/apt.conf", a->dir) < 0)
		return err_sys(err, ENOMEM, "apt");
	if (sources_of_host(suite, &a->sources, err) < 0)
		return -1;
	dump = lookup(j, dump_argv, NULL, err);
	if (!dump)
		return -1;
	put_fetch(dump, &a->fetch);
	buf_str(&a->fetch);
	return write_config(a, err);
}

/* See image-apt.h. */
void apt_close(struct apt *a)
{
	free(a->dir);
	free(a->lists);
	free(a->archives);
	free(a->env);
	buf_free(&a->sources);
	buf_free(&a->fetch);
	*a = (struct apt)APT_INIT;
}

/* When the lists were last fetched: 0 when there are none. */
static time_t lists_time(const struct apt *a)
{
	CLEANUP_DIR DIR *d = opendir(a->lists);
	struct dirent *e;
	struct stat st;

	while (d && (e = readdir(d)))
		if (strstr(e->d_name, "_Packages") &&
		    fstat(dirfd(d), &st) == 0)
			return st.st_mtime;
	return 0;
}

/* See image-apt.h. */
int apt_update(struct apt *a, struct job *j, struct err *err)
{
	static const char *const update[] = { "apt-get", "update",
		"--error-on=any", NULL };
	static const char *const clean[] = { "apt-get", "autoclean", NULL };
	CLEANUP_FREE const char **envp = apt_env(a);
	time_t last = lists_time(a);
	char when[64];

	if (!envp)
		return err_sys(err, ENOMEM, "apt");
	progress_step(&j->progress, "fetching the package lists", -1);
	if (last)
		j->quiet_failures = true;
	if (job_run(j, update, envp, NULL, err) == 0) {
		j->quiet_failures = false;
		utimensat(AT_FDCWD, a->lists, NULL, 0);
		/* archives that no list knows any more */
		return job_run(j, clean, envp, NULL, err);
	}
	j->quiet_failures = false;
	if (!last || (err && err->code == ERR_CANCELLED))
		return err_context(err, "the package lists");
	*err = (struct err)ERR_INIT;
	strftime(when, sizeof(when), "%F %R", localtime(&last));
	progress_end(&j->progress);
	output_warn(j->globals, "the package lists could not be fetched: going "
		    "on with those of %s", when);
	return 0;
}

/* apt's own errors, without what stands around them. */
static void collect_errors(struct job *j, const char *line)
{
	struct buf *b = j->data;

	if (!strncmp(line, "E: ", 3) && b->len < 256)
		buf_printf(b, "%s%s", b->len ? "; " : "", line + 3);
}

/* See image-apt.h. */
int apt_check_packages(struct apt *a, struct job *j, const char **packages,
		       struct err *err)
{
	CLEANUP_FREE const char **envp = apt_env(a);
	CLEANUP_BUF struct buf why = BUF_INIT;
	int rc;

	if (!envp)
		return err_sys(err, ENOMEM, "apt");
	packages[0] = "apt-get";
	packages[1] = "--simulate";
	packages[2] = "install";
	j->data = &why;
	j->quiet_failures = true;
	rc = job_run(j, packages, envp, collect_errors, err);
	j->quiet_failures = false;
	j->data = NULL;
	if (rc < 0 && err && err->code == ERR_FAILED && why.len) {
		*err = (struct err)ERR_INIT;
		return err_set(err, ERR_NOT_FOUND, "%s", buf_str(&why));
	}
	return rc;
}

/* See image-apt.h. */
int apt_kernel_dependency(const char *depends, char *out, size_t size)
{
	const char *p = strstr(depends, "linux-image-");
	size_t n = p ? strcspn(p, " ,(|\n") : 0;

	if (!p || n >= size)
		return -1;
	memcpy(out, p, n);
	out[n] = '\0';
	return 0;
}

/* A meta package has no kernel of its own but depends on the one. */
static int resolve(struct apt *a, struct job *j, const char *const *envp,
		   const char *package, char *out, size_t size,
		   struct err *err)
{
	const char *const argv[] = { "apt-cache", "show", "--no-all-versions",
				     package, NULL };
	CLEANUP_FREE char *show = NULL;
	const char *depends;

	j->quiet_failures = true;
	show = lookup(j, argv, envp, err);
	j->quiet_failures = false;
	if (!show) {
		if (err && err->code == ERR_FAILED)
			err_set(err, ERR_NOT_FOUND,
				"kernel package %s: not in the package lists",
				package);
		return -1;
	}
	snprintf(out, size, "%s", package);
	depends = strstr(show, "\nDepends: ");
	if (depends)
		apt_kernel_dependency(depends, out, size);
	return 0;
}

/* See image-apt.h. */
char *apt_download_kernel(struct apt *a, struct job *j, const char *package,
			  struct err *err)
{
	CLEANUP_FREE const char **envp = apt_env(a);
	CLEANUP_FREE char *uris = NULL;
	char name[128], file[256];
	const char *fetch[] = { "apt-get", "download", "--print-uris", name,
				NULL };
	char *path = NULL;

	if (!envp || resolve(a, j, envp, package, name, sizeof(name), err) < 0)
		return NULL;
	uris = lookup(j, fetch, envp, err);
	/* 'URI' FILE SIZE DIGEST */
	if (!uris || sscanf(strrchr(uris, '\'') ? strrchr(uris, '\'') : "",
			    "' %255s", file) != 1 || strchr(file, '/')) {
		if (uris)
			err_set(err, ERR_FAILED, "apt-get: %s: where is it?",
				name);
		return NULL;
	}
	if (asprintf(&path, "%s/%s", a->archives, file) < 0) {
		err_sys(err, ENOMEM, "apt");
		return NULL;
	}
	progress_step(&j->progress, "fetching the kernel package", -1);
	fetch[2] = name;
	fetch[3] = NULL;
	if (job_run_in(j, a->archives, fetch, envp, err) == 0)
		return path;
	err_context(err, "kernel package %s", name);
	free(path);
	return NULL;
}
