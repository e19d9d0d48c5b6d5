# runner/net/local.mk - a sandbox's network: its filter and its way out
noinst_LIBRARIES += libnetfilter.a

# The filter alone: pure functions, for the unit tests' sake.
libnetfilter_a_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS)
libnetfilter_a_SOURCES = \
	runner/net/addr.c \
	runner/net/addr.h \
	runner/net/filter.c \
	runner/net/filter.h \
	runner/net/packet.h \
	runner/net/policy.c \
	runner/net/reply.c \
	runner/net/reply.h \
	runner/net/wire.h
