/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/cpustate-file.c - a vCPU's state to and from a state file
 *
 * Runs in podflare-vmm on the main thread.  KVM's own structs are written as the
 * kernel's ABI has them.  Distrusts the file: lengths are exact, counts bounded;
 * what the values mean is KVM's to judge.
 */
#include "runner/vmm/x86/cpustate.h"

#define XSAVE_LEN 4096	/* without KVM_CAP_XSAVE2 */

struct tsc_section {
	uint64_t tsc, deadline;
};

void cpustate_put(const struct cpustate *s, const struct cpustate_caps *caps,
		  unsigned int id, struct statefile_writer *w)
{
	const struct tsc_section tsc = { s->msrs.tsc, s->msrs.tsc_deadline };

	statefile_put(w, &s->regs, sizeof(s->regs), "cpu%u.regs", id);
	statefile_put(w, &s->sregs, sizeof(s->sregs), "cpu%u.sregs", id);
	statefile_put(w, &s->xcrs, sizeof(s->xcrs), "cpu%u.xcrs", id);
	statefile_put(w, &s->lapic, sizeof(s->lapic), "cpu%u.lapic", id);
	statefile_put(w, &s->mp, sizeof(s->mp), "cpu%u.mp", id);
	statefile_put(w, &s->debug, sizeof(s->debug), "cpu%u.debug", id);
	statefile_put(w, &s->events, sizeof(s->events), "cpu%u.events", id);
	statefile_put(w, s->xsave, caps->xsave2 ? caps->xsave2 : XSAVE_LEN,
		      "cpu%u.xsave", id);
	statefile_put(w, &tsc, sizeof(tsc), "cpu%u.tsc", id);
	statefile_put(w, s->msrs.e, s->msrs.n * sizeof(s->msrs.e[0]),
		      "cpu%u.msrs", id);
}

static int get_sized(struct cpustate *s, const struct cpustate_caps *caps,
		     unsigned int id, const struct statefile *f,
		     struct err *err)
{
	size_t xsave, msrs;
	const void *x = statefile_find(f, &xsave, "cpu%u.xsave", id);
	const void *m = statefile_find(f, &msrs, "cpu%u.msrs", id);

	if (!x || xsave > sizeof(s->xsave) || !m || msrs > sizeof(s->msrs.e) ||
	    msrs % sizeof(s->msrs.e[0]))
		return err_set(err, ERR_IO, "state: vCPU %u is damaged", id);
	memcpy(s->xsave, x, xsave);
	memcpy(s->msrs.e, m, msrs);
	s->msrs.n = (uint32_t)(msrs / sizeof(s->msrs.e[0]));
	/* the host may write to more than a guest may */
	for (uint32_t i = 0; i < s->msrs.n; i++)
		if (!msrs_listed(&caps->msrs, s->msrs.e[i].index))
			return err_set(err, ERR_KVM, "state: vCPU %u has an "
				       "MSR 0x%x that this host has not", id,
				       s->msrs.e[i].index);
	return 0;
}

int cpustate_get(struct cpustate *s, const struct cpustate_caps *caps,
		 unsigned int id, const struct statefile *f, struct err *err)
{
	struct tsc_section tsc;

	memset(s, 0, sizeof(*s));
	if (statefile_get(f, &s->regs, sizeof(s->regs), err, "cpu%u.regs",
			  id) < 0 ||
	    statefile_get(f, &s->sregs, sizeof(s->sregs), err, "cpu%u.sregs",
			  id) < 0 ||
	    statefile_get(f, &s->xcrs, sizeof(s->xcrs), err, "cpu%u.xcrs",
			  id) < 0 ||
	    statefile_get(f, &s->lapic, sizeof(s->lapic), err, "cpu%u.lapic",
			  id) < 0 ||
	    statefile_get(f, &s->mp, sizeof(s->mp), err, "cpu%u.mp", id) < 0 ||
	    statefile_get(f, &s->debug, sizeof(s->debug), err, "cpu%u.debug",
			  id) < 0 ||
	    statefile_get(f, &s->events, sizeof(s->events), err,
			  "cpu%u.events", id) < 0 ||
	    statefile_get(f, &tsc, sizeof(tsc), err, "cpu%u.tsc", id) < 0)
		return -1;
	s->msrs.tsc = tsc.tsc;
	s->msrs.tsc_deadline = tsc.deadline;
	if (s->xcrs.nr_xcrs > KVM_MAX_XCRS)
		return err_set(err, ERR_IO, "state: vCPU %u is damaged", id);
	return get_sized(s, caps, id, f, err);
}
