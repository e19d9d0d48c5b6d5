/* SPDX-License-Identifier: MIT */
/* tests/unit/runner-export.h - exported snapshots, for tests */
#ifndef PODFLARE_TESTS_RUNNER_EXPORT_H
#define PODFLARE_TESTS_RUNNER_EXPORT_H

#include "tests/unit/runner-fork.h"

#define SNAPSHOTS "data/podflare/snapshots"

void file_snap(const char *sandbox, const char *name);
void file_snap_rm(const char *name);
/* No snapshot has a folder; wait for that, and that nothing else is left. */
bool file_none(void *arg);
void file_done(void);
void file_says(const char *text, const char *what);

/* The stream of snapshot.export; the type of the frame that was the last one in
 * it, -1: cut short. */
int file_open(const char *name);
int file_read(int fd, struct buf *b);
void file_export(const char *name, struct buf *b);
/* The file of a snapshot "good" of a sandbox of @mib MiB; both are gone. */
void file_make(int mib, struct buf *b);

/* The parameters of the import of a file. */
json_t *file_params(const struct buf *b, const char *name);
/* The last reply to an import with @params (stolen). */
json_t *file_import(const struct buf *b, json_t *params);
void file_import_ok(const struct buf *b, const char *name);
/* The error's message; static storage. */
const char *file_import_fails(const struct buf *b, json_t *params);
/* The same of a file whose description was that of @good. */
const char *file_damaged(const struct buf *b, const struct buf *good);

#endif
