# cli/local.mk - the command-line tool
bin_PROGRAMS += podflare

podflare_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS) $(JANSSON_CFLAGS) \
	$(YAML_CFLAGS) $(ARCHIVE_CFLAGS) $(MD_CFLAGS)
podflare_LDFLAGS = $(HARDEN_LDFLAGS)
podflare_LDADD = libcli.a libconfig.a libjsonrpc.a libcommon.a $(JANSSON_LIBS) \
	$(YAML_LIBS) $(ARCHIVE_LIBS) $(MD_LIBS)
podflare_SOURCES = cli/main.c

# All but main(), for the tests. One source per line.
noinst_LIBRARIES += libcli.a
libcli_a_CFLAGS = $(podflare_CFLAGS)
libcli_a_SOURCES = \
	cli/client.c \
	cli/client.h \
	cli/cmd-attach.c \
	cli/cmd-console.c \
	cli/cmd-cp.c \
	cli/cmd-create.c \
	cli/cmd-dial-stdio.c \
	cli/cmd-eval.c \
	cli/cmd-exec.c \
	cli/cmd-fork.c \
	cli/cmd-freeze.c \
	cli/cmd-gc.c \
	cli/cmd-help.c \
	cli/cmd-image.c \
	cli/cmd-image-build.c \
	cli/cmd-image-warm.c \
	cli/cmd-log.c \
	cli/cmd-logs.c \
	cli/cmd-ls.c \
	cli/cmd-pause.c \
	cli/cmd-reset.c \
	cli/cmd-rm.c \
	cli/cmd-run.c \
	cli/cmd-shell.c \
	cli/cmd-show.c \
	cli/cmd-snapshot.c \
	cli/cmd-snapshot-export.c \
	cli/cmd-snapshot-import.c \
	cli/cmd-touch.c \
	cli/cmd-version.c \
	cli/cmd.c \
	cli/cmd.h \
	cli/cmds.h \
	cli/config-check.c \
	cli/config-check.h \
	cli/console.c \
	cli/console.h \
	cli/cp-entry.c \
	cli/cp-entry.h \
	cli/cp-extract.c \
	cli/cp-extract.h \
	cli/cp-member.c \
	cli/cp-member.h \
	cli/cp-pack.c \
	cli/cp-pack.h \
	cli/cp-path.c \
	cli/cp-path.h \
	cli/cp-stat.c \
	cli/cp-stat.h \
	cli/create.c \
	cli/create.h \
	cli/display.c \
	cli/display.h \
	cli/each.c \
	cli/each.h \
	cli/ended.c \
	cli/ended.h \
	cli/eval.c \
	cli/eval.h \
	cli/exec.c \
	cli/exec.h \
	cli/host.c \
	cli/host.h \
	cli/cmd-doctor.c \
	cli/cmd-machine.c \
	cli/doctor.h \
	cli/doctor-host.c \
	cli/doctor-kvm.c \
	cli/doctor-runner.c \
	cli/doctor-tools.c \
	cli/log-graph.c \
	cli/log-graph.h \
	cli/machine-client.c \
	cli/machine-client.h \
	cli/machine-shell.c \
	cli/machine-shell.h \
	cli/machine-spawn.c \
	cli/machine-spawn.h \
	cli/machine-status.c \
	cli/machine-status.h \
	cli/message.c \
	cli/opts-usage.c \
	cli/opts.c \
	cli/opts.h \
	cli/outfd.c \
	cli/outfd.h \
	cli/output.c \
	cli/output.h \
	cli/progress.c \
	cli/progress.h \
	cli/session-frame.c \
	cli/session-frame.h \
	cli/session.c \
	cli/session.h \
	cli/sigs.c \
	cli/sigs.h \
	cli/size.c \
	cli/size.h \
	cli/term.c \
	cli/term.h \
	cli/text.c \
	cli/text.h \
	cli/virt.c \
	cli/virt.h \
	cli/xfer.c \
	cli/xfer.h

# Images.
libcli_a_SOURCES += \
	cli/image-apt.c \
	cli/image-apt.h \
	cli/image-base-rules.c \
	cli/image-base.c \
	cli/image-base.h \
	cli/image-build.c \
	cli/image-build.h \
	cli/image-deb.c \
	cli/image-deb.h \
	cli/image-files-out.c \
	cli/image-files.c \
	cli/image-files.h \
	cli/image-import.c \
	cli/image-job.c \
	cli/image-job.h \
	cli/image-kernel.c \
	cli/image-kernel.h \
	cli/image-modules.c \
	cli/image-modules.h \
	cli/image-push.c \
	cli/image-push.h \
	cli/image-root-tar.c \
	cli/image-root.c \
	cli/image-root.h \
	cli/image-sources-host.c \
	cli/image-sources.c \
	cli/image-sources.h \
	cli/image-store-write.c \
	cli/image-store.c \
	cli/image-store.h \
	cli/image-tools.c \
	cli/image-tools.h \
	cli/image-unpack.c \
	cli/image-unpack.h \
	cli/image-work.c \
	cli/image-work-stale.c \
	cli/image-work.h \
	cli/recipe-parse.c \
	cli/recipe.c \
	cli/recipe.h

# Diff and merge.
libcli_a_SOURCES += \
	cli/change-list.c \
	cli/change.c \
	cli/change.h \
	cli/cmd-diff.c \
	cli/cmd-merge.c \
	cli/diff-patch.c \
	cli/diff-stat.c \
	cli/diff-text.c \
	cli/diff-text.h \
	cli/diff-print.c \
	cli/diff.c \
	cli/diff.h \
	cli/fetch.c \
	cli/fetch.h \
	cli/gpath.c \
	cli/gpath.h \
	cli/json-path.c \
	cli/json-path.h \
	cli/merge-apply.c \
	cli/merge-child.c \
	cli/merge-files.c \
	cli/merge-files.h \
	cli/merge-items.c \
	cli/merge-lines.c \
	cli/merge-report.c \
	cli/merge-three.c \
	cli/merge-tree.c \
	cli/merge.h \
	cli/origin-show.c \
	cli/origin-show.h \
	cli/origin.c \
	cli/origin.h \
	cli/same.c \
	cli/same.h \
	cli/side-stream.c \
	cli/side.c \
	cli/side.h \
	cli/spool.c \
	cli/spool.h \
	cli/textdiff.c \
	cli/textdiff.h

# Line by line, with libgit2.
pkglibexec_PROGRAMS += podflare-textdiff
podflare_textdiff_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS) $(GIT2_CFLAGS)
podflare_textdiff_LDFLAGS = $(HARDEN_LDFLAGS)
podflare_textdiff_LDADD = libcommon.a $(GIT2_LIBS)
podflare_textdiff_SOURCES = cli/textdiff-main.c cli/textdiff.h
