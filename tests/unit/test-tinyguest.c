/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-tinyguest.c - guests of a few instructions, on any /dev/kvm
 *
 * Needs no hardware virtualization worth the name: the guests do port I/O and
 * little else.  Without a usable /dev/kvm the whole program is skipped (77).
 */
#include "runner/vmm/vm.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/loop.h"
#include "runner/vmm/x86/layout.h"
#include "runner/vmm/x86/power.h"
#include "tests/unit/unit.h"

#define CODE 0x100000
#define PORT 0xf0		/* the vCPU's own: PORT + id */
#define DEADLINE_MS 20000
#define MMIO LAYOUT_VIRTIO_MMIO

/* esi: the port. edx = esi; do { eax++; outb(al, dx); } while (1); */
static const uint8_t code_count[] = {
	0x89, 0xf2, 0xff, 0xc0, 0xee, 0xeb, 0xfb,
};

struct tiny {
	int kvm;
	struct vm vm;
	struct power power;
	struct bus_region port, mmio;
	atomic_uint writes[VM_VCPUS_MAX];
	atomic_uint mmio_reads, mmio_writes;
	uint64_t mmio_value;
};

static void port_read(struct bus_region *r, uint64_t off, void *data,
		      unsigned int len)
{
	memset(data, 0x5a, len);
}

static void port_write(struct bus_region *r, uint64_t off, const void *data,
		       unsigned int len)
{
	struct tiny *t = container_of(r, struct tiny, port);

	atomic_fetch_add(&t->writes[off], 1);
}

static const struct bus_ops port_ops = { port_read, port_write };

static void mmio_read(struct bus_region *r, uint64_t off, void *data,
		      unsigned int len)
{
	struct tiny *t = container_of(r, struct tiny, mmio);
	const uint32_t answer = 0x12345678;

	memcpy(data, &answer, MIN(len, sizeof(answer)));
	atomic_fetch_add(&t->mmio_reads, 1);
}

static void mmio_write(struct bus_region *r, uint64_t off, const void *data,
		       unsigned int len)
{
	struct tiny *t = container_of(r, struct tiny, mmio);

	memcpy(&t->mmio_value, data, len);
	atomic_fetch_add(&t->mmio_writes, 1);
}

static const struct bus_ops mmio_ops = { mmio_read, mmio_write };

/* A VM with @code in memory, not started. */
static void tiny_make(struct tiny *t, uint64_t ram, unsigned int vcpus,
		      const void *code, size_t len)
{
	struct err err = ERR_INIT;

	t->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	assert_true(t->kvm >= 0);
	if (vm_init(&t->vm, ram, vcpus, -1, &err) < 0)
		fail_msg("%s", err.msg);
	t->port = (struct bus_region){ PORT, VM_VCPUS_MAX, &port_ops };
	t->mmio = (struct bus_region){ MMIO, 0x1000, &mmio_ops };
	bus_add(&t->vm.pio, &t->port);
	bus_add(&t->vm.mmio, &t->mmio);
	power_init(&t->power, &t->vm.env);
	bus_add(&t->vm.pio, &t->power.region);
	memcpy(memory_ptr(&t->vm.mem, CODE, len), code, len);
	assert_int_equal(cpu_write_tables(&t->vm.mem, &err), 0);
	if (vm_open_kvm(&t->vm, t->kvm, &err) < 0)
		fail_msg("%s", err.msg);
	t->vm.entry = (struct cpu_entry){ .rip = CODE, .rsi = PORT };
}

static void tiny_start(struct tiny *t)
{
	struct err err = ERR_INIT;

	/* the others need no start-up IPI here */
	for (unsigned int i = 1; i < t->vm.nr_vcpus; i++) {
		struct cpu_entry e = { .rip = CODE, .rsi = PORT + i };

		assert_int_equal(cpu_enter_at(&t->vm.vcpus[i], &e, &err), 0);
	}
	if (vm_start(&t->vm, &err) < 0)
		fail_msg("%s", err.msg);
	vm_resume(&t->vm);
}

static void tiny_free(struct tiny *t)
{
	vm_free(&t->vm);
	close(t->kvm);
}

/* Until the counter is at @n. */
static void wait_for(atomic_uint *counter, unsigned int n)
{
	uint64_t end = now_ns() + DEADLINE_MS * 1000000ULL;

	while (atomic_load(counter) < n) {
		if (now_ns() > end)
			fail_msg("the guest got to %u, not to %u",
				 atomic_load(counter), n);
		usleep(500);
	}
}

static struct vm_end wait_end(struct vm *vm)
{
	uint64_t end = now_ns() + DEADLINE_MS * 1000000ULL;
	eventfd_t n;

	while (vm_end(vm).reason == VM_END_NONE && now_ns() < end)
		usleep(500);
	/* the loop is told as well */
	assert_int_equal(eventfd_read(vm->end_fd, &n), 0);
	return vm_end(vm);
}

