/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/cpustate.c - the whole state of a vCPU, out of KVM and into it
 *
 * Runs in podflare-vmm on the main thread, while the vCPU's thread is parked or
 * does not exist yet.  Trusts the kernel.
 *
 * Theory of operation: the order of restoring is not free.  Segments and control
 * registers first, since they say which modes the rest is checked against; XCR0
 * before the XSAVE area whose layout it rules; the LAPIC before the MSRs, since
 * the TSC deadline is accepted only once its timer is in that mode; the TSC
 * before the deadline that is compared with it; events last, since setting
 * registers drops what was about to be injected.
 */
#include "runner/vmm/x86/cpustate.h"

#include <errno.h>
#include <sys/ioctl.h>

#define LAPIC_LVT_TIMER 0x320
#define LVT_TIMER_MODE (3u << 17)
#define LVT_TIMER_DEADLINE (2u << 17)

static int failed(struct err *err, const struct vcpu *v, const char *what)
{
	return err_sys(err, errno, "vCPU %u: %s", v->id, what);
}

static bool has(int fd, int cap)
{
	return ioctl(fd, KVM_CHECK_EXTENSION, cap) > 0;
}

static struct kvm_device_attr offset_attr(uint64_t *offset)
{
	return (struct kvm_device_attr){
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};
}

int cpustate_probe(struct cpustate_caps *caps, const struct kvm *k,
		   const struct vcpu *v, struct err *err)
{
	struct kvm_device_attr attr = offset_attr(NULL);
	int xsave2 = ioctl(k->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	int khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);

	*caps = (struct cpustate_caps){
		.xcrs = has(k->vm_fd, KVM_CAP_XCRS),
		.debugregs = has(k->vm_fd, KVM_CAP_DEBUGREGS),
		.tsc_offset = ioctl(v->fd, KVM_HAS_DEVICE_ATTR, &attr) == 0,
		.xsave2 = xsave2 > 0 ? (size_t)xsave2 : 0,
		.tsc_khz = khz > 0 ? (uint32_t)khz : 0,
	};
	if (caps->xsave2 > CPUSTATE_XSAVE_MAX)
		return err_set(err, ERR_KVM, "kvm: a vCPU's XSAVE area has %zu "
			       "bytes, more than %d", caps->xsave2,
			       CPUSTATE_XSAVE_MAX);
	if (msrs_probe(&caps->msrs, k->fd, v->fd, err) < 0)
		return -1;
	return 0;
}

int cpustate_same_tsc(const struct cpustate_caps *caps, uint32_t khz,
		      struct err *err)
{
	uint32_t here = caps->tsc_khz, most = MAX(here, khz);

	/* a host measures it anew at each boot, within some parts in 10,000 */
	if (!here || !khz || most - MIN(here, khz) < most / 200)
		return 0;
	return err_set(err, ERR_KVM, "its TSC runs at %u kHz, this host's at "
		       "%u kHz", khz, here);
}

int cpustate_save(struct cpustate *s, const struct cpustate_caps *caps,
		  const struct vcpu *v, struct err *err)
{
	struct kvm_device_attr attr = offset_attr(&s->tsc_offset);

	/* MP_STATE first: asking for it settles a pending INIT or SIPI */
	if (ioctl(v->fd, KVM_GET_MP_STATE, &s->mp) < 0)
		return failed(err, v, "reading whether it runs");
	if (ioctl(v->fd, KVM_GET_REGS, &s->regs) < 0 ||
	    ioctl(v->fd, KVM_GET_SREGS, &s->sregs) < 0)
		return failed(err, v, "reading registers");
	if (caps->xcrs && ioctl(v->fd, KVM_GET_XCRS, &s->xcrs) < 0)
		return failed(err, v, "reading XCRs");
	if (ioctl(v->fd, caps->xsave2 ? KVM_GET_XSAVE2 : KVM_GET_XSAVE,
		  s->xsave) < 0)
		return failed(err, v, "reading FPU state");
	if (ioctl(v->fd, KVM_GET_LAPIC, &s->lapic) < 0)
		return failed(err, v, "reading the LAPIC");
	if (caps->debugregs && ioctl(v->fd, KVM_GET_DEBUGREGS, &s->debug) < 0)
		return failed(err, v, "reading debug registers");
	if (ioctl(v->fd, KVM_GET_VCPU_EVENTS, &s->events) < 0)
		return failed(err, v, "reading pending events");
	s->has_offset = caps->tsc_offset;
	if (caps->tsc_offset && ioctl(v->fd, KVM_GET_DEVICE_ATTR, &attr) < 0)
		return failed(err, v, "reading the TSC offset");
	if (msrs_save(&s->msrs, &caps->msrs, v->fd, err) < 0)
		return err_context(err, "vCPU %u", v->id);
	return 0;
}

