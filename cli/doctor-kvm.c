/* SPDX-License-Identifier: MIT */
/*
 * cli/doctor-kvm.c - podflare doctor: can this host run virtual machines?
 *
 * Runs in the CLI.  Opens /dev/kvm and makes an empty virtual machine, no more.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/virt.h"
#include "common/cleanup.h"

/* Documentation/virt/kvm/api.rst; all that is needed of it here */
#define KVM_GET_API_VERSION _IO(0xae, 0x00)
#define KVM_CREATE_VM _IO(0xae, 0x01)

static void no_device(struct doctor *d)
{
	struct doctor_finding *f;

	f = doctor_add(d, DOCTOR_ERROR, "kvm", "there is no /dev/kvm");
	doctor_hint(f, "sudo modprobe kvm_intel || sudo modprobe kvm_amd; in a "
		    "container, pass the device in: --device /dev/kvm");
}

static void no_permission(struct doctor *d)
{
	const struct passwd *pw = getpwuid(geteuid());
	const char *user = pw ? pw->pw_name : "$USER";
	struct doctor_finding *f;
	struct group *group = NULL;
	struct stat st;

	f = doctor_add(d, DOCTOR_ERROR, "kvm",
		       "/dev/kvm: permission denied");
	if (stat("/dev/kvm", &st) == 0)
		group = getgrgid(st.st_gid);
	if (group && group->gr_gid != 0 && (st.st_mode & 060) == 060)
		doctor_hint(f, "sudo usermod -aG %s %s, then log in again (or "
			    "for now: newgrp %s)", group->gr_name, user,
			    group->gr_name);
	else
		doctor_hint(f, "sudo setfacl -m u:%s:rw /dev/kvm", user);
}

static void try_kvm(struct doctor *d)
{
	CLEANUP_FD int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	CLEANUP_FD int vm = -1;
	struct doctor_finding *f;

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO)) {
		no_device(d);
		return;
	}
	if (fd < 0 && (errno == EACCES || errno == EPERM)) {
		no_permission(d);
		return;
	}
	if (fd >= 0 && ioctl(fd, KVM_GET_API_VERSION, 0) != 12) {
		doctor_add(d, DOCTOR_ERROR, "kvm",
			   "/dev/kvm is not the KVM of this decade");
		return;
	}
	if (fd >= 0)
		vm = ioctl(fd, KVM_CREATE_VM, 0);
	if (vm >= 0) {
		doctor_add(d, DOCTOR_OK, "kvm", "/dev/kvm works");
		return;
	}
	f = doctor_add(d, DOCTOR_ERROR, "kvm", "/dev/kvm: %s", strerror(errno));
	if (errno == EBUSY)
		doctor_hint(f, "another hypervisor (VirtualBox, VMware) holds "
			    "the CPU's virtualization: end it");
}

static void check_qemu(struct doctor *d)
{
	const char *env = getenv("PODFLARE_QEMU");
	CLEANUP_FREE char *path = env && *env ? strdup(env) :
		doctor_search("qemu-system-x86_64");
	struct doctor_finding *f;

	if (path && access(path, X_OK) == 0) {
		doctor_add(d, DOCTOR_OK, "qemu", "%s, for the emulated machine",
			   path);
		return;
	}
	f = doctor_add(d, DOCTOR_ERROR, "qemu", "QEMU is not installed; the "
		       "emulated machine needs it");
	doctor_hint(f, "sudo apt install qemu-system-x86");
}

/* See doctor.h. */
void doctor_check_kvm(struct doctor *d)
{
	bool virt = virt_present();
	struct doctor_finding *f;

	if (virt) {
		doctor_add(d, DOCTOR_OK, "virtualization",
			   "the CPU has it (vmx or svm)");
	} else {
		f = doctor_add(d, DOCTOR_WARNING, "virtualization",
			       "the CPU offers none (neither vmx nor svm)%s",
			       d->kind == HOST_MACHINE ? ": sandboxes run in "
			       "the emulated machine, some 30 times slower"
			       : "");
		doctor_hint(f, "enable VT-x or AMD-V in the firmware; in a "
			    "cloud, choose a type with nested virtualization");
	}
	if (d->kind == HOST_MACHINE) {
		doctor_add(d, DOCTOR_OK, "kvm", "not used on this host");
		check_qemu(d);
	} else {
		try_kvm(d);
		if (!virt) {
			f = doctor_add(d, DOCTOR_ERROR, "machine", "it is "
				       "switched off (PODFLARE_MACHINE), and a "
				       "kernel does not get up without it");
			doctor_hint(f, "unset PODFLARE_MACHINE");
		}
	}
}
