/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-tinytimer.c - no wake-up is lost by a pause or a copy
 *
 * Guests that do nothing but arm a timer, or wake each other, and halt: a lost
 * interrupt is a guest that never moves again.  They run in real mode, where any
 * /dev/kvm can deliver interrupts; skipped (77) without one.  TINYTIMER_ROUNDS
 * in the environment: how often each is stopped, for a long run by hand.
 */
#include "runner/vmm/vm.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/loop.h"
#include "tests/unit/unit.h"

#define CODE 0x1000
#define STACK 0x8000		/* of vCPU 0; the others' are above it */
#define VECTOR 0x40
#define PORT 0xf0		/* the vCPU's own: PORT + id */
#define DEADLINE_MS 10000
#define X2APIC (3ULL << 10)	/* of the APIC base: enabled, x2APIC */

/* Interrupt VECTOR: EOI (MSR 0x80b) and back. */
static const uint8_t handler[] = {
	0x66, 0xb9, 0x0b, 0x08, 0x00, 0x00,	/* mov ecx, 0x80b */
	0x66, 0x31, 0xc0, 0x66, 0x31, 0xd2,	/* eax = edx = 0 */
	0x0f, 0x30, 0xcf,			/* wrmsr; iret */
};

/* for (;;) { TSC_DEADLINE = rdtsc + 300,000; halt; outb(PORT); } */
static const uint8_t code_timer[] = {
	0x0f, 0x31,				/* rdtsc */
	0x66, 0x05, 0xe0, 0x93, 0x04, 0x00,	/* add eax, 300000 */
	0x66, 0x83, 0xd2, 0x00,			/* adc edx, 0 */
	0x66, 0xb9, 0xe0, 0x06, 0x00, 0x00,	/* mov ecx, 0x6e0 */
	0x0f, 0x30,				/* wrmsr */
	0xfb, 0xf4, 0xfa,			/* sti; hlt; cli */
	0x89, 0xf2, 0xee,			/* dx = si; out dx, al */
	0xeb, 0xe4,
};

/* for (;;) { wake the other one; halt; outb(PORT); }, and the one that has begun
 * second waits first.  edi: the other's APIC id. */
static const uint8_t code_wake[] = {
	0x66, 0xb9, 0x30, 0x08, 0x00, 0x00,	/* mov ecx, 0x830: ICR */
	0x66, 0xb8, 0x40, 0x40, 0x00, 0x00,	/* eax = fixed, VECTOR */
	0x66, 0x89, 0xfa,			/* mov edx, edi */
	0x0f, 0x30,				/* wrmsr */
	0xfb, 0xf4, 0xfa,			/* sti; hlt; cli */
	0x89, 0xf2, 0xee,			/* dx = si; out dx, al */
	0xeb, 0xe7,
};

struct tiny {
	int kvm;
	struct vm vm;
	struct bus_region port;
	atomic_uint writes[VM_VCPUS_MAX];
};

static unsigned int rounds = 60;

static void port_read(struct bus_region *r, uint64_t off, void *data,
		      unsigned int len)
{
	memset(data, 0, len);
}

static void port_write(struct bus_region *r, uint64_t off, const void *data,
		       unsigned int len)
{
	struct tiny *t = container_of(r, struct tiny, port);

	atomic_fetch_add(&t->writes[off], 1);
}

static const struct bus_ops port_ops = { port_read, port_write };

static void set_lapic(const struct vcpu *v, uint32_t reg, uint32_t value)
{
	struct kvm_lapic_state s;

	assert_int_equal(ioctl(v->fd, KVM_GET_LAPIC, &s), 0);
	memcpy(s.regs + reg, &value, sizeof(value));
	assert_int_equal(ioctl(v->fd, KVM_SET_LAPIC, &s), 0);
}