static bool deadline_mode(const struct cpustate *s)
{
	uint32_t lvt;

	memcpy(&lvt, s->lapic.regs + LAPIC_LVT_TIMER, sizeof(lvt));
	return (lvt & LVT_TIMER_MODE) == LVT_TIMER_DEADLINE;
}

/* With its offset to the host's TSC the guest's goes on as if nothing had been,
 * equally on all vCPUs.  Without (before Linux 5.16) the value is written, and
 * KVM takes writes within a second for one synchronised set.  A deadline of 0
 * may mean that the timer had just fired and its interrupt was not delivered:
 * due at once is harmless if it was not so, a lost timer is not. */
static int restore_tsc(const struct cpustate *s,
		       const struct cpustate_caps *caps, const struct vcpu *v,
		       struct err *err)
{
	uint64_t offset = s->tsc_offset, deadline = s->msrs.tsc_deadline;
	struct kvm_device_attr attr = offset_attr(&offset);

	if (s->has_offset) {
		if (ioctl(v->fd, KVM_SET_DEVICE_ATTR, &attr) < 0)
			return failed(err, v, "setting the TSC offset");
	} else if (msrs_set_one(v->fd, MSR_TSC, s->msrs.tsc, err) < 0) {
		return -1;
	}
	if (!caps->msrs.tsc_deadline || !deadline_mode(s))
		return 0;
	if (deadline == 0)
		deadline = s->msrs.tsc;
	return msrs_set_one(v->fd, MSR_TSC_DEADLINE, deadline, err);
}

int cpustate_restore(const struct cpustate *s, const struct cpustate_caps *caps,
		     const struct vcpu *v, struct err *err)
{
	if (ioctl(v->fd, KVM_SET_SREGS, &s->sregs) < 0)
		return failed(err, v, "setting segments");
	/* none on a host without XSAVE, where setting them is refused */
	if (caps->xcrs && s->xcrs.nr_xcrs &&
	    ioctl(v->fd, KVM_SET_XCRS, &s->xcrs) < 0)
		return failed(err, v, "setting XCRs");
	if (ioctl(v->fd, KVM_SET_XSAVE, s->xsave) < 0)
		return failed(err, v, "setting FPU state");
	if (ioctl(v->fd, KVM_SET_REGS, &s->regs) < 0)
		return failed(err, v, "setting registers");
	if (ioctl(v->fd, KVM_SET_LAPIC, &s->lapic) < 0)
		return failed(err, v, "setting the LAPIC");
	if (msrs_restore(&s->msrs, &caps->msrs, v->fd, err) < 0 ||
	    restore_tsc(s, caps, v, err) < 0)
		return err_context(err, "vCPU %u", v->id);
	if (ioctl(v->fd, KVM_SET_MP_STATE, &s->mp) < 0)
		return failed(err, v, "setting whether it runs");
	if (caps->debugregs && ioctl(v->fd, KVM_SET_DEBUGREGS, &s->debug) < 0)
		return failed(err, v, "setting debug registers");
	if (ioctl(v->fd, KVM_SET_VCPU_EVENTS, &s->events) < 0)
		return failed(err, v, "setting pending events");
	return 0;
}
