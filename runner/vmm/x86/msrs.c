/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/msrs.c - a vCPU's model-specific registers
 *
 * Runs in podflare-vmm on the main thread.  Trusts the kernel.
 *
 * Theory of operation: KVM lists what it can save (KVM_GET_MSR_INDEX_LIST), but
 * for reasons of history not the MTRRs; some that are listed cannot be read on
 * this very CPU.  So the list is tried once, on a vCPU, and what can be read is
 * what is saved.  A register that cannot be written, being read-only, is right
 * if the new vCPU has the same value anyway.  Hyper-V's are left alone: our guest
 * has no such host, some of them are clocks, and KVM makes what is behind them
 * when they are first touched.
 */
#include "runner/vmm/x86/msrs.h"

#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>

#define LISTED_MAX 1024

_Static_assert(offsetof(struct msr_set, e) - offsetof(struct msr_set, n) ==
	       offsetof(struct kvm_msrs, entries), "struct kvm_msrs");

/* struct kvm_msrs of one. */
struct one_msr {
	uint32_t n, pad;
	struct kvm_msr_entry e;
};

#define HYPERV_FIRST 0x40000000u	/* include/hyperv/hvgdk.h: HV_X64_MSR_* */
#define HYPERV_LAST 0x400001ffu

/* SDM 4, table 2-2: MTRRs and what Linux sets up in them. */
static const struct {
	uint32_t first, n;
} unlisted[] = {
	{ 0x200, 16 },		/* IA32_MTRR_PHYSBASE0 ... PHYSMASK7 */
	{ 0x250, 1 }, { 0x258, 2 }, { 0x268, 8 },	/* fixed ranges */
	{ 0x277, 1 },		/* IA32_PAT */
	{ 0x2ff, 1 },		/* IA32_MTRR_DEF_TYPE */
};

static bool get_one(int fd, uint32_t index, uint64_t *value)
{
	struct one_msr m = { .n = 1, .e = { .index = index } };

	if (ioctl(fd, KVM_GET_MSRS, &m) != 1)
		return false;
	*value = m.e.data;
	return true;
}

int msrs_set_one(int fd, uint32_t index, uint64_t value, struct err *err)
{
	struct one_msr m = { .n = 1, .e = { .index = index, .data = value } };

	if (ioctl(fd, KVM_SET_MSRS, &m) != 1)
		return err_set(err, ERR_KVM, "MSR 0x%x cannot be set to 0x%llx",
			       index, (unsigned long long)value);
	return 0;
}

bool msrs_listed(const struct msr_list *l, uint32_t index)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->index[i] == index)
			return true;
	return false;
}

static void try_one(struct msr_list *l, int fd, uint32_t index)
{
	uint64_t value;

	if (index == MSR_TSC || msrs_listed(l, index) || l->n == MSRS_MAX ||
	    (index >= HYPERV_FIRST && index <= HYPERV_LAST) ||
	    !get_one(fd, index, &value))
		return;
	if (index == MSR_TSC_DEADLINE)
		l->tsc_deadline = true;
	else
		l->index[l->n++] = index;
}

int msrs_probe(struct msr_list *l, int kvm_fd, int fd, struct err *err)
{
	struct {
		uint32_t n;
		uint32_t index[LISTED_MAX];
	} all = { .n = LISTED_MAX };	/* struct kvm_msr_list, with room */

	if (ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, &all) < 0)
		return err_sys(err, errno, "kvm: list of %u MSRs", all.n);
	*l = (struct msr_list){ 0 };
	for (uint32_t i = 0; i < all.n; i++)
		try_one(l, fd, all.index[i]);
	for (size_t i = 0; i < ARRAY_SIZE(unlisted); i++)
		for (uint32_t j = 0; j < unlisted[i].n; j++)
			try_one(l, fd, unlisted[i].first + j);
	if (l->n == MSRS_MAX)
		return err_set(err, ERR_KVM, "kvm: a vCPU has more than %d MSRs",
			       MSRS_MAX - 1);
	return 0;
}

int msrs_save(struct msr_set *s, const struct msr_list *l, int fd,
	      struct err *err)
{
	int done;

	s->n = l->n;
	for (uint32_t i = 0; i < l->n; i++)
		s->e[i] = (struct kvm_msr_entry){ .index = l->index[i] };
	done = ioctl(fd, KVM_GET_MSRS, &s->n);
	if (done != (int)l->n)
		return err_set(err, ERR_KVM, "MSR 0x%x cannot be read",
			       done < 0 ? 0 : s->e[done].index);
	s->tsc_deadline = 0;
	/* the deadline first: time that goes by makes it due, not late */
	if (l->tsc_deadline && !get_one(fd, MSR_TSC_DEADLINE, &s->tsc_deadline))
		return err_set(err, ERR_KVM, "the TSC deadline cannot be read");
	if (!get_one(fd, MSR_TSC, &s->tsc))
		return err_set(err, ERR_KVM, "the TSC cannot be read");
	return 0;
}

int msrs_restore(const struct msr_set *s, const struct msr_list *l, int fd,
		 struct err *err)
{
	struct {
		uint32_t n, pad;
		struct kvm_msr_entry e[MSRS_MAX];
	} rest;
	uint32_t from = 0;

	while (from < s->n) {
		const struct kvm_msr_entry *e;
		uint64_t value;
		int done;

		rest.n = s->n - from;
		rest.pad = 0;
		memcpy(rest.e, &s->e[from], rest.n * sizeof(rest.e[0]));
		done = ioctl(fd, KVM_SET_MSRS, &rest);
		if (done < 0)
			return err_sys(err, errno, "setting MSRs");
		from += (uint32_t)done;
		if (from >= s->n)
			break;
		e = &s->e[from++];
		if (!get_one(fd, e->index, &value) || value != e->data)
			return err_set(err, ERR_KVM, "MSR 0x%x cannot be set "
				       "to 0x%llx", e->index,
				       (unsigned long long)e->data);
	}
	return 0;
}
