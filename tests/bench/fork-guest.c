/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/fork-guest.c - a guest of a few instructions
 *
 * Machine code by hand, as there is no guest toolchain and none is wanted.
 */
#include "tests/bench/fork-guest.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOAD 0x1000000
#define DIRTY_FROM 0x2000000	/* bytes */

/* Write a byte to each page. */
static const uint8_t dirty_code[] = {
	0x48, 0xbf, 0, 0, 0, 0, 0, 0, 0, 0,	/* rdi = DIRTY_FROM */
	0xb9, 0, 0, 0, 0,			/* ecx = pages */
	0xc6, 0x07, 0x01,			/* [rdi] = 1 */
	0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00,	/* rdi += 4096 */
	0xff, 0xc9, 0x75, 0xf2,			/* while (--ecx) */
};

/* Wait for interrupts of COM1, which are never acknowledged there.  In a copy that
 * line is raised again, since an edge might have been under way: that wakes the
 * guest, and it reads a port.  So an idle guest is measured, which takes no CPU
 * before the fork or after. */
static const uint8_t idle_code[] = {
	0x48, 0xc7, 0xc4, 0x00, 0x00, 0xf0, 0x01,	/* rsp = 31 MiB */
	0x0f, 0x01, 0x1c, 0x25, 0x00, 0x08, 0x00, 0x01,	/* lidt [IDTR] */
	/* PIC: vectors from 0x20, only IRQ 4 */
	0xb0, 0x11, 0xe6, 0x20, 0xb0, 0x20, 0xe6, 0x21, 0xb0, 0x04, 0xe6, 0x21,
	0xb0, 0x01, 0xe6, 0x21, 0xb0, 0xef, 0xe6, 0x21,
	/* COM1: interrupt when it can send; send 'h' */
	0xba, 0xf9, 0x03, 0x00, 0x00, 0xb0, 0x02, 0xee,
	0xba, 0xf8, 0x03, 0x00, 0x00, 0xb0, 0x68, 0xee,
	0xfb, 0xf4, 0xeb, 0xfd,			/* sti; hlt for ever */
};

/* In its place: read a port for ever. Such a guest exits as soon as it runs. */
static const uint8_t busy_end[] = { 0xfb, 0xec, 0xeb, 0xfd };

static const uint8_t irq_code[] = {
	0x50, 0x52, 0xba, 0xfd, 0x03, 0x00, 0x00, 0xec,	/* read a port */
	0xb0, 0x20, 0xe6, 0x20, 0x5a, 0x58, 0x48, 0xcf,	/* EOI, iretq */
};

#define CODE_IDLE 64
#define CODE_IRQ 256
#define IDTR 0x800
#define IDT 0x1000
#define VECTOR 0x24

struct guest_image {
	Elf64_Ehdr h;
	Elf64_Phdr p;
	uint8_t text[IDT + 16 * (VECTOR + 1)];
};

/* SDM 3A 6.14.1: a 64-bit interrupt gate. */
static void set_gate(uint8_t *gate, uint32_t handler)
{
	const uint16_t words[8] = {
		(uint16_t)handler, 0x10, 0x8e00, (uint16_t)(handler >> 16),
	};

	memcpy(gate, words, sizeof(words));
}

