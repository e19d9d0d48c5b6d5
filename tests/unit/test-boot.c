/* SPDX-License-Identifier: MIT */
/* tests/unit/test-boot.c - kernels and initrds, whole and damaged */
#include "runner/vmm/x86/boot.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "runner/vmm/x86/layout.h"
#include "tests/unit/unit.h"

#define RAM (128 * MIB)
#define LOAD 0x1000000		/* where the test kernels want to be */

/* A file's contents, in the making. */
struct blob {
	uint8_t data[64 * 1024];
	size_t len;
};

static int blob_fd(const struct blob *b)
{
	char name[] = "/tmp/podflare-boot-XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(write(fd, b->data, b->len), (ssize_t)b->len);
	return fd;
}

/* One segment of 4 KiB at 4096 that takes 64 KiB of memory. */
static void make_elf(struct blob *b)
{
	Elf64_Ehdr *h = (void *)b->data;
	Elf64_Phdr *p = (void *)(b->data + sizeof(*h));

	*b = (struct blob){ .len = 8192 };
	memcpy(h->e_ident, ELFMAG, SELFMAG);
	h->e_ident[EI_CLASS] = ELFCLASS64;
	h->e_ident[EI_DATA] = ELFDATA2LSB;
	h->e_type = ET_EXEC;
	h->e_machine = EM_X86_64;
	h->e_phoff = sizeof(*h);
	h->e_phentsize = sizeof(*p);
	h->e_phnum = 1;
	h->e_entry = LOAD + 0x10;
	*p = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_offset = 4096, .p_paddr = LOAD,
		.p_filesz = 4096, .p_memsz = 65536,
	};
	memset(b->data + 4096, 0x90, 4096);
}

static struct setup_header *make_bzimage(struct blob *b)
{
	struct setup_header *h = (void *)(b->data + 0x1f1);

	*b = (struct blob){ .len = 1024 + 8192 };
	b->data[0x201] = 0x6a;
	h->setup_sects = 1;
	h->boot_flag = 0xaa55;
	h->header = 0x53726448;
	h->version = 0x20f;
	h->xloadflags = XLF_KERNEL_64;
	h->syssize = 8192 / 16;
	h->init_size = 1024 * 1024;
	h->pref_address = LOAD;
	h->kernel_alignment = 0x200000;
	h->initrd_addr_max = 0x7fffffff;
	h->cmdline_size = 2047;
	memset(b->data + 1024, 0x90, 8192);
	return h;
}

struct result {
	struct guest_memory mem;
	struct cpu_entry entry;
	struct err err;
	const struct boot_params *bp;
	int rc;
};

static struct result load_all(const struct blob *kernel, uint64_t ram,
			      const struct blob *initrds, unsigned int nr,
			      const char *cmdline)
{
	struct result r = { .rc = -1 };
	int fds[BOOT_INITRDS_MAX + 1];
	struct boot_files f = {
		.kernel = blob_fd(kernel), .initrds = fds, .nr_initrds = nr,
		.cmdline = cmdline,
	};

	assert_int_equal(memory_init(&r.mem, ram, &r.err), 0);
	for (unsigned int i = 0; i < nr; i++)
		fds[i] = blob_fd(&initrds[i]);
	r.rc = boot_load(&r.mem, &f, &r.entry, &r.err);
	r.bp = memory_ptr(&r.mem, LAYOUT_ZERO_PAGE, 4096);
	close(f.kernel);
	for (unsigned int i = 0; i < nr; i++)
		close(fds[i]);
	return r;
}

static struct result load(const struct blob *kernel)
{
	return load_all(kernel, RAM, NULL, 0, "quiet");
}

static void expect_error(const struct blob *kernel, const char *text)
{
	struct result r = load(kernel);

	assert_int_equal(r.rc, -1);
	if (!strstr(r.err.msg, text))
		fail_msg("\"%s\" is not about \"%s\"", r.err.msg, text);
	memory_free(&r.mem);
}

static void an_elf_kernel_is_loaded_where_it_wants_to_be(void **state)
{
	static struct blob b;
	struct result r;

	make_elf(&b);
	r = load(&b);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.entry.rip, LOAD + 0x10);
	assert_int_equal(r.entry.rsi, LAYOUT_ZERO_PAGE);
	assert_memory_equal(memory_ptr(&r.mem, LOAD, 4096), b.data + 4096,
			    4096);
	assert_int_equal(r.bp->hdr.header, 0x53726448);
	assert_string_equal(memory_ptr(&r.mem, r.bp->hdr.cmd_line_ptr, 16),
			    "quiet");
	memory_free(&r.mem);
}

