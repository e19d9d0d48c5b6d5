/* SPDX-License-Identifier: MIT */
/*
 * runner/settings.c - what the user's config.yaml says
 *
 * podflared, loop thread.  The file is small and bounded (common/config.h).
 */
#include "runner/settings.h"

#include "common/cleanup.h"
#include "common/log.h"
#include "common/path.h"

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size && a->st_mode == b->st_mode &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool settings_check(struct settings *s)
{
	CLEANUP_FREE char *path = path_place(PATH_CONFIG, CONFIG_FILE, false,
					     NULL);
	struct config before = s->now;
	struct stat st = { 0 };

	if (!path || stat(path, &st) < 0)
		st = (struct stat){ 0 };
	if (s->looked && is_same(&st, &s->seen))
		return false;
	s->looked = true;
	s->seen = st;
	s->err = (struct err)ERR_INIT;
	if (path && config_load(path, &s->now, &s->err) < 0) {
		log_error("%s%s%s; what held before holds", s->err.msg,
			  s->err.hint[0] ? "; " : "", s->err.hint);
		return false;
	}
	if (st.st_ino)
		log_info("%s: read", path);
	return memcmp(&before, &s->now, sizeof(before)) != 0;
}
