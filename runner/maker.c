/* SPDX-License-Identifier: MIT */
/*
 * runner/maker.c - what the machines of this runner are made by
 *
 * podflared, loop thread.  Times alone would not do: in the emulated machine the
 * files are as old as its last start.
 */
#include "runner/maker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/crc32.h"
#include "common/log.h"
#include "common/path.h"

static const char *const names[MAKER_FILES] = { "init.cpio", "podflare-vmm" };

static int sum_of(const char *path, size_t size, uint32_t *sum,
		  struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *data = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ,
						MAP_PRIVATE, fd, 0);

	if (data == MAP_FAILED)
		return err_sys(err, errno, "%s", path);
	*sum = crc32_of(data, size);
	munmap(data, size);
	return 0;
}

static int look(struct maker *m, size_t i, struct err *err)
{
	CLEANUP_FREE char *path = path_program(names[i], err);
	struct stat st;

	if (!path)
		return -1;
	if (stat(path, &st) < 0)
		return err_sys(err, errno, "%s", path);
	if (st.st_size == m->files[i].size &&
	    st.st_mtim.tv_sec == m->files[i].mtime.tv_sec &&
	    st.st_mtim.tv_nsec == m->files[i].mtime.tv_nsec)
		return 0;
	if (sum_of(path, (size_t)st.st_size, &m->files[i].sum, err) < 0)
		return -1;
	m->files[i].size = st.st_size;
	m->files[i].mtime = st.st_mtim;
	return 0;
}

const char *maker_text(struct maker *m)
{
	size_t n = (size_t)snprintf(m->text, sizeof(m->text), "%s",
				    PACKAGE_VERSION);
	struct err err = ERR_INIT;

	for (size_t i = 0; i < MAKER_FILES && n < sizeof(m->text); i++) {
		if (look(m, i, &err) < 0)
			log_warn("%s", err.msg);
		n += (size_t)snprintf(m->text + n, sizeof(m->text) - n,
				      ", %s %lld %08x", names[i],
				      (long long)m->files[i].size,
				      m->files[i].sum);
	}
	return m->text;
}
