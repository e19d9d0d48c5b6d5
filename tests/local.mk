# tests/local.mk - `make check` runs the check scripts and the unit tests

# Check scripts: rules about the tree and what was built from it.
TEST_CHECKS = \
	tests/check-comments.sh \
	tests/check-help.sh \
	tests/check-includes.sh \
	tests/check-ldd.sh \
	tests/check-man.sh \
	tests/check-scripts.sh \
	tests/check-sizes.sh \
	tests/check-spdx.sh \
	tests/check-words.sh
TESTS += $(TEST_CHECKS)
EXTRA_DIST += $(TEST_CHECKS) tests/check-lib.bash
AM_TESTS_ENVIRONMENT = \
	PODFLARE_BUILD='$(abs_builddir)'; export PODFLARE_BUILD;

# What ./runtests runs one by one, to count single tests.
.PHONY: list-unit-tests
list-unit-tests:
	@echo unit-tests: $(check_PROGRAMS)

# The benchmark; static, so that it can be carried into an emulated machine.
EXTRA_PROGRAMS = podflare-bench
podflare_bench_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
podflare_bench_LDFLAGS = -static
podflare_bench_LDADD = libcli.a libconfig.a libjsonrpc.a libcommon.a $(JANSSON_LIBS)
podflare_bench_SOURCES = tests/bench/podflare-bench.c \
	tests/bench/copies.c tests/bench/copies.h tests/bench/kept.c \
	tests/bench/create.c tests/bench/create.h \
	tests/bench/diffs.c tests/bench/diffs.h \
	tests/bench/work.c tests/bench/work.h
EXTRA_DIST += tests/bench/run tests/bench/fork
EXTRA_PROGRAMS += podflare-fork-bench
podflare_fork_bench_CFLAGS = $(AM_CFLAGS)
podflare_fork_bench_LDADD = libcommon.a
podflare_fork_bench_SOURCES = tests/bench/fork-bench.c \
	tests/bench/fork-vmm.c tests/bench/fork-vmm.h \
	tests/bench/fork-guest.c tests/bench/fork-guest.h \
	tests/bench/series.c tests/bench/series.h
EXTRA_PROGRAMS += podflare-qemu-bench
podflare_qemu_bench_CFLAGS = $(AM_CFLAGS)
podflare_qemu_bench_LDADD = libcommon.a
podflare_qemu_bench_SOURCES = tests/bench/qemu-bench.c \
	tests/bench/fork-guest.c tests/bench/fork-guest.h \
	tests/bench/series.c tests/bench/series.h

# A control client of podflare-vmm, for tests and for looking into one by hand.
noinst_PROGRAMS += vmmctl
vmmctl_SOURCES = tests/fake/vmmctl.c \
	tests/fake/vmmctl-stream.c tests/fake/vmmctl-stream.h
vmmctl_CFLAGS = $(AM_CFLAGS)
vmmctl_LDADD = libcommon.a

# Unit tests: one block for each part, with its own programs.
if HAVE_CMOCKA
unit_cppflags = $(AM_CPPFLAGS) $(CMOCKA_CFLAGS)

# common/
check_PROGRAMS += test-common test-config test-frame test-rpc
TESTS += test-common test-config test-frame test-rpc
test_common_SOURCES = tests/unit/test-common.c tests/unit/unit.h
test_common_CPPFLAGS = $(unit_cppflags)
test_common_LDADD = libcommon.a $(CMOCKA_LIBS)
test_frame_SOURCES = tests/unit/test-frame.c
test_frame_CPPFLAGS = $(unit_cppflags)
test_frame_LDADD = libcommon.a $(CMOCKA_LIBS)
test_rpc_SOURCES = tests/unit/test-rpc.c
test_rpc_CPPFLAGS = $(unit_cppflags) $(JANSSON_CFLAGS)
test_rpc_LDADD = libjsonrpc.a libcommon.a $(JANSSON_LIBS) $(CMOCKA_LIBS)
test_config_SOURCES = tests/unit/test-config.c
test_config_CPPFLAGS = $(unit_cppflags)
test_config_LDADD = libconfig.a libcommon.a $(YAML_LIBS) $(CMOCKA_LIBS)

