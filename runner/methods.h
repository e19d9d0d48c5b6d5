/* SPDX-License-Identifier: MIT */
/* runner/methods.h - the methods; docs/api.md says what each does */
#ifndef PODFLARE_RUNNER_METHODS_H
#define PODFLARE_RUNNER_METHODS_H

#include "runner/request.h"

/* Each gets a request whose parameters fit its table row (request.c), and
 * answers it at once or later. */
void method_runner_hello(struct request *rq);
void method_runner_info(struct request *rq);
void method_runner_check(struct request *rq);
void method_runner_gc(struct request *rq);
void method_runner_stop(struct request *rq);
void method_runner_shutdown(struct request *rq);
void method_sandbox_create(struct request *rq);
void method_sandbox_fork(struct request *rq);
void method_sandbox_merge(struct request *rq);
void method_sandbox_merged(struct request *rq);
void method_sandbox_origin(struct request *rq);
void method_sandbox_view(struct request *rq);
void method_sandbox_list(struct request *rq);
void method_sandbox_show(struct request *rq);
void method_sandbox_rm(struct request *rq);
void method_sandbox_pause(struct request *rq);
void method_sandbox_resume(struct request *rq);
void method_sandbox_log(struct request *rq);
void method_sandbox_freeze(struct request *rq);
void method_sandbox_thaw(struct request *rq);
void method_sandbox_touch(struct request *rq);
void method_sandbox_reset(struct request *rq);
void method_sandbox_logs(struct request *rq);
void method_snapshot_create(struct request *rq);
void method_snapshot_list(struct request *rq);
void method_snapshot_show(struct request *rq);
void method_snapshot_rm(struct request *rq);
void method_snapshot_export(struct request *rq);
void method_snapshot_import(struct request *rq);
void method_exec_start(struct request *rq);
void method_exec_attach(struct request *rq);
void method_code_run(struct request *rq);
void method_exec_list(struct request *rq);
void method_files_put(struct request *rq);
void method_files_get(struct request *rq);
void method_files_stat(struct request *rq);
void method_files_changes(struct request *rq);
void method_files_hash(struct request *rq);
void method_files_fetch(struct request *rq);
void method_files_apply(struct request *rq);
void method_console_attach(struct request *rq);
void method_image_list(struct request *rq);
void method_image_show(struct request *rq);
void method_image_warm(struct request *rq);
void method_image_rm(struct request *rq);
void method_image_put(struct request *rq);

#endif