/* In real mode at @ip, its LAPIC on. */
static void enter(const struct vcpu *v, uint64_t ip)
{
	const struct kvm_segment flat = {
		.limit = 0xffff, .type = 3, .present = 1, .s = 1,
	};
	struct kvm_regs regs = {
		.rip = ip, .rflags = 2, .rsp = STACK + 0x1000 * v->id,
		.rsi = PORT + v->id, .rdi = !v->id,
	};
	struct kvm_mp_state mp = { KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs s;

	assert_int_equal(ioctl(v->fd, KVM_GET_SREGS, &s), 0);
	s.cs = s.ds = s.es = s.fs = s.gs = s.ss = flat;
	s.cs.type = 11;
	s.cr0 = 0x10;
	s.cr4 = s.efer = 0;
	s.idt.base = 0;
	s.idt.limit = 0x3ff;
	s.apic_base |= X2APIC;
	assert_int_equal(ioctl(v->fd, KVM_SET_SREGS, &s), 0);
	assert_int_equal(ioctl(v->fd, KVM_SET_REGS, &regs), 0);
	assert_int_equal(ioctl(v->fd, KVM_SET_MP_STATE, &mp), 0);
	set_lapic(v, 0xf0, 0x1ff);			/* SVR: enabled */
	set_lapic(v, 0x320, 2 << 17 | VECTOR);		/* LVTT: TSC deadline */
}

static void tiny_start(struct tiny *t, unsigned int vcpus, const void *code,
		       size_t len)
{
	const uint16_t vector[2] = { CODE + 0x800, 0 };
	struct err err = ERR_INIT;

	memset(t, 0, sizeof(*t));
	t->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	assert_true(t->kvm >= 0);
	if (vm_init(&t->vm, 128 * MIB, vcpus, -1, &err) < 0)
		fail_msg("%s", err.msg);
	t->port = (struct bus_region){ PORT, VM_VCPUS_MAX, &port_ops };
	bus_add(&t->vm.pio, &t->port);
	memcpy(memory_ptr(&t->vm.mem, CODE, len), code, len);
	memcpy(memory_ptr(&t->vm.mem, CODE + 0x800, sizeof(handler)), handler,
	       sizeof(handler));
	memcpy(memory_ptr(&t->vm.mem, 4 * VECTOR, sizeof(vector)), vector,
	       sizeof(vector));
	if (vm_open_kvm(&t->vm, t->kvm, &err) < 0 ||
	    vm_start(&t->vm, &err) < 0)
		fail_msg("%s", err.msg);
	/* they stand at the gate */
	for (unsigned int i = 0; i < vcpus; i++)
		enter(&t->vm.vcpus[i], CODE);
	vm_resume(&t->vm);
}

static void tiny_free(struct tiny *t)
{
	vm_free(&t->vm);
	close(t->kvm);
}

static void moves_on(struct tiny *t, unsigned int round, const char *what)
{
	uint64_t end = now_ns() + DEADLINE_MS * 1000000ULL;

	for (unsigned int i = 0; i < t->vm.nr_vcpus; i++) {
		unsigned int was = atomic_load(&t->writes[i]);

		while (atomic_load(&t->writes[i]) - was < 3) {
			if (vm_end(&t->vm).reason != VM_END_NONE)
				fail_msg("%s", vm_end(&t->vm).detail);
			if (now_ns() > end)
				fail_msg("%s, round %u: vCPU %u does not wake "
					 "up", what, round, i);
			usleep(20);
		}
	}
}

/* Stop it in all places of its loop. */
static void wait_somewhat(unsigned int round)
{
	uint64_t end = now_ns() + round * 7919 % 300 * 1000;

	while (now_ns() < end)
		continue;
}

static void pauses(struct tiny *t)
{
	struct err err = ERR_INIT;

	moves_on(t, 0, "start");
	for (unsigned int i = 0; i < rounds; i++) {
		wait_somewhat(i);
		if (vm_pause(&t->vm, &err) < 0)
			fail_msg("%s", err.msg);
		if (i % 3 == 0)
			wait_somewhat(i + 1);
		vm_resume(&t->vm);
		moves_on(t, i, "pause");
	}
}

/* As in the parent of a fork: its state is read, and it goes on. */
static void is_read(struct tiny *t)
{
	struct err err = ERR_INIT;

	for (unsigned int i = 0; i < rounds; i++) {
		wait_somewhat(i);
		if (vm_pause(&t->vm, &err) < 0 || vm_save(&t->vm, &err) < 0)
			fail_msg("%s", err.msg);
		vm_resume(&t->vm);
		moves_on(t, i, "parent");
	}
}

/* As in a copy: all of KVM is made anew from what was read. */
static void is_copied(struct tiny *t)
{
	struct err err = ERR_INIT;

	for (unsigned int i = 0; i < rounds; i++) {
		wait_somewhat(i);
		if (vm_pause(&t->vm, &err) < 0 || vm_save(&t->vm, &err) < 0)
			fail_msg("%s", err.msg);
		vm_stop(&t->vm);
		vm_forget_kvm(&t->vm);
		if (vm_restore_kvm(&t->vm, t->kvm, &err) < 0)
			fail_msg("%s", err.msg);
		vm_resume(&t->vm);
		moves_on(t, i, "copy");
	}
}

static void a_timer_is_not_lost(void **state)
{
	static struct tiny t;

	tiny_start(&t, 1, code_timer, sizeof(code_timer));
	pauses(&t);
	is_read(&t);
	is_copied(&t);
	tiny_free(&t);
}

static void nor_are_those_of_four(void **state)
{
	static struct tiny t;

	tiny_start(&t, 4, code_timer, sizeof(code_timer));
	pauses(&t);
	is_read(&t);
	is_copied(&t);
	tiny_free(&t);
}

static void an_interrupt_between_processors_is_not_lost(void **state)
{
	static struct tiny t;

	tiny_start(&t, 2, code_wake, sizeof(code_wake));
	pauses(&t);
	is_read(&t);
	is_copied(&t);
	tiny_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_is_not_lost),
		cmocka_unit_test(nor_are_those_of_four),
		cmocka_unit_test(an_interrupt_between_processors_is_not_lost),
	};
	const char *n = getenv("TINYTIMER_ROUNDS");
	struct err err = ERR_INIT;
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0 || kvm_check(fd, &err) < 0) {
		printf("skipped: no usable /dev/kvm\n");
		return 77;
	}
	close(fd);
	if (n)
		rounds = (unsigned int)strtoul(n, NULL, 10);
	if (vcpu_init_signal(&err) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