# guest-init/: the agent as an ordinary process, with the host's C library
check_LIBRARIES += libagent.a
libagent_a_SOURCES = $(guest_init_sources) $(guest_init_headers)
nodist_libagent_a_SOURCES = $(guest_init_made)
libagent_a_CPPFLAGS = $(AM_CPPFLAGS)
libagent_a_CFLAGS = $(AM_CFLAGS)
agent_rig = tests/unit/agent-rig.c tests/unit/agent-rig.h tests/unit/unit.h
agent_libs = libagent.a libcommon.a $(CMOCKA_LIBS)
agent_tests = test-agent-apply test-agent-changes test-agent-copy \
	test-agent-display \
	test-agent-exec test-agent-fetch test-agent-files \
	test-agent-repl test-agent-repl-bad test-agent-requests \
	test-agent-session test-agent-tar test-agent-tty
check_PROGRAMS += $(agent_tests)
TESTS += $(agent_tests)
test_agent_apply_SOURCES = tests/unit/test-agent-apply.c $(agent_rig) \
	tests/unit/agent-record.c tests/unit/agent-record.h \
	tests/unit/overlay-rig.c tests/unit/overlay-rig.h
test_agent_apply_CPPFLAGS = $(unit_cppflags)
test_agent_apply_LDADD = $(agent_libs)
test_agent_changes_SOURCES = tests/unit/test-agent-changes.c $(agent_rig) \
	tests/unit/agent-record.c tests/unit/agent-record.h \
	tests/unit/overlay-rig.c tests/unit/overlay-rig.h
test_agent_changes_CPPFLAGS = $(unit_cppflags)
test_agent_changes_LDADD = $(agent_libs)
test_agent_copy_SOURCES = tests/unit/test-agent-copy.c $(agent_rig)
test_agent_copy_CPPFLAGS = $(unit_cppflags)
test_agent_copy_LDADD = $(agent_libs)
test_agent_exec_SOURCES = tests/unit/test-agent-exec.c $(agent_rig)
test_agent_exec_CPPFLAGS = $(unit_cppflags)
test_agent_exec_LDADD = $(agent_libs)
test_agent_fetch_SOURCES = tests/unit/test-agent-fetch.c $(agent_rig) \
	tests/unit/agent-record.c tests/unit/agent-record.h \
	tests/unit/overlay-rig.c tests/unit/overlay-rig.h
test_agent_fetch_CPPFLAGS = $(unit_cppflags)
test_agent_fetch_LDADD = $(agent_libs)
test_agent_files_SOURCES = tests/unit/test-agent-files.c $(agent_rig) \
	tests/unit/agent-tar.c tests/unit/agent-tar.h
test_agent_files_CPPFLAGS = $(unit_cppflags)
test_agent_files_LDADD = $(agent_libs)
test_agent_display_SOURCES = tests/unit/test-agent-display.c $(agent_rig) \
	tests/unit/agent-code.c tests/unit/agent-code.h
test_agent_display_CPPFLAGS = $(unit_cppflags)
test_agent_display_LDADD = $(agent_libs)
test_agent_repl_SOURCES = tests/unit/test-agent-repl.c $(agent_rig) \
	tests/unit/agent-code.c tests/unit/agent-code.h
test_agent_repl_CPPFLAGS = $(unit_cppflags)
test_agent_repl_LDADD = $(agent_libs)
test_agent_repl_bad_SOURCES = tests/unit/test-agent-repl-bad.c $(agent_rig) \
	tests/unit/agent-code.c tests/unit/agent-code.h
test_agent_repl_bad_CPPFLAGS = $(unit_cppflags)
test_agent_repl_bad_LDADD = $(agent_libs)
test_agent_requests_SOURCES = tests/unit/test-agent-requests.c $(agent_rig)
test_agent_requests_CPPFLAGS = $(unit_cppflags)
test_agent_requests_LDADD = $(agent_libs)
test_agent_session_SOURCES = tests/unit/test-agent-session.c $(agent_rig)
test_agent_session_CPPFLAGS = $(unit_cppflags)
test_agent_session_LDADD = $(agent_libs)
test_agent_tar_SOURCES = tests/unit/test-agent-tar.c $(agent_rig) \
	tests/unit/agent-tar.c tests/unit/agent-tar.h
test_agent_tar_CPPFLAGS = $(unit_cppflags)
test_agent_tar_LDADD = $(agent_libs)
test_agent_tty_SOURCES = tests/unit/test-agent-tty.c $(agent_rig)
test_agent_tty_CPPFLAGS = $(unit_cppflags)
test_agent_tty_LDADD = $(agent_libs)
check_PROGRAMS += test-agent-console
TESTS += test-agent-console
test_agent_console_SOURCES = tests/unit/test-agent-console.c \
	guest-init/console.c tests/unit/unit.h
