/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/chips.c - what a VM has besides vCPUs inside KVM
 *
 * Runs in podflare-vmm on the main thread.  Trusts the kernel.
 */
#include "runner/vmm/x86/chips.h"

#include <errno.h>
#include <sys/ioctl.h>

static const uint32_t ids[CHIPS_IRQCHIPS] = {
	KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC,
};

int chips_save(struct chips *c, const struct kvm *k, struct err *err)
{
	for (int i = 0; i < CHIPS_IRQCHIPS; i++) {
		c->irqchips[i] = (struct kvm_irqchip){ .chip_id = ids[i] };
		if (ioctl(k->vm_fd, KVM_GET_IRQCHIP, &c->irqchips[i]) < 0)
			return err_sys(err, errno, "kvm: reading irqchip %d", i);
	}
	if (ioctl(k->vm_fd, KVM_GET_PIT2, &c->pit) < 0)
		return err_sys(err, errno, "kvm: reading the PIT");
	if (ioctl(k->vm_fd, KVM_GET_CLOCK, &c->clock) < 0)
		return err_sys(err, errno, "kvm: reading the clock");
	return 0;
}

int chips_restore(const struct chips *c, const struct kvm *k, struct err *err)
{
	/* no flags: the clock goes on from its value, whatever time has gone by;
	 * the wall clock is the agent's affair */
	struct kvm_clock_data clock = { .clock = c->clock.clock };

	for (int i = 0; i < CHIPS_IRQCHIPS; i++)
		if (ioctl(k->vm_fd, KVM_SET_IRQCHIP, &c->irqchips[i]) < 0)
			return err_sys(err, errno, "kvm: setting irqchip %d", i);
	if (ioctl(k->vm_fd, KVM_SET_PIT2, &c->pit) < 0)
		return err_sys(err, errno, "kvm: setting the PIT");
	if (ioctl(k->vm_fd, KVM_SET_CLOCK, &clock) < 0)
		return err_sys(err, errno, "kvm: setting the clock");
	return 0;
}

void chips_put(const struct chips *c, struct statefile_writer *w)
{
	for (int i = 0; i < CHIPS_IRQCHIPS; i++)
		statefile_put(w, &c->irqchips[i], sizeof(c->irqchips[i]),
			      "chips.irqchip%d", i);
	statefile_put(w, &c->pit, sizeof(c->pit), "chips.pit");
	statefile_put(w, &c->clock, sizeof(c->clock), "chips.clock");
}

int chips_get(struct chips *c, const struct statefile *f, struct err *err)
{
	for (int i = 0; i < CHIPS_IRQCHIPS; i++) {
		if (statefile_get(f, &c->irqchips[i], sizeof(c->irqchips[i]),
				  err, "chips.irqchip%d", i) < 0)
			return -1;
		c->irqchips[i].chip_id = ids[i];
	}
	if (statefile_get(f, &c->pit, sizeof(c->pit), err, "chips.pit") < 0)
		return -1;
	return statefile_get(f, &c->clock, sizeof(c->clock), err,
			     "chips.clock");
}
