# machine/local.mk - the emulated machine: supervisor and its process 1
pkglibexec_PROGRAMS += podflare-machine

podflare_machine_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS) $(JANSSON_CFLAGS) \
	$(MD_CFLAGS)
podflare_machine_LDFLAGS = $(HARDEN_LDFLAGS)
podflare_machine_LDADD = libmux.a libjsonrpc.a libcommon.a $(JANSSON_LIBS) \
	$(MD_LIBS)
podflare_machine_SOURCES = \
	machine/cpio.c machine/cpio.h \
	machine/guest.h \
	machine/guest-config.c \
	machine/guest-main.c \
	machine/guest-runner.c \
	machine/guest-server.c \
	machine/guest-setup.c \
	machine/guest-shell.c \
	machine/host.h \
	machine/host-care.c \
	machine/host-config.c machine/host-config.h \
	machine/host-conn.c \
	machine/host-console.c \
	machine/host-main.c \
	machine/host-qemu.c \
	machine/host-resources.c \
	machine/host-state.c \
	machine/initramfs.c machine/initramfs.h \
	machine/inputs.c machine/inputs.h \
	machine/inputs-image.c \
	machine/inputs-libs.c \
	machine/main.c \
	machine/shell-child.c machine/shell-child.h

noinst_LIBRARIES += libmux.a
libmux_a_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS)
libmux_a_SOURCES = \
	machine/mux.c machine/mux.h \
	machine/mux-wire.c machine/mux-wire.h \
	machine/port.c machine/port.h \
	machine/relay.c machine/relay.h
