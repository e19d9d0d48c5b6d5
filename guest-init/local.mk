# guest-init/local.mk - pid 1 of the guest, and the initramfs part that holds it
#
# Compiled by itself: another C library (musl where there is one), static, and
# never with the host programs' flags.
guest_init_sources = \
	guest-init/agent.c \
	guest-init/apply.c \
	guest-init/apply-check.c \
	guest-init/apply-commit.c \
	guest-init/apply-read.c \
	guest-init/apply-ready.c \
	guest-init/apply-undo.c \
	guest-init/archive.c \
	guest-init/asked.c \
	guest-init/backlog.c \
	guest-init/beneath.c \
	guest-init/cgroup.c \
	guest-init/changes.c \
	guest-init/compare.c \
	guest-init/conn.c \
	guest-init/environ.c \
	guest-init/extract.c \
	guest-init/fetch.c \
	guest-init/file-data.c \
	guest-init/filter.c \
	guest-init/freeze.c \
	guest-init/identity.c \
	guest-init/layers.c \
	guest-init/links.c \
	guest-init/lookup.c \
	guest-init/mapped.c \
	guest-init/mounts.c \
	guest-init/names.c \
	guest-init/pty.c \
	guest-init/record.c \
	guest-init/repl.c \
	guest-init/repl-call.c \
	guest-init/repl-io.c \
	guest-init/repl-talk.c \
	guest-init/requests.c \
	guest-init/session.c \
	guest-init/session-io.c \
	guest-init/session-list.c \
	guest-init/sha256.c \
	guest-init/sink.c \
	guest-init/spawn.c \
	guest-init/stream.c \
	guest-init/tar-pax.c \
	guest-init/tar-read.c \
	guest-init/tar-sparse.c \
	guest-init/tar-write.c \
	guest-init/transfer.c \
	guest-init/user.c \
	guest-init/walk.c

# What only pid 1 of a real guest does; the rest also runs in tests.
guest_init_boot_sources = \
	guest-init/console.c \
	guest-init/kmsg.c \
	guest-init/listen.c \
	guest-init/main.c \
	guest-init/modules.c \
	guest-init/mount.c \
	guest-init/netif.c \
	guest-init/system.c

guest_init_common_sources = \
	common/buf.c common/err.c common/frame.c common/log.c common/loop.c \
	common/tlv.c common/util.c

guest_init_headers = \
	guest-init/agent.h \
	guest-init/apply.h \
	guest-init/archive.h \
	guest-init/asked.h \
	guest-init/backlog.h \
	guest-init/beneath.h \
	guest-init/cgroup.h \
	guest-init/changes.h \
	guest-init/compare.h \
	guest-init/conn.h \
	guest-init/console.h \
	guest-init/environ.h \
	guest-init/extract.h \
	guest-init/fetch.h \
	guest-init/file-data.h \
	guest-init/filter.h \
	guest-init/freeze.h \
	guest-init/identity.h \
	guest-init/layers.h \
	guest-init/kmsg.h \
	guest-init/links.h \
	guest-init/lookup.h \
	guest-init/mapped.h \
	guest-init/mounts.h \
	guest-init/names.h \
	guest-init/netif.h \
	guest-init/listen.h \
	guest-init/modules.h \
	guest-init/mount.h \
	guest-init/pty.h \
	guest-init/record.h \
	guest-init/repl.h \
	guest-init/repl-parts.h \
	guest-init/requests.h \
	guest-init/session.h \
	guest-init/sha256.h \
	guest-init/sink.h \
	guest-init/spawn.h \
	guest-init/stream.h \
	guest-init/system.h \
	guest-init/tar.h \
	guest-init/transfer.h \
	guest-init/user.h \
	guest-init/walk.h

guest_init_common_headers = \
	common/agent.h common/buf.h common/cleanup.h common/err.h \
	common/frame.h common/log.h common/loop.h common/netwire.h common/tlv.h \
	common/util.h

# What runs in the guest's interpreters, as bytes.
guest_init_made = guest-init/repl-python.c
noinst_PROGRAMS += guest-init/mkbytes
guest_init_mkbytes_SOURCES = guest-init/mkbytes.c
guest_init_mkbytes_CFLAGS = $(AM_CFLAGS)
guest-init/repl-python.c: guest-init/repl-display.py guest-init/repl.py \
		guest-init/mkbytes$(EXEEXT)
	$(AM_V_GEN)guest-init/mkbytes$(EXEEXT) repl_python \
		$(srcdir)/guest-init/repl-display.py \
		$(srcdir)/guest-init/repl.py >$@.tmp && mv $@.tmp $@
CLEANFILES += $(guest_init_made)

EXTRA_DIST += $(guest_init_sources) $(guest_init_boot_sources) \
	$(guest_init_headers) guest-init/repl.py guest-init/repl-display.py

GUEST_CFLAGS = -std=gnu11 -Os -fno-strict-aliasing -fno-asynchronous-unwind-tables \
	-fstack-protector-strong -ffunction-sections -fdata-sections

podflare-init: $(guest_init_sources) $(guest_init_boot_sources) \
		$(guest_init_common_sources) $(guest_init_headers) \
		$(guest_init_common_headers) $(guest_init_made) config.h
	$(AM_V_CCLD)set --; \
	for f in $(AM_CFLAGS); do \
		case $$f in -W*) set -- "$$@" "$$f";; esac; \
	done; \
	for f in $(guest_init_sources) $(guest_init_boot_sources) \
			$(guest_init_common_sources); do \
		set -- "$$@" "$(srcdir)/$$f"; \
	done; \
	set -- "$$@" $(guest_init_made); \
	$(GUEST_CC) $(GUEST_CPPFLAGS) -I$(srcdir) -I. -include config.h \
		$(GUEST_CFLAGS) "$$@" -static -s -Wl,--gc-sections -o $@

noinst_PROGRAMS += guest-init/mkcpio
guest_init_mkcpio_SOURCES = guest-init/mkcpio.c
guest_init_mkcpio_CFLAGS = $(AM_CFLAGS)

init.cpio: podflare-init guest-init/mkcpio$(EXEEXT)
	$(AM_V_GEN)guest-init/mkcpio$(EXEEXT) $@ \
		init=podflare-init:0755

init_DATA += init.cpio
CLEANFILES += podflare-init init.cpio