test_agent_console_CPPFLAGS = $(unit_cppflags)
test_agent_console_LDADD = $(agent_libs)
endif

# machine/
if HAVE_CMOCKA
check_PROGRAMS += test-mux test-mux-session test-relay
TESTS += test-mux test-mux-session test-relay
test_mux_SOURCES = tests/unit/test-mux.c tests/unit/mux-pair.h
test_mux_CPPFLAGS = $(unit_cppflags)
test_mux_LDADD = libmux.a libcommon.a $(CMOCKA_LIBS)
test_mux_session_SOURCES = tests/unit/test-mux-session.c
test_mux_session_CPPFLAGS = $(unit_cppflags)
test_mux_session_LDADD = libmux.a libcommon.a $(CMOCKA_LIBS)
test_relay_SOURCES = tests/unit/test-relay.c
test_relay_CPPFLAGS = $(unit_cppflags)
test_relay_LDADD = libmux.a libcommon.a $(CMOCKA_LIBS)

# runner/vmm/: devices and disks, with the driver's side in plain memory
check_LIBRARIES += libvqdriver.a
libvqdriver_a_CPPFLAGS = $(unit_cppflags)
libvqdriver_a_SOURCES = tests/unit/vq-driver.c tests/unit/vq-driver.h \
	tests/unit/vq-fuzz.c tests/unit/vsock-guest.c tests/unit/vsock-guest.h
vmmdev_tests = test-cowfile \
	test-cowfmt \
	test-cowfork \
	test-statefile \
	test-virtio-blk \
	test-virtio-mmio \
	test-virtio-net \
	test-virtio-net-bad \
	test-virtio-race \
	test-virtio-rng \
	test-virtio-state \
	test-virtio-vsock \
	test-virtio-vsock-bad \
	test-virtq \
	test-vsock-conn
check_PROGRAMS += $(vmmdev_tests)
TESTS += $(vmmdev_tests)
vmmdev_ldadd = libvqdriver.a libvmmdev.a libcommon.a $(CMOCKA_LIBS) -lpthread
test_cowfile_SOURCES = tests/unit/test-cowfile.c
test_cowfile_CPPFLAGS = $(unit_cppflags)
test_cowfile_LDADD = $(vmmdev_ldadd)
test_cowfmt_SOURCES = tests/unit/test-cowfmt.c
test_cowfmt_CPPFLAGS = $(unit_cppflags)
test_cowfmt_LDADD = $(vmmdev_ldadd)
test_cowfork_SOURCES = tests/unit/test-cowfork.c
test_cowfork_CPPFLAGS = $(unit_cppflags)
test_cowfork_LDADD = $(vmmdev_ldadd)
test_statefile_SOURCES = tests/unit/test-statefile.c
test_statefile_CPPFLAGS = $(unit_cppflags)
test_statefile_LDADD = $(vmmdev_ldadd)
test_virtio_state_SOURCES = tests/unit/test-virtio-state.c
test_virtio_state_CPPFLAGS = $(unit_cppflags)
test_virtio_state_LDADD = $(vmmdev_ldadd)
test_virtio_blk_SOURCES = tests/unit/test-virtio-blk.c
test_virtio_blk_CPPFLAGS = $(unit_cppflags)
test_virtio_blk_LDADD = $(vmmdev_ldadd)
test_virtio_mmio_SOURCES = tests/unit/test-virtio-mmio.c
test_virtio_mmio_CPPFLAGS = $(unit_cppflags)
test_virtio_mmio_LDADD = $(vmmdev_ldadd)
test_virtio_net_SOURCES = tests/unit/test-virtio-net.c
test_virtio_net_CPPFLAGS = $(unit_cppflags)
test_virtio_net_LDADD = $(vmmdev_ldadd)
test_virtio_net_bad_SOURCES = tests/unit/test-virtio-net-bad.c
test_virtio_net_bad_CPPFLAGS = $(unit_cppflags)
test_virtio_net_bad_LDADD = $(vmmdev_ldadd)
test_virtio_race_SOURCES = tests/unit/test-virtio-race.c
test_virtio_race_CPPFLAGS = $(unit_cppflags)
test_virtio_race_LDADD = $(vmmdev_ldadd)
test_virtio_rng_SOURCES = tests/unit/test-virtio-rng.c
test_virtio_rng_CPPFLAGS = $(unit_cppflags)
test_virtio_rng_LDADD = $(vmmdev_ldadd)
test_virtio_vsock_SOURCES = tests/unit/test-virtio-vsock.c
test_virtio_vsock_CPPFLAGS = $(unit_cppflags)
test_virtio_vsock_LDADD = $(vmmdev_ldadd)
test_virtio_vsock_bad_SOURCES = tests/unit/test-virtio-vsock-bad.c
test_virtio_vsock_bad_CPPFLAGS = $(unit_cppflags)
test_virtio_vsock_bad_LDADD = $(vmmdev_ldadd)
test_virtq_SOURCES = tests/unit/test-virtq.c
test_virtq_CPPFLAGS = $(unit_cppflags)
test_virtq_LDADD = $(vmmdev_ldadd)
test_vsock_conn_SOURCES = tests/unit/test-vsock-conn.c
test_vsock_conn_CPPFLAGS = $(unit_cppflags)
test_vsock_conn_LDADD = $(vmmdev_ldadd)
endif

