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
#define I8042_PULSE_RESET 0xfe
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

/* "Nothing to read, ready to be written to." */
static void i8042_read(struct bus_region *r, uint64_t off, void *data,
		       unsigned int len)
{
	memset(data, 0, len);
}

static void i8042_write(struct bus_region *r, uint64_t off, const void *data,
			unsigned int len)
{
	struct power *p = container_of(r, struct power, i8042);

	if (*(const uint8_t *)data == I8042_PULSE_RESET)
		p->env->ended(p->env, VM_END_RESET, "");
}

static const struct bus_ops i8042_ops = {
	.read = i8042_read,
	.write = i8042_write,
};

int power_write_reset_vector(const struct guest_memory *m, struct err *err)
{
	/* mov dx, LAYOUT_PM_BASE + POWER_RESET; mov al, POWER_RESET_VALUE;
	 * out dx, al; hlt; jmp to hlt: 16-bit code */
	static const uint8_t code[] = {
		0xba, (LAYOUT_PM_BASE + POWER_RESET) & 0xff,
		(LAYOUT_PM_BASE + POWER_RESET) >> 8,
		0xb0, POWER_RESET_VALUE, 0xee, 0xf4, 0xeb, 0xfd,
	};
	void *to = memory_ptr(m, LAYOUT_RESET_VECTOR, sizeof(code));

	if (!to)
		return err_set(err, ERR_USAGE, "memory: too small to boot");
	memcpy(to, code, sizeof(code));
	return 0;
}

void power_init(struct power *p, struct vcpu_env *env)
{
	*p = (struct power){
		.region = {
			.base = LAYOUT_PM_BASE,
			.len = POWER_LEN,
			.ops = &power_ops,
		},
		.i8042 = {
			.base = LAYOUT_I8042_COMMAND,
			.len = 1,
			.ops = &i8042_ops,
		},
		.env = env,
	};
}
