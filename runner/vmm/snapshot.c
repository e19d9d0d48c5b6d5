/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/snapshot.c - a whole machine into files, and out of them
 *
 * Runs in podflare-vmm on the main thread.  Distrusts the files that it reads:
 * they may be damaged, of another version or CPU, or made to do harm; what they
 * say is checked as what a guest says.
 *
 * Theory of operation: the state file has everything but RAM and disks, in named
 * sections; the memory file has RAM's pages.  Restoring is what the child of a
 * live fork does, only that the memory comes from files: the machine is held, and
 * KVM's objects are made when it is resumed (clone.c, vmm_resume()).
 */
#include "runner/vmm/snapshot.h"

#include <errno.h>
#include <unistd.h>

#include "runner/vmm/snapshot-memory.h"

struct machine_section {
	uint64_t ram;
	uint32_t vcpus, reserved;
	char version[32];	/* of podflare */
};

static int sync_file(int fd, const char *what, struct err *err)
{
	if (fdatasync(fd) < 0)
		return err_sys(err, errno, "%s", what);
	return 0;
}

int snapshot_save(struct vmm *v, const struct snapshot_files *files,
		  struct err *err)
{
	struct machine_section m = {
		.ram = v->vm.mem.ram, .vcpus = v->vm.nr_vcpus,
		.version = PACKAGE_VERSION,
	};
	struct statefile_writer w;

	if (v->state == CTL_STATE_PAUSED && vm_save(&v->vm, err) < 0)
		return -1;
	console_flush(&v->dev.console);
	if (devices_flush(&v->dev, err) < 0)
		return -1;
	statefile_begin(&w);
	statefile_put(&w, &m, sizeof(m), "machine");
	vm_put(&v->vm, &w);
	devices_put(&v->dev, &w);
	if (snapshot_memory_save(&v->vm.mem, files->memory, files->pagemap,
				 files->template, &w, err) < 0) {
		buf_free(&w.buf);
		return -1;
	}
	if (statefile_end(&w, files->state, err) < 0 ||
	    sync_file(files->memory, "memory file", err) < 0)
		return -1;
	return sync_file(files->state, "state", err);
}

static int get_machine(const struct statefile *f, struct machine_section *m,
		       struct err *err)
{
	if (statefile_get(f, m, sizeof(*m), err, "machine") < 0)
		return -1;
	m->version[sizeof(m->version) - 1] = '\0';
	/* a VMM of another version may see devices otherwise */
	if (strcmp(m->version, PACKAGE_VERSION) != 0) {
		for (char *c = m->version; *c; c++)
			if (*c < ' ' || *c > '~')
				*c = '?';
		return err_set(err, ERR_VERSION, "made by podflare %s, this is "
			       "%s", m->version, PACKAGE_VERSION);
	}
	if (m->ram < CTL_RAM_MIN || m->ram > CTL_RAM_MAX ||
	    m->ram % (2 * MIB) || m->vcpus < 1 || m->vcpus > CTL_MAX_VCPUS)
		return err_set(err, ERR_IO, "state: no machine has that size");
	return 0;
}

static int restore(struct vmm *v, const struct snapshot_files *files,
		   const struct snapshot_setup *setup,
		   const struct statefile *f, struct err *err)
{
	bool lay = files->template >= 0;
	struct machine_section m;
	struct devices_setup dev;

	if (get_machine(f, &m, err) < 0 || kvm_check(v->kvm_fd, err) < 0 ||
	    vm_init(&v->vm, m.ram, m.vcpus,
		    lay ? files->template : files->memory, err) < 0)
		return -1;
	v->vm_ready = true;
	if (snapshot_memory_load(&v->vm.mem, files->memory, files->template, f,
				 err) < 0 ||
	    vm_get(&v->vm, v->kvm_fd, f, err) < 0)
		return -1;
	vmm_devices_setup(v, &dev);
	dev.log_max = setup->c->console_max;
	if (devices_saved_setup(f, &dev, err) < 0)
		return -1;
	dev.nr_disks = setup->c->nr_disks;
	memcpy(dev.disks, setup->c->disks, sizeof(dev.disks));
	dev.disk_fds = setup->disk_fds;
	v->devices_ready = true;
	if (devices_init(&v->dev, &v->vm, &dev, err) < 0)
		return -1;
	return devices_get(&v->dev, f, err);
}

int snapshot_restore(struct vmm *v, const struct snapshot_files *files,
		     const struct snapshot_setup *setup, struct err *err)
{
	struct statefile f;
	int rc;

	if (statefile_load(&f, files->state, err) < 0)
		return -1;
	rc = restore(v, files, setup, &f, err);
	statefile_free(&f);
	return rc;
}