static void a_guest_reaches_its_port(void **state)
{
	static struct tiny t;

	tiny_make(&t, 128 * MIB, 1, code_count, sizeof(code_count));
	tiny_start(&t);
	wait_for(&t.writes[0], 100);
	assert_int_equal(vm_end(&t.vm).reason, VM_END_NONE);
	tiny_free(&t);
}

static void a_paused_guest_stands_still_and_goes_on(void **state)
{
	static struct tiny t;
	struct err err = ERR_INIT;
	unsigned int before;

	tiny_make(&t, 128 * MIB, 4, code_count, sizeof(code_count));
	tiny_start(&t);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 4; i++)
			wait_for(&t.writes[i], atomic_load(&t.writes[i]) + 3);
		if (vm_pause(&t.vm, &err) < 0)
			fail_msg("%s", err.msg);
		before = atomic_load(&t.writes[0]) + atomic_load(&t.writes[3]);
		usleep(2000);
		assert_int_equal(before, atomic_load(&t.writes[0]) +
					 atomic_load(&t.writes[3]));
		vm_resume(&t.vm);
	}
	tiny_free(&t);
}

/* Nothing is half done: an OUT that reached the port is behind the guest. */
static void a_paused_vcpus_registers_are_whole(void **state)
{
	static struct tiny t;
	struct err err = ERR_INIT;
	struct kvm_regs regs;

	tiny_make(&t, 128 * MIB, 1, code_count, sizeof(code_count));
	tiny_start(&t);
	for (int round = 0; round < 50; round++) {
		unsigned int n, ahead;

		wait_for(&t.writes[0], atomic_load(&t.writes[0]) + 1);
		assert_int_equal(vm_pause(&t.vm, &err), 0);
		assert_int_equal(ioctl(t.vm.vcpus[0].fd, KVM_GET_REGS, &regs),
				 0);
		n = atomic_load(&t.writes[0]);
		/* one ahead: INC is done, OUT is not */
		ahead = regs.rip == CODE + 4;
		assert_int_equal((uint32_t)regs.rax, n + ahead);
		vm_resume(&t.vm);
	}
	tiny_free(&t);
}

static void four_vcpus_run_at_once(void **state)
{
	static struct tiny t;

	tiny_make(&t, 128 * MIB, 4, code_count, sizeof(code_count));
	tiny_start(&t);
	for (int i = 0; i < 4; i++)
		wait_for(&t.writes[i], 50);
	tiny_free(&t);
}

/* Without an entry point a processor waits for its start-up IPI, and it can be
 * parked and stopped there. */
static void waiting_processors_can_be_paused(void **state)
{
	static struct tiny t;
	struct err err = ERR_INIT;

	tiny_make(&t, 128 * MIB, 4, code_count, sizeof(code_count));
	assert_int_equal(vm_start(&t.vm, &err), 0);
	vm_resume(&t.vm);
	wait_for(&t.writes[0], 10);
	if (vm_pause(&t.vm, &err) < 0)
		fail_msg("%s", err.msg);
	vm_resume(&t.vm);
	wait_for(&t.writes[0], atomic_load(&t.writes[0]) + 10);
	assert_int_equal(atomic_load(&t.writes[1]), 0);
	tiny_free(&t);
}

static void power_off_ends_it(void **state)
{
	/* edx = 0x600; eax = S5 | enable; outb; hlt */
	static const uint8_t code[] = {
		0xba, 0x00, 0x06, 0x00, 0x00, 0xb8, 0x34, 0x00, 0x00, 0x00,
		0xee, 0xf4, 0xeb, 0xfd,
	};
	static struct tiny t;

	tiny_make(&t, 128 * MIB, 1, code, sizeof(code));
	tiny_start(&t);
	assert_int_equal(wait_end(&t.vm).reason, VM_END_POWEROFF);
	tiny_free(&t);
}

static void a_reset_ends_it(void **state)
{
	/* edx = 0x602; eax = 1; outb; hlt */
	static const uint8_t code[] = {
		0xba, 0x02, 0x06, 0x00, 0x00, 0xb8, 0x01, 0x00, 0x00, 0x00,
		0xee, 0xf4, 0xeb, 0xfd,
	};
	static struct tiny t;

	tiny_make(&t, 128 * MIB, 1, code, sizeof(code));
	tiny_start(&t);
	assert_int_equal(wait_end(&t.vm).reason, VM_END_RESET);
	tiny_free(&t);
}

/* There is no IDT: any fault is a triple fault. What KVM makes of it depends on
 * how it runs the guest, but the process lives and knows that it is over. */
static void a_crash_ends_the_guest_alone(void **state)
{
	static const uint8_t code[] = { 0x0f, 0x0b };	/* ud2 */
	static struct tiny t;
	struct err err = ERR_INIT;
	struct vm_end end;

	tiny_make(&t, 128 * MIB, 2, code, sizeof(code));
	assert_int_equal(vm_start(&t.vm, &err), 0);
	vm_resume(&t.vm);
	end = wait_end(&t.vm);
	assert_true(end.reason == VM_END_SHUTDOWN || end.reason == VM_END_KVM);
	assert_true(strstr(end.detail, "vCPU 0: ") != NULL);
	tiny_free(&t);
}

