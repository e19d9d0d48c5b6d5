/* SPDX-License-Identifier: MIT */
/* cli/cmds.h - each command's definition, one per file cmd-NAME.c */
#ifndef PODFLARE_CLI_CMDS_H
#define PODFLARE_CLI_CMDS_H

#include "cli/cmd.h"

extern const struct cmd cmd_attach;
extern const struct cmd cmd_console;
extern const struct cmd cmd_cp;
extern const struct cmd cmd_create;
extern const struct cmd cmd_dial_stdio;
extern const struct cmd cmd_diff;
extern const struct cmd cmd_doctor;
extern const struct cmd cmd_eval;
extern const struct cmd cmd_exec;
extern const struct cmd cmd_fork;
extern const struct cmd cmd_freeze;
extern const struct cmd cmd_gc;
extern const struct cmd cmd_help;
extern const struct cmd cmd_image;
extern const struct cmd cmd_image_build;
extern const struct cmd cmd_image_import;
extern const struct cmd cmd_image_warm;
extern const struct cmd cmd_log;
extern const struct cmd cmd_logs;
extern const struct cmd cmd_ls;
extern const struct cmd cmd_machine;
extern const struct cmd cmd_merge;
extern const struct cmd cmd_pause;
extern const struct cmd cmd_reset;
extern const struct cmd cmd_resume;
extern const struct cmd cmd_rm;
extern const struct cmd cmd_run;
extern const struct cmd cmd_shell;
extern const struct cmd cmd_show;
extern const struct cmd cmd_snapshot;
extern const struct cmd cmd_snapshot_export;
extern const struct cmd cmd_snapshot_import;
extern const struct cmd cmd_thaw;
extern const struct cmd cmd_touch;
extern const struct cmd cmd_version;

#endif