static void a_bzimage_is_entered_at_its_64_bit_entry(void **state)
{
	static struct blob b;
	struct result r;

	make_bzimage(&b);
	r = load(&b);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.entry.rip, LOAD + 0x200);
	assert_memory_equal(memory_ptr(&r.mem, LOAD, 8192), b.data + 1024,
			    8192);
	assert_int_equal(r.bp->hdr.type_of_loader, 0xff);
	memory_free(&r.mem);
}

static void the_memory_map_has_the_hole(void **state)
{
	static struct blob b;
	struct result r;
	uint64_t ram = 0;

	make_elf(&b);
	r = load_all(&b, 16 * GIB, NULL, 0, "");
	assert_int_equal(r.rc, 0);
	for (int i = 0; i < r.bp->e820_entries; i++) {
		const struct boot_e820_entry *e = &r.bp->e820_table[i];

		if (e->type != 1)
			continue;
		assert_non_null(memory_ptr(&r.mem, e->addr, e->size));
		ram += e->size;
	}
	/* all but what lies between 639 KiB and 1 MiB */
	assert_int_equal(ram, 16 * GIB - (MIB - LAYOUT_LOW_END));
	memory_free(&r.mem);
}

static void initrds_follow_each_other_at_the_end_of_ram(void **state)
{
	static struct blob kernel, initrds[2];
	const uint8_t *at;
	struct result r;

	make_elf(&kernel);
	initrds[0].len = 4097;
	memset(initrds[0].data, 'a', 4097);
	initrds[1].len = 100;
	memset(initrds[1].data, 'b', 100);
	r = load_all(&kernel, RAM, initrds, 2, "");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.bp->hdr.ramdisk_size, 4100 + 100);
	assert_int_equal(r.bp->hdr.ramdisk_image % 4096, 0);
	assert_true(r.bp->hdr.ramdisk_image > RAM - 16384);
	at = memory_ptr(&r.mem, r.bp->hdr.ramdisk_image, 4200);
	assert_memory_equal(at, initrds[0].data, 4097);
	assert_memory_equal(at + 4097, "\0\0\0", 3);
	assert_memory_equal(at + 4100, initrds[1].data, 100);
	memory_free(&r.mem);
}

static void an_initrd_stays_where_the_kernel_can_reach_it(void **state)
{
	static struct blob kernel, initrd = { .len = 4096 };
	struct result r;

	make_bzimage(&kernel)->initrd_addr_max = 0x3ffffff;
	r = load_all(&kernel, RAM, &initrd, 1, "");
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.bp->hdr.ramdisk_image, 0x4000000 - 4096);
	memory_free(&r.mem);
}

static void no_room_for_the_initrd_is_an_error(void **state)
{
	static struct blob kernel, initrd = { .len = 65536 };
	struct result r;

	/* the kernel takes all but 32 KiB */
	make_elf(&kernel);
	((Elf64_Phdr *)(kernel.data + sizeof(Elf64_Ehdr)))->p_memsz =
		RAM - LOAD - 32768;
	r = load_all(&kernel, RAM, &initrd, 1, "");
	assert_int_equal(r.rc, -1);
	assert_non_null(strstr(r.err.msg, "initrd: does not fit"));
	assert_string_not_equal(r.err.hint, "");
	memory_free(&r.mem);
	initrd.len = 0;
	r = load_all(&kernel, RAM, &initrd, 1, "");
	assert_non_null(strstr(r.err.msg, "initrd 1: the file is empty"));
	memory_free(&r.mem);
}

static void a_command_line_that_is_too_long_is_an_error(void **state)
{
	static struct blob b;
	struct result r;

	make_bzimage(&b)->cmdline_size = 10;
	r = load_all(&b, RAM, NULL, 0, "0123456789");
	assert_int_equal(r.rc, 0);
	memory_free(&r.mem);
	r = load_all(&b, RAM, NULL, 0, "0123456789a");
	assert_int_equal(r.rc, -1);
	assert_non_null(strstr(r.err.msg, "command line"));
	memory_free(&r.mem);
}