static void mmio_reaches_its_device(void **state)
{
	/* ebx = MMIO; eax = [rbx]; [rbx] = eax; hlt */
	static const uint8_t code[] = {
		0xbb, 0x00, 0x00, 0x00, 0xd0, 0x8b, 0x03, 0x89, 0x03, 0xf4,
		0xeb, 0xfd,
	};
	static struct tiny t;

	tiny_make(&t, 128 * MIB, 1, code, sizeof(code));
	tiny_start(&t);
	wait_for(&t.mmio_writes, 1);
	assert_int_equal(t.mmio_value, 0x12345678);
	tiny_free(&t);
}

/* A write of the value that was agreed on never comes to the VMM. */
static void a_kick_is_an_eventfd(void **state)
{
	/* ebx = MMIO; [rbx + 0x50] = 1, then 2; hlt */
	static const uint8_t code[] = {
		0xbb, 0x00, 0x00, 0x00, 0xd0,
		0xc7, 0x43, 0x50, 0x01, 0x00, 0x00, 0x00,
		0xc7, 0x43, 0x50, 0x02, 0x00, 0x00, 0x00, 0xf4, 0xeb, 0xfd,
	};
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct err err = ERR_INIT;
	static struct tiny t;
	eventfd_t n;

	tiny_make(&t, 128 * MIB, 1, code, sizeof(code));
	if (kvm_bind_kick(&t.vm.kvm, fd, MMIO + 0x50, 1, &err) < 0)
		fail_msg("%s", err.msg);
	tiny_start(&t);
	wait_for(&t.mmio_writes, 1);
	assert_int_equal(t.mmio_value, 2);
	assert_int_equal(eventfd_read(fd, &n), 0);
	assert_int_equal(n, 1);
	tiny_free(&t);
	close(fd);
}

/* The guest writes above 4 GiB?  Its tables map the first 4; so the host looks
 * whether both slots are there, and the guest runs beside them. */
static void sixteen_gib_of_ram_cost_nothing(void **state)
{
	static struct tiny t;
	uint8_t *last;

	tiny_make(&t, 16 * GIB, 8, code_count, sizeof(code_count));
	last = memory_ptr(&t.vm.mem, 4 * GIB + 13 * GIB - 1, 1);
	assert_non_null(last);
	*last = 1;
	tiny_start(&t);
	wait_for(&t.writes[7], 10);
	tiny_free(&t);
}

static void unanswered_accesses_are_harmless(void **state)
{
	/* edx = 0x1234; al = inb; [0xd0800000] = eax; then count on PORT */
	static const uint8_t code[] = {
		0xba, 0x34, 0x12, 0x00, 0x00, 0xec,
		0xbb, 0x00, 0x00, 0x80, 0xd0, 0x89, 0x03, 0x8b, 0x03,
		0x89, 0xf2, 0xff, 0xc0, 0xee, 0xeb, 0xfb,
	};
	static struct tiny t;

	tiny_make(&t, 128 * MIB, 1, code, sizeof(code));
	tiny_start(&t);
	wait_for(&t.writes[0], 10);
	tiny_free(&t);
}

static void making_a_vm_is_quick(void **state)
{
	static struct tiny t;
	uint64_t start = now_ns(), made;

	tiny_make(&t, 512 * MIB, 1, code_count, sizeof(code_count));
	made = now_ns();
	tiny_start(&t);
	while (atomic_load(&t.writes[0]) == 0)
		sched_yield();
	print_message("VM made in %.2f ms, first exit after %.2f ms\n",
		      (double)(made - start) / 1e6,
		      (double)(now_ns() - start) / 1e6);
	tiny_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_reaches_its_port),
		cmocka_unit_test(a_paused_guest_stands_still_and_goes_on),
		cmocka_unit_test(a_paused_vcpus_registers_are_whole),
		cmocka_unit_test(four_vcpus_run_at_once),
		cmocka_unit_test(waiting_processors_can_be_paused),
		cmocka_unit_test(power_off_ends_it),
		cmocka_unit_test(a_reset_ends_it),
		cmocka_unit_test(a_crash_ends_the_guest_alone),
		cmocka_unit_test(mmio_reaches_its_device),
		cmocka_unit_test(a_kick_is_an_eventfd),
		cmocka_unit_test(sixteen_gib_of_ram_cost_nothing),
		cmocka_unit_test(unanswered_accesses_are_harmless),
		cmocka_unit_test(making_a_vm_is_quick),
	};
	struct err err = ERR_INIT;
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0 || kvm_check(fd, &err) < 0) {
		printf("skipped: no usable /dev/kvm\n");
		return 77;
	}
	close(fd);
	if (vcpu_init_signal(&err) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