# cli/
if HAVE_CMOCKA
cli_tests = test-client test-cp-path test-extract test-log-graph test-opts \
	test-output \
	test-session test-size
check_PROGRAMS += $(cli_tests)
TESTS += $(cli_tests)
cli_test_cppflags = $(unit_cppflags) $(JANSSON_CFLAGS) $(ARCHIVE_CFLAGS)
cli_test_ldadd = libcli.a libconfig.a libjsonrpc.a libcommon.a $(CMOCKA_LIBS) \
	$(JANSSON_LIBS) $(YAML_LIBS) $(ARCHIVE_LIBS) $(MD_LIBS)
test_client_SOURCES = tests/unit/test-client.c
test_client_CPPFLAGS = $(cli_test_cppflags)
test_client_LDADD = $(cli_test_ldadd)
test_cp_path_SOURCES = tests/unit/test-cp-path.c
test_cp_path_CPPFLAGS = $(cli_test_cppflags)
test_cp_path_LDADD = $(cli_test_ldadd)
test_extract_SOURCES = tests/unit/test-extract.c tests/unit/tar-maker.c \
	tests/unit/tar-maker.h
test_extract_CPPFLAGS = $(cli_test_cppflags)
test_extract_LDADD = $(cli_test_ldadd)
test_log_graph_SOURCES = tests/unit/test-log-graph.c
test_log_graph_CPPFLAGS = $(cli_test_cppflags)
test_log_graph_LDADD = $(cli_test_ldadd)
test_opts_SOURCES = tests/unit/test-opts.c
test_opts_CPPFLAGS = $(cli_test_cppflags)
test_opts_LDADD = $(cli_test_ldadd)
test_output_SOURCES = tests/unit/test-output.c
test_output_CPPFLAGS = $(cli_test_cppflags)
test_output_LDADD = $(cli_test_ldadd)
check_PROGRAMS += test-display
TESTS += test-display
test_display_SOURCES = tests/unit/test-display.c
test_display_CPPFLAGS = $(cli_test_cppflags)
test_display_LDADD = $(cli_test_ldadd)
test_session_SOURCES = tests/unit/test-session.c
test_session_CPPFLAGS = $(cli_test_cppflags)
test_session_LDADD = $(cli_test_ldadd)
test_size_SOURCES = tests/unit/test-size.c
test_size_CPPFLAGS = $(cli_test_cppflags)
test_size_LDADD = $(cli_test_ldadd)
endif

# runner/vmm/: the whole of it, guests of a few instructions on the real /dev/kvm
if HAVE_CMOCKA
vmm_tests = \
	test-acpi \
	test-boot \
	test-cpuid \
	test-isolate \
	test-memory \
	test-serial \
	test-snapshot-memory \
	test-tinyguest test-tinytimer \
	test-vmm test-vmm-fork test-vmm-layers test-vmm-net \
	test-vmm-snapshot