int fork_guest_kernel(uint64_t dirty, bool busy)
{
	static struct guest_image k = {
		.h = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
				     ELFDATA2LSB },
			.e_type = ET_EXEC, .e_machine = EM_X86_64,
			.e_phoff = sizeof(k.h), .e_phentsize = sizeof(k.p),
			.e_phnum = 1,
		},
		.p = {
			.p_type = PT_LOAD, .p_paddr = LOAD,
			.p_offset = sizeof(k.h) + sizeof(k.p),
			.p_filesz = sizeof(k.text), .p_memsz = sizeof(k.text),
		},
	};
	const uint64_t from = DIRTY_FROM, idt = LOAD + IDT;
	const uint32_t pages = (uint32_t)(dirty / 4096);
	const uint16_t limit = sizeof(k.text) - IDT - 1;
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	memset(k.text, 0x90, CODE_IDLE);	/* nop */
	memcpy(k.text, dirty_code, sizeof(dirty_code));
	memcpy(k.text + 2, &from, sizeof(from));
	memcpy(k.text + 11, &pages, sizeof(pages));
	memcpy(k.text + CODE_IDLE, idle_code, sizeof(idle_code));
	if (busy)
		memcpy(k.text + CODE_IDLE + sizeof(idle_code) - sizeof(busy_end),
		       busy_end, sizeof(busy_end));
	memcpy(k.text + CODE_IRQ, irq_code, sizeof(irq_code));
	memcpy(k.text + IDTR, &limit, sizeof(limit));
	memcpy(k.text + IDTR + 2, &idt, sizeof(idt));
	set_gate(k.text + IDT + 16 * VECTOR, LOAD + CODE_IRQ);
	k.h.e_entry = LOAD + (pages ? 0 : CODE_IDLE);
	if (write(fd, &k, sizeof(k)) == (ssize_t)sizeof(k))
		return fd;
	close(fd);
	errno = EIO;
	return -1;
}

/* From the reset vector: real mode, then flat 32-bit. The ROM's last 64 KiB are
 * at 0xffff0000; offsets are within the code segment of the reset. */
static const uint8_t reset_code[] = {
	0xfa,					/* cli */
	0x2e, 0x66, 0x0f, 0x01, 0x16, 0x80, 0x00,	/* lgdt cs:[ROM_GDTR] */
	0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0,	/* cr0 |= PE */
	0x66, 0xea, 0x20, 0x00, 0xff, 0xff, 0x08, 0x00,	/* jmp 8:ROM_FLAT */
};

static const uint8_t flat_code[] = {
	0xb8, 0x10, 0x00, 0x00, 0x00, 0x8e, 0xd8,	/* ds = 0x10 */
	0xbf, 0, 0, 0, 0,			/* edi = DIRTY_FROM */
	0xb9, 0, 0, 0, 0,			/* ecx = pages */
	0xe3, 0x0e,				/* none: go on below */
	0xc6, 0x07, 0x01,			/* [edi] = 1 */
	0x81, 0xc7, 0x00, 0x10, 0x00, 0x00,	/* edi += 4096 */
	0x49, 0x75, 0xf4, 0x90, 0x90,		/* while (--ecx) */
	0xb0, 0x68, 0xe6, 0xe9, 0xeb, 0xfc,	/* 'h' for ever */
};

#define ROM_FLAT 0x20
#define ROM_GDTR 0x80
#define ROM_GDT 0x88
#define ROM_RESET 0xfff0

void fork_guest_rom(uint8_t rom[FORK_GUEST_ROM], uint64_t dirty)
{
	static const uint64_t gdt[] = {
		0, 0x00cf9b000000ffff, 0x00cf93000000ffff,
	};
	static const uint8_t jump[] = { 0xe9, 0x0d, 0x00 };	/* to offset 0 */
	const uint32_t from = DIRTY_FROM, pages = (uint32_t)(dirty / 4096);
	const uint32_t base = 0xffff0000 + ROM_GDT;
	const uint16_t limit = sizeof(gdt) - 1;

	memset(rom, 0xf4, FORK_GUEST_ROM);	/* hlt */
	memcpy(rom, reset_code, sizeof(reset_code));
	memcpy(rom + ROM_FLAT, flat_code, sizeof(flat_code));
	memcpy(rom + ROM_FLAT + 8, &from, sizeof(from));
	memcpy(rom + ROM_FLAT + 13, &pages, sizeof(pages));
	memcpy(rom + ROM_GDTR, &limit, sizeof(limit));
	memcpy(rom + ROM_GDTR + 2, &base, sizeof(base));
	memcpy(rom + ROM_GDT, gdt, sizeof(gdt));
	memcpy(rom + ROM_RESET, jump, sizeof(jump));
}
