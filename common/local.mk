# common/local.mk - what every program may use
noinst_LIBRARIES += libcommon.a libconfig.a libjsonrpc.a

libcommon_a_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS)
libcommon_a_SOURCES = \
	common/agent.h \
	common/buf.c common/buf.h \
	common/cleanup.h \
	common/cowfmt.c common/cowfmt.h \
	common/savedfmt.c common/savedfmt.h \
	common/crc32.c common/crc32.h \
	common/dial.c common/dial.h \
	common/dial-relay.c \
	common/err.c common/err.h \
	common/fdpass.c common/fdpass.h \
	common/frame.c common/frame.h \
	common/log.c common/log.h \
	common/loop.c common/loop.h \
	common/netctl.h \
	common/netpolicy.c common/netpolicy.h \
	common/netwire.h \
	common/path.c common/path.h \
	common/path-file.c \
	common/proc.c common/proc.h \
	common/snapfile.c common/snapfile.h \
	common/suggest.c common/suggest.h \
	common/tlv.c common/tlv.h \
	common/util.c common/util.h

# The line codec needs jansson: the client and the runner only.
libjsonrpc_a_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS) $(JANSSON_CFLAGS)
libjsonrpc_a_SOURCES = common/jsonrpc.c common/jsonrpc.h

# YAML needs libyaml: the same two.
libconfig_a_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS) $(YAML_CFLAGS)
libconfig_a_SOURCES = common/config.c common/config.h \
	common/yaml.c common/yaml.h