check_PROGRAMS += $(vmm_tests)
TESTS += $(vmm_tests)
vmm_ldadd = libvmm.a libvmmdev.a libcommon.a $(SECCOMP_LIBS) $(CMOCKA_LIBS)
test_acpi_SOURCES = tests/unit/test-acpi.c
test_acpi_CPPFLAGS = $(unit_cppflags)
test_acpi_LDADD = $(vmm_ldadd)
test_boot_SOURCES = tests/unit/test-boot.c
test_boot_CPPFLAGS = $(unit_cppflags)
test_boot_LDADD = $(vmm_ldadd)
test_cpuid_SOURCES = tests/unit/test-cpuid.c
test_cpuid_CPPFLAGS = $(unit_cppflags)
test_cpuid_LDADD = $(vmm_ldadd)
test_isolate_SOURCES = tests/unit/test-isolate.c
test_isolate_CPPFLAGS = $(unit_cppflags)
test_isolate_LDADD = $(vmm_ldadd)
test_memory_SOURCES = tests/unit/test-memory.c
test_memory_CPPFLAGS = $(unit_cppflags)
test_memory_LDADD = $(vmm_ldadd)
test_serial_SOURCES = tests/unit/test-serial.c
test_serial_CPPFLAGS = $(unit_cppflags)
test_serial_LDADD = $(vmm_ldadd)
test_snapshot_memory_SOURCES = tests/unit/test-snapshot-memory.c
test_snapshot_memory_CPPFLAGS = $(unit_cppflags)
test_snapshot_memory_LDADD = $(vmm_ldadd)
test_tinyguest_SOURCES = tests/unit/test-tinyguest.c
test_tinyguest_CPPFLAGS = $(unit_cppflags)
test_tinyguest_LDADD = $(vmm_ldadd)
test_tinytimer_SOURCES = tests/unit/test-tinytimer.c
test_tinytimer_CPPFLAGS = $(unit_cppflags)
test_tinytimer_LDADD = $(vmm_ldadd)
test_vmm_SOURCES = tests/unit/test-vmm.c \
	tests/unit/vmm-rig.c tests/unit/vmm-rig.h
test_vmm_CPPFLAGS = $(unit_cppflags)
test_vmm_LDADD = $(vmm_ldadd)
test_vmm_net_SOURCES = tests/unit/test-vmm-net.c \
	tests/unit/vmm-rig.c tests/unit/vmm-rig.h
test_vmm_net_CPPFLAGS = $(unit_cppflags)
test_vmm_net_LDADD = $(vmm_ldadd)
test_vmm_fork_SOURCES = tests/unit/test-vmm-fork.c \
	tests/unit/vmm-rig.c tests/unit/vmm-rig.h
test_vmm_fork_CPPFLAGS = $(unit_cppflags)
test_vmm_fork_LDADD = $(vmm_ldadd)
test_vmm_layers_SOURCES = tests/unit/test-vmm-layers.c \
	tests/unit/vmm-rig.c tests/unit/vmm-rig.h
test_vmm_layers_CPPFLAGS = $(unit_cppflags)
test_vmm_layers_LDADD = $(vmm_ldadd)
test_vmm_snapshot_SOURCES = tests/unit/test-vmm-snapshot.c \
	tests/unit/vmm-rig.c tests/unit/vmm-rig.h
test_vmm_snapshot_CPPFLAGS = $(unit_cppflags)
test_vmm_snapshot_LDADD = $(vmm_ldadd)
endif

# runner/: a real podflared with VMMs that are played (tests/fake)
if HAVE_CMOCKA
runner_tests = test-chain test-cow-property test-runner test-runner-api test-runner-bad \
	test-runner-fork test-runner-fork-bad test-runner-freeze \
	test-runner-gc test-runner-layers test-runner-template \
	test-runner-image test-runner-merge test-runner-net test-runner-points \
	test-runner-pool test-runner-start \
	test-runner-snapshot test-runner-idle test-runner-reset \
	test-runner-export test-runner-import-bad
check_PROGRAMS += $(runner_tests)
TESTS += $(runner_tests)
check_PROGRAMS += test-chain-files
TESTS += test-chain-files
test_chain_files_SOURCES = tests/unit/test-chain-files.c
test_chain_files_CPPFLAGS = $(unit_cppflags)
test_chain_files_LDADD = librunner.a libvqdriver.a libvmmdev.a libcommon.a \
	$(JANSSON_LIBS) $(CMOCKA_LIBS) -lpthread
EXTRA_PROGRAMS += fake-vmm
fake_vmm_SOURCES = tests/fake/fake-vmm.c tests/fake/fake-agent.c \
	tests/fake/fake-agent.h tests/fake/fake-fork.c \
	tests/fake/fake-layers.c \
	tests/fake/fake-save.c
fake_vmm_CFLAGS = $(AM_CFLAGS) -pthread
fake_vmm_LDADD = libcommon.a
runner_host = tests/unit/runner-host.c tests/unit/runner-conn.c \
	tests/unit/runner-host.h
runner_cppflags = $(unit_cppflags) $(JANSSON_CFLAGS) $(MD_CFLAGS)
runner_extra = fake-vmm$(EXEEXT) podflared$(EXEEXT) podflare-net$(EXEEXT)
runner_ldadd = libjsonrpc.a libcommon.a $(JANSSON_LIBS) $(MD_LIBS) \
	$(CMOCKA_LIBS)
