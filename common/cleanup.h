/* SPDX-License-Identifier: MIT */
/* common/cleanup.h - resources that free themselves at the end of a scope */
#ifndef PODFLARE_COMMON_CLEANUP_H
#define PODFLARE_COMMON_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* CLEANUP_FREE char *s = NULL; CLEANUP_FD int fd = -1; */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define CLEANUP_FREE CLEANUP(cleanup_freep)
#define CLEANUP_FD CLEANUP(cleanup_closep)
#define CLEANUP_FILE CLEANUP(cleanup_fclosep)
#define CLEANUP_DIR CLEANUP(cleanup_closedirp)

/* Take the fd out of a CLEANUP_FD variable: the caller owns it now. */
static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void *steal_pointer_(void *pp)
{
	void *taken = *(void **)pp;

	*(void **)pp = NULL;
	return taken;
}

/* Take the pointer out of a CLEANUP_FREE variable. */
#define steal_ptr(pp) ((__typeof__(*(pp)))steal_pointer_(pp))

#endif