static void other_files_are_no_kernels(void **state)
{
	static const char neither[] = "neither a bzImage nor an x86-64 ELF";
	static struct blob b;
	int fds[2];
	struct boot_files f = { .cmdline = "" };
	struct result r = { .rc = 0 };

	b = (struct blob){ .len = 1, .data = "x" };
	expect_error(&b, neither);
	b = (struct blob){ .len = 5000, .data = "#!/bin/sh\n" };
	expect_error(&b, neither);
	b.len = 0;
	expect_error(&b, "kernel: the file is empty");
	make_elf(&b);
	((Elf64_Ehdr *)b.data)->e_machine = EM_AARCH64;
	expect_error(&b, neither);
	make_elf(&b);
	((Elf64_Ehdr *)b.data)->e_type = ET_DYN;
	expect_error(&b, "no kernel");
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	f.kernel = fds[0];
	assert_int_equal(memory_init(&r.mem, RAM, &r.err), 0);
	assert_int_equal(boot_load(&r.mem, &f, &r.entry, &r.err), -1);
	assert_non_null(strstr(r.err.msg, "not a regular file"));
	memory_free(&r.mem);
	close(fds[0]);
	close(fds[1]);
}

static void a_damaged_elf_is_refused(void **state)
{
	static struct blob b;
	Elf64_Ehdr *h = (void *)b.data;
	Elf64_Phdr *p = (void *)(b.data + sizeof(*h));

	make_elf(&b);
	h->e_phnum = 0;
	expect_error(&b, "damaged");
	make_elf(&b);
	h->e_phnum = 65535;
	expect_error(&b, "damaged");
	make_elf(&b);
	h->e_phoff = UINT64_MAX - 8;
	expect_error(&b, "cut short");
	make_elf(&b);
	p->p_offset = UINT64_MAX - 100;
	expect_error(&b, "cut short");
	make_elf(&b);
	b.len = 6000;
	expect_error(&b, "cut short");
	make_elf(&b);
	p->p_filesz = 65537;
	expect_error(&b, "larger in the file");
	make_elf(&b);
	p->p_memsz = UINT64_MAX;
	expect_error(&b, "does not fit");
	make_elf(&b);
	p->p_paddr = 0;
	expect_error(&b, "reserved address");
	make_elf(&b);
	p->p_paddr = 1ULL << 32;
	expect_error(&b, "reserved address");
	make_elf(&b);
	h->e_entry = LOAD + 4096;
	expect_error(&b, "entry point");
}

static void a_damaged_bzimage_is_refused(void **state)
{
	static struct blob b;

	make_bzimage(&b)->version = 0x20b;
	expect_error(&b, "no 64-bit entry (boot protocol 2.11)");
	make_bzimage(&b)->xloadflags = 0;
	expect_error(&b, "no 64-bit entry");
	make_bzimage(&b)->setup_sects = 255;
	expect_error(&b, "contradict");
	make_bzimage(&b)->syssize = 0;
	expect_error(&b, "contradict");
	make_bzimage(&b)->init_size = 4096;
	expect_error(&b, "contradict");
	make_bzimage(&b)->syssize = 1024;
	expect_error(&b, "cut short");
	make_bzimage(&b)->init_size = 0xffffffff;
	expect_error(&b, "does not fit");
	make_bzimage(&b)->pref_address = UINT64_MAX;
	expect_error(&b, "wants the address");
	make_bzimage(&b)->pref_address = 0x1000;
	expect_error(&b, "wants the address");
}

/* Whatever the bytes are, the loader says yes or no and nothing worse. */
static void random_damage_is_survived(void **state)
{
	unsigned int seed = 1, good = 0;
	static struct blob b;

	for (int round = 0; round < 2000; round++) {
		bool elf = round & 1;
		struct result r;

		if (elf)
			make_elf(&b);
		else
			make_bzimage(&b);
		for (int i = 0; i < 3; i++)
			b.data[(elf ? 0 : 0x1f1) + rand_r(&seed) % 0x80] =
				(uint8_t)rand_r(&seed);
		r = load(&b);
		assert_true(r.rc == 0 || r.err.msg[0]);
		good += r.rc == 0;
		memory_free(&r.mem);
	}
	assert_true(good > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_elf_kernel_is_loaded_where_it_wants_to_be),
		cmocka_unit_test(a_bzimage_is_entered_at_its_64_bit_entry),
		cmocka_unit_test(the_memory_map_has_the_hole),
		cmocka_unit_test(initrds_follow_each_other_at_the_end_of_ram),
		cmocka_unit_test(an_initrd_stays_where_the_kernel_can_reach_it),
		cmocka_unit_test(no_room_for_the_initrd_is_an_error),
		cmocka_unit_test(a_command_line_that_is_too_long_is_an_error),
		cmocka_unit_test(other_files_are_no_kernels),
		cmocka_unit_test(a_damaged_elf_is_refused),
		cmocka_unit_test(a_damaged_bzimage_is_refused),
		cmocka_unit_test(random_damage_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