test_chain_SOURCES = tests/unit/test-chain.c
test_chain_CPPFLAGS = $(runner_cppflags)
test_chain_LDADD = librunner.a libvmmdev.a $(runner_ldadd)
test_cow_property_SOURCES = tests/unit/test-cow-property.c \
	tests/unit/cow-break.c tests/unit/cow-machine.c \
	tests/unit/cow-machine.h tests/unit/cow-model.c tests/unit/cow-parts.h \
	tests/unit/sim-disk.c tests/unit/sim-disk.h
test_cow_property_CPPFLAGS = $(runner_cppflags)
test_cow_property_LDFLAGS = $(wrap_calls)
wrap_calls = -Wl,--wrap=pwrite,--wrap=pwritev,--wrap=copy_file_range \
	-Wl,--wrap=fdatasync,--wrap=fsync,--wrap=fallocate,--wrap=renameat \
	-Wl,--wrap=unlinkat,--wrap=openat,--wrap=fstat \
	-Wl,--wrap=chain_own,--wrap=chain_merge
test_cow_property_LDADD = librunner.a libvqdriver.a libvmmdev.a \
	$(runner_ldadd)
test_runner_SOURCES = tests/unit/test-runner.c $(runner_host)
test_runner_CPPFLAGS = $(runner_cppflags)
test_runner_LDADD = $(runner_ldadd)
EXTRA_test_runner_DEPENDENCIES = $(runner_extra)
test_runner_api_SOURCES = tests/unit/test-runner-api.c $(runner_host)
test_runner_api_CPPFLAGS = $(runner_cppflags)
test_runner_api_LDADD = $(runner_ldadd)
EXTRA_test_runner_api_DEPENDENCIES = $(runner_extra)
test_runner_bad_SOURCES = tests/unit/test-runner-bad.c $(runner_host)
test_runner_bad_CPPFLAGS = $(runner_cppflags)
test_runner_bad_LDADD = $(runner_ldadd)
EXTRA_test_runner_bad_DEPENDENCIES = $(runner_extra)
runner_fork = $(runner_host) tests/unit/runner-fork.c \
	tests/unit/runner-fork.h
test_runner_fork_SOURCES = tests/unit/test-runner-fork.c $(runner_fork)
test_runner_fork_CPPFLAGS = $(runner_cppflags)
test_runner_fork_LDADD = $(runner_ldadd)
EXTRA_test_runner_fork_DEPENDENCIES = $(runner_extra)
test_runner_gc_SOURCES = tests/unit/test-runner-gc.c $(runner_fork)
test_runner_gc_CPPFLAGS = $(runner_cppflags)
test_runner_gc_LDADD = $(runner_ldadd)
EXTRA_test_runner_gc_DEPENDENCIES = $(runner_extra)
test_runner_layers_SOURCES = tests/unit/test-runner-layers.c $(runner_fork)
test_runner_layers_CPPFLAGS = $(runner_cppflags)
test_runner_layers_LDADD = $(runner_ldadd)
EXTRA_test_runner_layers_DEPENDENCIES = $(runner_extra)
test_runner_template_SOURCES = tests/unit/test-runner-template.c $(runner_fork)
test_runner_template_CPPFLAGS = $(runner_cppflags)
test_runner_template_LDADD = $(runner_ldadd)
EXTRA_test_runner_template_DEPENDENCIES = $(runner_extra)
test_runner_pool_SOURCES = tests/unit/test-runner-pool.c $(runner_fork)
test_runner_pool_CPPFLAGS = $(runner_cppflags)
test_runner_pool_LDADD = $(runner_ldadd)
EXTRA_test_runner_pool_DEPENDENCIES = $(runner_extra)
test_runner_fork_bad_SOURCES = tests/unit/test-runner-fork-bad.c $(runner_fork)
test_runner_fork_bad_CPPFLAGS = $(runner_cppflags)
test_runner_fork_bad_LDADD = $(runner_ldadd)
EXTRA_test_runner_fork_bad_DEPENDENCIES = $(runner_extra)
test_runner_freeze_SOURCES = tests/unit/test-runner-freeze.c $(runner_fork)
test_runner_freeze_CPPFLAGS = $(runner_cppflags)
test_runner_freeze_LDADD = $(runner_ldadd)
EXTRA_test_runner_freeze_DEPENDENCIES = $(runner_extra)
test_runner_snapshot_SOURCES = tests/unit/test-runner-snapshot.c $(runner_fork)
test_runner_snapshot_CPPFLAGS = $(runner_cppflags)
test_runner_snapshot_LDADD = $(runner_ldadd)
EXTRA_test_runner_snapshot_DEPENDENCIES = $(runner_extra)
test_runner_reset_SOURCES = tests/unit/test-runner-reset.c $(runner_fork)
test_runner_reset_CPPFLAGS = $(runner_cppflags)
test_runner_reset_LDADD = $(runner_ldadd)
EXTRA_test_runner_reset_DEPENDENCIES = $(runner_extra)
runner_export = tests/unit/runner-export.c tests/unit/runner-export.h
test_runner_import_bad_SOURCES = tests/unit/test-runner-import-bad.c \
	$(runner_export) $(runner_fork)
