# tests/local.mk - test programs; `make check` runs the unit tests and checks
if HAVE_CMOCKA
unit_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)

# common/
check_PROGRAMS += test-common test-frame test-rpc
TESTS += test-common test-frame test-rpc
test_common_SOURCES = tests/unit/test-common.c tests/unit/unit.h
test_common_CPPFLAGS = $(unit_cppflags)
test_common_LDADD = libcommon.a $(CMOCKA_LIBS)
test_frame_SOURCES = tests/unit/test-frame.c
test_frame_CPPFLAGS = $(unit_cppflags)
test_frame_LDADD = libcommon.a $(CMOCKA_LIBS)
test_rpc_SOURCES = tests/unit/test-rpc.c
test_rpc_CPPFLAGS = $(unit_cppflags) $(JANSSON_CFLAGS)
test_rpc_LDADD = libjsonrpc.a libcommon.a $(JANSSON_LIBS) $(CMOCKA_LIBS)
endif
