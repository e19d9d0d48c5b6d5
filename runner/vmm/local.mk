# runner/vmm/local.mk - the virtual machine monitor
noinst_LIBRARIES += libvmm.a
pkglibexec_PROGRAMS += podflare-vmm

# KVM, CPUs, boot, control: everything but main(), for the unit tests' sake.
libvmm_a_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS) $(SECCOMP_CFLAGS)
libvmm_a_SOURCES = \
	runner/vmm/clone-child.c \
	runner/vmm/clone-child.h \
	runner/vmm/clone.c \
	runner/vmm/clone.h \
	runner/vmm/control.h \
	runner/vmm/ctlsock.c \
	runner/vmm/ctlsock.h \
	runner/vmm/devices-fork.c \
	runner/vmm/devices-state.c \
	runner/vmm/devices.c \
	runner/vmm/devices.h \
	runner/vmm/exitrec.c \
	runner/vmm/exitrec.h \
	runner/vmm/isolate.c \
	runner/vmm/isolate.h \
	runner/vmm/kvm.c \
	runner/vmm/kvm.h \
	runner/vmm/layers.c \
	runner/vmm/layers.h \
	runner/vmm/request-config.c \
	runner/vmm/request-config.h \
	runner/vmm/request.c \
	runner/vmm/request.h \
	runner/vmm/snapshot-memory.c \
	runner/vmm/snapshot-memory.h \
	runner/vmm/snapshot.c \
	runner/vmm/snapshot.h \
	runner/vmm/vcpu-exit.c \
	runner/vmm/vcpu-exit.h \
	runner/vmm/vcpu.c \
	runner/vmm/vcpu.h \
	runner/vmm/vm-end.h \
	runner/vmm/vm-state.c \
	runner/vmm/vm.c \
	runner/vmm/vm.h \
	runner/vmm/vmm.c \
	runner/vmm/vmm.h \
	runner/vmm/x86/acpi.c \
	runner/vmm/x86/acpi.h \
	runner/vmm/x86/aml.c \
	runner/vmm/x86/aml.h \
	runner/vmm/x86/boot.c \
	runner/vmm/x86/boot.h \
	runner/vmm/x86/bzimage.c \
	runner/vmm/x86/chips.c \
	runner/vmm/x86/chips.h \
	runner/vmm/x86/cpu.c \
	runner/vmm/x86/cpu.h \
	runner/vmm/x86/cpuid-host.c \
	runner/vmm/x86/cpuid.c \
	runner/vmm/x86/cpuid.h \
	runner/vmm/x86/cpustate-file.c \
	runner/vmm/x86/cpustate.c \
	runner/vmm/x86/cpustate.h \
	runner/vmm/x86/elf.c \
	runner/vmm/x86/image.c \
	runner/vmm/x86/image.h \
	runner/vmm/x86/layout.h \
	runner/vmm/x86/msrs.c \
	runner/vmm/x86/msrs.h \
	runner/vmm/x86/power.c \
	runner/vmm/x86/power.h

podflare_vmm_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS)
podflare_vmm_LDFLAGS = $(HARDEN_LDFLAGS)
podflare_vmm_LDADD = libvmm.a libvmmdev.a libcommon.a $(SECCOMP_LIBS)
podflare_vmm_SOURCES = runner/vmm/main.c

# Devices and disks: no KVM in them, so that unit tests can have them.
noinst_LIBRARIES += libvmmdev.a
libvmmdev_a_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS)
libvmmdev_a_SOURCES = \
	runner/vmm/bus.c \
	runner/vmm/bus.h \
	runner/vmm/console-log.c \
	runner/vmm/console-log.h \
	runner/vmm/console.c \
	runner/vmm/console.h \
	runner/vmm/cowfile.c \
	runner/vmm/cowfile.h \
	runner/vmm/cowio.c \
	runner/vmm/cowio.h \
	runner/vmm/cowswap.c \
	runner/vmm/disk.c \
	runner/vmm/disk.h \
	runner/vmm/irq.c \
	runner/vmm/irq.h \
	runner/vmm/memory.c \
	runner/vmm/memory.h \
	runner/vmm/serial.c \
	runner/vmm/serial.h \
	runner/vmm/statefile.c \
	runner/vmm/statefile.h \
	runner/vmm/virtio-blk.c \
	runner/vmm/virtio-blk.h \
	runner/vmm/virtio-mmio.c \
	runner/vmm/virtio-mmio.h \
	runner/vmm/virtio-net.c \
	runner/vmm/virtio-net.h \
	runner/vmm/virtio-regs.c \
	runner/vmm/virtio-regs.h \
	runner/vmm/virtio-rng.c \
	runner/vmm/virtio-rng.h \
	runner/vmm/virtio-state.c \
	runner/vmm/virtio-state.h \
	runner/vmm/virtio-vsock.c \
	runner/vmm/virtio-vsock.h \
	runner/vmm/virtq.c \
	runner/vmm/virtq.h \
	runner/vmm/vsock-conn.c \
	runner/vmm/vsock-conn.h \
	runner/vmm/vsock-sock.c \
	runner/vmm/vsock-sock.h \
	runner/vmm/vsock-table.c \
	runner/vmm/vsock-table.h
