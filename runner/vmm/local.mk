# runner/vmm/local.mk

# Devices and disks: no KVM in them, so that unit tests can have them.
noinst_LIBRARIES += libvmmdev.a
libvmmdev_a_CFLAGS = $(AM_CFLAGS) $(HARDEN_CFLAGS)
libvmmdev_a_SOURCES = \
	runner/vmm/cowfile.c runner/vmm/cowfile.h \
	runner/vmm/cowio.c runner/vmm/cowio.h \
	runner/vmm/disk.c runner/vmm/disk.h \
	runner/vmm/virtio-blk.c runner/vmm/virtio-blk.h \
	runner/vmm/virtio-mmio.c runner/vmm/virtio-mmio.h \
	runner/vmm/virtio-regs.c runner/vmm/virtio-regs.h \
	runner/vmm/virtq.c runner/vmm/virtq.h
