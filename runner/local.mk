# runner/local.mk - podflared
pkglibexec_PROGRAMS += podflared
noinst_LIBRARIES += librunner.a

librunner_a_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS) $(JANSSON_CFLAGS) \
	$(MD_CFLAGS) -pthread
librunner_a_SOURCES = \
	runner/agent-get.c runner/agent-json.h \
	runner/agent-put.c \
	runner/agent.c runner/agent.h \
	runner/boot-disk.c runner/boot-parts.h runner/boot-restore.c \
	runner/boot.c runner/boot.h \
	runner/bootargs.c runner/bootargs.h \
	runner/chain-flat.c runner/chain-live.c runner/chain-live.h \
	runner/chain-merge.c runner/chain-merge.h \
	runner/chain.c runner/chain.h \
	runner/check.c runner/check.h \
	runner/child.c runner/child.h \
	runner/client.c runner/client.h \
	runner/copies.c runner/copies.h \
	runner/creation.c runner/creation.h \
	runner/daemon.c runner/daemon.h \
	runner/disk.c runner/disk.h \
	runner/events.c runner/events.h \
	runner/flatten.c runner/flatten.h \
	runner/export-disk.c runner/export-parts.h \
	runner/export.c runner/export.h \
	runner/fork-batch.c \
	runner/fork-prep.c \
	runner/fork-slot.c runner/fork-slot.h \
	runner/fork.c runner/fork.h \
	runner/freeze.c runner/freeze.h \
	runner/handout.c runner/handout.h \
	runner/idle.c runner/idle.h \
	runner/gc.c runner/gc.h \
	runner/image-names.c \
	runner/image-put.c runner/image-put.h \
	runner/image.c runner/image.h \
	runner/import-meta.c runner/import-meta.h \
	runner/import.c runner/import.h \
	runner/kvm.c runner/kvm.h \
	runner/life.c runner/life.h \
	runner/limits-cgroup.c runner/limits-cgroup.h \
	runner/limits.c runner/limits.h \
	runner/machine.c runner/machine.h \
	runner/maker.c runner/maker.h \
	runner/merge.c runner/merge.h \
	runner/methods.h \
	runner/names.c runner/names.h \
	runner/param.c runner/param.h \
	runner/netproc.c runner/netproc.h \
	runner/places.c runner/places.h \
	runner/points.c runner/points.h \
	runner/reap.c runner/reap.h \
	runner/recover.c \
	runner/pool-make.c runner/pool-make.h \
	runner/pool.c runner/pool.h \
	runner/removal.c \
	runner/req-create.c \
	runner/req-exec.c \
	runner/req-files.c \
	runner/req-fork.c \
	runner/req-check.c \
	runner/req-freeze.c \
	runner/req-gc.c \
	runner/req-image-put.c \
	runner/req-image.c \
	runner/req-import.c \
	runner/req-log.c \
	runner/req-merge.c \
	runner/req-reset.c \
	runner/req-runner.c \
	runner/req-sandbox.c \
	runner/req-show.c \
	runner/req-snapshot.c \
	runner/req-view.c \
	runner/req-warm.c \
	runner/request.c runner/request.h \
	runner/reset.c runner/reset.h \
	runner/runner.h \
	runner/sandbox-json.c runner/sandbox-json.h \
	runner/sandbox-parts.h \
	runner/sandbox.c runner/sandbox.h \
	runner/saved.c runner/saved.h \
	runner/saving.c runner/saving.h \
	runner/sbop.c runner/sbop.h \
	runner/server.c runner/server.h \
	runner/settings.c runner/settings.h \
	runner/snapshot-json.c runner/snapshot.c runner/snapshot.h \
	runner/state.c runner/state.h \
	runner/store.c runner/store.h \
	runner/template-file.c runner/template-file.h \
	runner/template-find.c runner/template-find.h \
	runner/template-json.c runner/template-json.h \
	runner/template.c runner/template.h \
	runner/text.c runner/text.h \
	runner/upload.c runner/upload.h \
	runner/vmctl-call.h runner/vmctl-fork.h runner/vmctl-send.c \
	runner/vmctl-layers.c runner/vmctl-layers.h \
	runner/vmctl-save.c runner/vmctl-save.h \
	runner/vmctl.c runner/vmctl.h \
	runner/vmproc.c runner/vmproc.h \
	runner/warmup.c runner/warmup.h \
	runner/work.c runner/work.h

podflared_SOURCES = runner/main.c
podflared_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS) $(JANSSON_CFLAGS) -pthread
podflared_LDFLAGS = $(HARDEN_LDFLAGS) -pthread
podflared_LDADD = librunner.a libconfig.a libjsonrpc.a libcommon.a \
	$(JANSSON_LIBS) $(MD_LIBS) $(YAML_LIBS)