test_runner_import_bad_CPPFLAGS = $(runner_cppflags)
test_runner_import_bad_LDADD = $(runner_ldadd)
EXTRA_test_runner_import_bad_DEPENDENCIES = $(runner_extra)
test_runner_export_SOURCES = tests/unit/test-runner-export.c \
	$(runner_export) $(runner_fork)
test_runner_export_CPPFLAGS = $(runner_cppflags)
test_runner_export_LDADD = $(runner_ldadd)
EXTRA_test_runner_export_DEPENDENCIES = $(runner_extra)
test_runner_idle_SOURCES = tests/unit/test-runner-idle.c $(runner_fork)
test_runner_idle_CPPFLAGS = $(runner_cppflags)
test_runner_idle_LDADD = $(runner_ldadd)
EXTRA_test_runner_idle_DEPENDENCIES = $(runner_extra)
test_runner_image_SOURCES = tests/unit/test-runner-image.c $(runner_host)
test_runner_image_CPPFLAGS = $(runner_cppflags)
test_runner_image_LDADD = $(runner_ldadd)
EXTRA_test_runner_image_DEPENDENCIES = $(runner_extra)
test_runner_merge_SOURCES = tests/unit/test-runner-merge.c $(runner_fork)
test_runner_merge_CPPFLAGS = $(runner_cppflags)
test_runner_merge_LDADD = $(runner_ldadd)
EXTRA_test_runner_merge_DEPENDENCIES = $(runner_extra)
test_runner_net_SOURCES = tests/unit/test-runner-net.c $(runner_host) \
	tests/unit/netns.c tests/unit/netns.h
test_runner_net_CPPFLAGS = $(runner_cppflags)
test_runner_net_LDADD = $(runner_ldadd)
EXTRA_test_runner_net_DEPENDENCIES = $(runner_extra)
test_runner_points_SOURCES = tests/unit/test-runner-points.c $(runner_fork)
test_runner_points_CPPFLAGS = $(runner_cppflags)
test_runner_points_LDADD = $(runner_ldadd)
EXTRA_test_runner_points_DEPENDENCIES = $(runner_extra)
test_runner_start_SOURCES = tests/unit/test-runner-start.c $(runner_host)
test_runner_start_CPPFLAGS = $(runner_cppflags)
test_runner_start_LDADD = $(runner_ldadd)
EXTRA_test_runner_start_DEPENDENCIES = $(runner_extra)
endif

# cli/ with a real podflared and played VMMs
if HAVE_CMOCKA
check_PROGRAMS += test-cli
TESTS += test-cli
test_cli_SOURCES = tests/unit/test-cli.c $(runner_host)
test_cli_CPPFLAGS = $(runner_cppflags)
test_cli_LDADD = $(runner_ldadd)
EXTRA_test_cli_DEPENDENCIES = $(runner_extra) podflare$(EXEEXT)
endif

# cli/: images and recipes
if HAVE_CMOCKA
image_tests = \
	test-image-base \
	test-image-job \
	test-image-kernel \
	test-image-modules \
	test-image-push \
	test-image-sources \
	test-image-store \
	test-recipe
check_PROGRAMS += $(image_tests)
TESTS += $(image_tests)
test_image_base_SOURCES = tests/unit/test-image-base.c \
	tests/unit/tar-maker.c tests/unit/tar-maker.h
