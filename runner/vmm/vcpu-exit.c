/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vcpu-exit.c - why KVM_RUN returned, and what is done about it
 *
 * Runs in podflare-vmm on the vCPU threads.  Distrusts the guest: addresses and
 * data go to the bus, which checks them; nothing that the guest does ends the
 * process.
 */
#include "runner/vmm/vcpu-exit.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "common/log.h"

static void handle_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	/* string instructions bring several items at once */
	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		bool out = run->io.direction == KVM_EXIT_IO_OUT, ok;

		if (out)
			ok = bus_write(v->env->pio, run->io.port, data,
				       run->io.size);
		else
			ok = bus_read(v->env->pio, run->io.port, data,
				      run->io.size);
		if (!ok)
			log_debug("nothing at port 0x%x (%s of %u bytes)",
				  run->io.port, out ? "write" : "read",
				  run->io.size);
	}
}

static void handle_mmio(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	unsigned int len = MIN(run->mmio.len, sizeof(run->mmio.data));

	bool ok;

	if (run->mmio.is_write)
		ok = bus_write(v->env->mmio, run->mmio.phys_addr,
			       run->mmio.data, len);
	else
		ok = bus_read(v->env->mmio, run->mmio.phys_addr,
			      run->mmio.data, len);
	if (!ok)
		log_debug("nothing at 0x%llx (%s of %u bytes)",
			  (unsigned long long)run->mmio.phys_addr,
			  run->mmio.is_write ? "write" : "read", len);
}

static void PRINTF(3, 4)
report(struct vcpu *v, enum vm_end_reason reason, const char *fmt, ...)
{
	struct kvm_regs regs = { 0 };
	char what[128], detail[VM_END_DETAIL];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	ioctl(v->fd, KVM_GET_REGS, &regs);
	snprintf(detail, sizeof(detail), "vCPU %u: %s (rip 0x%llx)", v->id,
		 what, (unsigned long long)regs.rip);
	v->env->ended(v->env, reason, detail);
}

static bool handle_system_event(struct vcpu *v)
{
	uint32_t type = v->run->system_event.type;

	switch (type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		v->env->ended(v->env, VM_END_POWEROFF, "");
		return false;
	case KVM_SYSTEM_EVENT_RESET:
	case KVM_SYSTEM_EVENT_CRASH:
		v->env->ended(v->env, VM_END_RESET, "");
		return false;
	default:
		report(v, VM_END_KVM, "unknown system event %u", type);
		return false;
	}
}

bool vcpu_handle_exit(struct vcpu *v)
{
	struct kvm_run *run = v->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(v);
		return true;
	case KVM_EXIT_MMIO:
		handle_mmio(v);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	case KVM_EXIT_SHUTDOWN:
		report(v, VM_END_SHUTDOWN, "triple fault");
		return false;
	case KVM_EXIT_SYSTEM_EVENT:
		return handle_system_event(v);
	case KVM_EXIT_FAIL_ENTRY:
		report(v, VM_END_KVM, "the CPU refused to enter the guest, "
		       "reason 0x%llx", (unsigned long long)
		       run->fail_entry.hardware_entry_failure_reason);
		return false;
	case KVM_EXIT_INTERNAL_ERROR:
		report(v, VM_END_KVM, "KVM internal error %u",
		       run->internal.suberror);
		return false;
	default:
		report(v, VM_END_KVM, "unknown KVM exit %u", run->exit_reason);
		return false;
	}
}

void vcpu_report_failure(struct vcpu *v, int sys)
{
	report(v, VM_END_KVM, "KVM_RUN: %s, exit reason %u", strerror(sys),
	       v->run->exit_reason);
}
