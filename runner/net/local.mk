# runner/net/local.mk - a sandbox's network: its filter and its way out
noinst_LIBRARIES += libnetfilter.a

# The filter alone: pure functions, for the unit tests' sake.
libnetfilter_a_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS)
libnetfilter_a_SOURCES = \
	runner/net/addr.c \
	runner/net/addr.h \
	runner/net/dns.c \
	runner/net/dns.h \
	runner/net/filter.c \
	runner/net/filter.h \
	runner/net/packet.h \
	runner/net/policy.c \
	runner/net/reply.c \
	runner/net/reply.h

pkglibexec_PROGRAMS += podflare-net
podflare_net_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS) $(SECCOMP_CFLAGS)
podflare_net_LDFLAGS = $(HARDEN_LDFLAGS)
podflare_net_LDADD = libnetfilter.a libcommon.a $(SLIRP_LIBS) $(SECCOMP_LIBS)
podflare_net_SOURCES = \
	runner/net/host.c \
	runner/net/host.h \
	runner/net/isolate.c \
	runner/net/isolate.h \
	runner/net/main.c \
	runner/net/net.c \
	runner/net/net.h \
	runner/net/queue.c \
	runner/net/queue.h \
	runner/net/resolver.c \
	runner/net/resolver.h \
	runner/net/stack.c \
	runner/net/stack.h
