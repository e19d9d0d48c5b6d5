/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/boot.c - put a kernel into guest memory, ready to run
 *
 * Runs in podflare-vmm on the main thread, before the guest starts.  Distrusts
 * kernel and initrds (image.h) and the command line's length.  Linux
 * Documentation/arch/x86/boot.rst and zero-page.rst.
 */
#include "runner/vmm/x86/boot.h"

#include <asm/bootparam.h>
#include <stdio.h>
#include <sys/random.h>

#include "runner/vmm/x86/image.h"
#include "runner/vmm/x86/layout.h"

#define LOADER_UNDEFINED 0xff
#define HEADER_MAGIC 0x53726448	/* "HdrS" */
#define SETUP_RNG_SEED_TYPE 9	/* SETUP_RNG_SEED, Linux 6.0 */
#define SEED_LEN 32
#define E820_RAM 1
#define E820_RESERVED 2
#define E820_ACPI 3

static int load_kernel(const struct guest_memory *m, int fd,
		       struct boot_params *bp, struct kernel *k,
		       struct err *err)
{
	struct image img;
	int rc;

	if (image_open(&img, fd, "kernel", err) < 0)
		return -1;
	rc = bzimage_load(&img, m, bp, k, err);
	if (rc == 0)
		rc = elf_load(&img, m, k, err);
	if (rc == 0) {
		err_set(err, ERR_USAGE,
			"kernel: neither a bzImage nor an x86-64 ELF file");
		return -1;
	}
	return rc < 0 ? -1 : 0;
}

/* Cpio archives may follow each other, each begins at a multiple of 4. They end
 * up as high in low RAM as the kernel allows. */
static int load_initrds(const struct guest_memory *m,
			const struct boot_files *f, const struct kernel *k,
			struct boot_params *bp, struct err *err)
{
	uint64_t total = 0, top, at, room = MIN(m->ram, LAYOUT_HOLE_START);
	struct image img[BOOT_INITRDS_MAX];
	char names[BOOT_INITRDS_MAX][24];

	bp->hdr.ramdisk_image = bp->hdr.ramdisk_size = 0;
	if (f->nr_initrds == 0)
		return 0;
	if (f->nr_initrds > BOOT_INITRDS_MAX)
		return err_set(err, ERR_USAGE, "initrd: more than %d",
			       BOOT_INITRDS_MAX);
	for (unsigned int i = 0; i < f->nr_initrds; i++) {
		snprintf(names[i], sizeof(names[i]), "initrd %u", i + 1);
		if (image_open(&img[i], f->initrds[i], names[i], err) < 0)
			return -1;
		total += MIN(ALIGN_UP(img[i].size, 4), room);
	}
	top = MIN(room, k->initrd_max);
	if (total > top || ALIGN_DOWN(top - total, 4096) < k->end) {
		err_set(err, ERR_USAGE, "initrd: does not fit behind the "
			"kernel into the guest's %llu MiB of memory",
			(unsigned long long)(m->ram / MIB));
		err_hint(err, "give the sandbox more memory");
		return -1;
	}
	at = ALIGN_DOWN(top - total, 4096);
	bp->hdr.ramdisk_image = (uint32_t)at;
	bp->hdr.ramdisk_size = (uint32_t)total;
	for (unsigned int i = 0; i < f->nr_initrds; i++) {
		if (image_load(&img[i], 0, m, at, img[i].size, err) < 0)
			return -1;
		at += ALIGN_UP(img[i].size, 4);
	}
	return 0;
}

static int write_cmdline(const struct guest_memory *m, const char *cmdline,
			 struct boot_params *bp, struct err *err)
{
	size_t len = strlen(cmdline);
	size_t max = bp->hdr.cmdline_size ? bp->hdr.cmdline_size
					  : LAYOUT_CMDLINE_MAX - 1;
	char *to = memory_ptr(m, LAYOUT_CMDLINE, LAYOUT_CMDLINE_MAX);

	if (!to)
		return err_set(err, ERR_USAGE, "memory: too small to boot");
	if (len > MIN(max, (size_t)LAYOUT_CMDLINE_MAX - 1))
		return err_set(err, ERR_USAGE, "kernel command line: %zu bytes "
			       "are more than the kernel takes", len);
	memcpy(to, cmdline, len + 1);
	bp->hdr.cmd_line_ptr = LAYOUT_CMDLINE;
	return 0;
}

static void add_e820(struct boot_params *bp, uint64_t start, uint64_t end,
		     uint32_t type)
{
	struct boot_e820_entry *e = &bp->e820_table[bp->e820_entries];

	if (end <= start)
		return;
	e->addr = start;
	e->size = end - start;
	e->type = type;
	bp->e820_entries++;
}

static void fill_e820(const struct guest_memory *m, struct boot_params *bp)
{
	add_e820(bp, 0, LAYOUT_LOW_END, E820_RAM);
	add_e820(bp, LAYOUT_LOW_END, 0xa0000, E820_RESERVED);
	add_e820(bp, LAYOUT_ACPI, LAYOUT_ACPI + LAYOUT_ACPI_SIZE, E820_ACPI);
	for (unsigned int i = 0; i < m->nr_slots; i++)
		add_e820(bp, MAX(m->slots[i].gpa, LAYOUT_HIGH_START),
			 m->slots[i].gpa + m->slots[i].size, E820_RAM);
}

/* The kernel's random generator is ready from the first line on (since Linux
 * 6.0; an older one skips the entry). The kernel wipes it. */
static void add_seed(const struct guest_memory *m, struct boot_params *bp)
{
	struct setup_data *d = memory_ptr(m, LAYOUT_SETUP_DATA,
					  sizeof(*d) + SEED_LEN);

	bp->hdr.setup_data = 0;
	if (!d || getrandom(d->data, SEED_LEN, 0) != SEED_LEN)
		return;
	d->next = 0;
	d->type = SETUP_RNG_SEED_TYPE;
	d->len = SEED_LEN;
	bp->hdr.setup_data = LAYOUT_SETUP_DATA;
}

int boot_load(const struct guest_memory *m, const struct boot_files *f,
	      struct cpu_entry *entry, struct err *err)
{
	struct boot_params *bp = memory_ptr(m, LAYOUT_ZERO_PAGE, sizeof(*bp));
	struct kernel k;

	if (!bp)
		return err_set(err, ERR_USAGE, "memory: too small to boot");
	memset(bp, 0, sizeof(*bp));
	if (load_kernel(m, f->kernel, bp, &k, err) < 0)
		return -1;
	/* what an ELF file does not bring, and a boot loader has to say */
	bp->hdr.boot_flag = 0xaa55;
	bp->hdr.header = HEADER_MAGIC;
	bp->hdr.type_of_loader = LOADER_UNDEFINED;
	bp->hdr.loadflags |= LOADED_HIGH;
	if (!bp->hdr.kernel_alignment)
		bp->hdr.kernel_alignment = 16 * MIB;
	bp->acpi_rsdp_addr = LAYOUT_ACPI;
	if (load_initrds(m, f, &k, bp, err) < 0 ||
	    write_cmdline(m, f->cmdline, bp, err) < 0 ||
	    cpu_write_tables(m, err) < 0)
		return -1;
	fill_e820(m, bp);
	add_seed(m, bp);
	*entry = (struct cpu_entry){ .rip = k.entry, .rsi = LAYOUT_ZERO_PAGE };
	return 0;
}
