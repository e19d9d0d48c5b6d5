/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/power.c - power-off and reset registers
 *
 * Has no state.  Runs in podflare-vmm on the vCPU threads.  Distrusts the guest:
 * values that mean nothing do nothing.
 */
#include "runner/vmm/x86/power.h"

#include <string.h>

#include "runner/vmm/x86/layout.h"

#define SLEEP_ENABLE (1u << 5)
#define SLEEP_TYPE(v) (((v) >> 2) & 7)

static void power_read(struct bus_region *r, uint64_t off, void *data,
		       unsigned int len)
{
	memset(data, 0, len);
}

static void power_write(struct bus_region *r, uint64_t off, const void *data,
			unsigned int len)
{
	struct power *p = container_of(r, struct power, region);
	uint8_t v = *(const uint8_t *)data;

	if (len != 1)
		return;
	if (off == POWER_SLEEP_CONTROL && (v & SLEEP_ENABLE) &&
	    SLEEP_TYPE(v) == POWER_S5)
		p->env->ended(p->env, VM_END_POWEROFF, "");
	else if (off == POWER_RESET && v == POWER_RESET_VALUE)
		p->env->ended(p->env, VM_END_RESET, "");
}

static const struct bus_ops power_ops = {
	.read = power_read,
	.write = power_write,
};

void power_init(struct power *p, struct vcpu_env *env)
{
	*p = (struct power){
		.region = {
			.base = LAYOUT_PM_BASE,
			.len = POWER_LEN,
			.ops = &power_ops,
		},
		.env = env,
	};
}
