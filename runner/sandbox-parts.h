/* SPDX-License-Identifier: MIT */
/* runner/sandbox-parts.h - what struct sandbox is made of */
#ifndef PODFLARE_RUNNER_SANDBOX_PARTS_H
#define PODFLARE_RUNNER_SANDBOX_PARTS_H

#include <stdbool.h>
#include <sys/queue.h>

#include <jansson.h>

#include "common/err.h"
#include "common/path.h"
#include "runner/names.h"

struct sandbox_wait {
	TAILQ_ENTRY(sandbox_wait) link;
	/* @err NULL: it runs. @console: the last lines of a start that failed,
	 * or NULL; the caller's. The wait may be freed in the call. */
	void (*cb)(struct sandbox_wait *w, const struct err *err,
		   json_t *console);
};

/* For who waits for the end of the process. */
struct sandbox_gone {
	TAILQ_ENTRY(sandbox_gone) link;
	void (*cb)(struct sandbox_gone *g);
};

/* Where a sandbox came from; of a point: of what it is a copy. */
struct sandbox_origin {
	bool forked;	/* else it was made from its image, or a snapshot */
	char how[16];	/* then: "zygote", "snapshot"; "": booted for it alone;
			 * of a snapshot: "snapshot", "safety", "import" */
	/* what the steps tell of: "thaw", "boot"; "": of its making */
	char started[8];
	char point[SANDBOX_ID_LEN + 1];	/* of the fork, "" when it is lost */
	char parent[SANDBOX_ID_LEN + 1];	/* or the snapshot */
	char parent_name[PODFLARE_NAME_MAX + 1];
	char time[32];
};

#endif