test_image_base_CPPFLAGS = $(cli_test_cppflags)
test_image_base_LDADD = $(cli_test_ldadd)
test_image_job_SOURCES = tests/unit/test-image-job.c
test_image_job_CPPFLAGS = $(cli_test_cppflags)
test_image_job_LDADD = $(cli_test_ldadd)
test_image_kernel_SOURCES = tests/unit/test-image-kernel.c
test_image_kernel_CPPFLAGS = $(cli_test_cppflags)
test_image_kernel_LDADD = $(cli_test_ldadd)
test_image_modules_SOURCES = tests/unit/test-image-modules.c
test_image_modules_CPPFLAGS = $(cli_test_cppflags)
test_image_modules_LDADD = $(cli_test_ldadd)
test_image_push_SOURCES = tests/unit/test-image-push.c
test_image_push_CPPFLAGS = $(cli_test_cppflags)
test_image_push_LDADD = $(cli_test_ldadd)
test_image_store_SOURCES = tests/unit/test-image-store.c
test_image_store_CPPFLAGS = $(cli_test_cppflags)
test_image_store_LDADD = $(cli_test_ldadd)
test_recipe_SOURCES = tests/unit/test-recipe.c
test_recipe_CPPFLAGS = $(cli_test_cppflags)
test_recipe_LDADD = $(cli_test_ldadd)
test_image_sources_SOURCES = tests/unit/test-image-sources.c
test_image_sources_CPPFLAGS = $(cli_test_cppflags)
test_image_sources_LDADD = $(cli_test_ldadd)
endif

# runner/net/: the filter in plain memory; the process in a network of its own
if HAVE_CMOCKA
net_tests = test-net-dns test-net-filter test-net-frames test-net-fuzz \
	test-net-process \
	test-netpolicy
check_PROGRAMS += $(net_tests)
TESTS += $(net_tests)
net_frame = tests/unit/net-frame.c tests/unit/net-frame.h
net_ldadd = libnetfilter.a libcommon.a $(CMOCKA_LIBS)
test_net_dns_SOURCES = tests/unit/test-net-dns.c
test_net_dns_CPPFLAGS = $(unit_cppflags)
test_net_dns_LDADD = $(net_ldadd)
test_net_filter_SOURCES = tests/unit/test-net-filter.c $(net_frame)
test_net_filter_CPPFLAGS = $(unit_cppflags)
test_net_filter_LDADD = $(net_ldadd)
test_net_frames_SOURCES = tests/unit/test-net-frames.c $(net_frame)
test_net_frames_CPPFLAGS = $(unit_cppflags)
test_net_frames_LDADD = $(net_ldadd)
net_rig = $(net_frame) tests/unit/net-rig.c tests/unit/net-rig.h \
	tests/unit/netns.c tests/unit/netns.h
test_net_fuzz_SOURCES = tests/unit/test-net-fuzz.c $(net_rig)
test_net_fuzz_CPPFLAGS = $(unit_cppflags)
test_net_fuzz_LDADD = $(net_ldadd)
EXTRA_test_net_fuzz_DEPENDENCIES = podflare-net$(EXEEXT)
test_net_process_SOURCES = tests/unit/test-net-process.c $(net_rig)
test_net_process_CPPFLAGS = $(unit_cppflags)
test_net_process_LDADD = $(net_ldadd)
EXTRA_test_net_process_DEPENDENCIES = podflare-net$(EXEEXT)
test_netpolicy_SOURCES = tests/unit/test-netpolicy.c
test_netpolicy_CPPFLAGS = $(unit_cppflags)
test_netpolicy_LDADD = $(net_ldadd)
endif

# cli/: diff and merge
if HAVE_CMOCKA
diff_tests = test-change test-diff test-merge test-textdiff
check_PROGRAMS += $(diff_tests)
TESTS += $(diff_tests)
change_maker = tests/unit/change-maker.c tests/unit/change-maker.h
test_change_SOURCES = tests/unit/test-change.c $(change_maker)
test_change_CPPFLAGS = $(cli_test_cppflags)
test_change_LDADD = $(cli_test_ldadd)
test_diff_SOURCES = tests/unit/test-diff.c $(change_maker)
test_diff_CPPFLAGS = $(cli_test_cppflags)
test_diff_LDADD = $(cli_test_ldadd)
test_merge_SOURCES = tests/unit/test-merge.c tests/unit/merge-rig.c \
	tests/unit/merge-rig.h $(change_maker)
test_merge_CPPFLAGS = $(cli_test_cppflags)
test_merge_LDADD = $(cli_test_ldadd)
test_textdiff_SOURCES = tests/unit/test-textdiff.c
test_textdiff_CPPFLAGS = $(cli_test_cppflags)
test_textdiff_LDADD = $(cli_test_ldadd)
EXTRA_test_textdiff_DEPENDENCIES = podflare-textdiff$(EXEEXT)
endif
