/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/elf.c - load a vmlinux
 *
 * Runs in podflare-vmm on the main thread, before the guest starts.  Distrusts
 * the file: every offset, address and length is checked where it is used.
 */
#include "runner/vmm/x86/image.h"

#include <elf.h>

#include "runner/vmm/x86/layout.h"

#define PHDRS_MAX 64

static int load_segment(const struct image *img, const struct guest_memory *m,
			const Elf64_Phdr *p, struct err *err)
{
	void *to;

	if (p->p_filesz > p->p_memsz)
		return err_set(err, ERR_USAGE, "%s: an ELF segment is larger "
			       "in the file than in memory", img->name);
	if (p->p_paddr < LAYOUT_HIGH_START || p->p_paddr >= LAYOUT_HOLE_START)
		return err_set(err, ERR_USAGE, "%s: an ELF segment wants the "
			       "reserved address 0x%llx", img->name,
			       (unsigned long long)p->p_paddr);
	/* the zeroes behind the file's part (bss) count as well */
	to = memory_ptr(m, p->p_paddr, p->p_memsz);
	if (!to) {
		err_set(err, ERR_USAGE, "%s: does not fit into the guest's "
			"%llu MiB of memory", img->name,
			(unsigned long long)(m->ram / MIB));
		err_hint(err, "give the sandbox more memory");
		return -1;
	}
	if (p->p_filesz == 0)
		return 0;
	return image_load(img, p->p_offset, m, p->p_paddr, p->p_filesz, err);
}

static int check_header(const struct image *img, const Elf64_Ehdr *h,
			struct err *err)
{
	if (h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64)
		return err_set(err, ERR_USAGE,
			       "%s: neither a bzImage nor an x86-64 ELF file",
			       img->name);
	if (h->e_type != ET_EXEC)
		return err_set(err, ERR_USAGE, "%s: this ELF file is no kernel "
			       "(type %u, not an executable)", img->name,
			       h->e_type);
	if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 ||
	    h->e_phnum > PHDRS_MAX)
		return err_set(err, ERR_USAGE,
			       "%s: the ELF program headers are damaged",
			       img->name);
	return 0;
}

int elf_load(const struct image *img, const struct guest_memory *m,
	     struct kernel *k, struct err *err)
{
	Elf64_Phdr ph[PHDRS_MAX];
	bool entry_loaded = false;
	Elf64_Ehdr h;

	if (img->size < sizeof(h))
		return 0;
	if (image_read(img, 0, &h, sizeof(h), err) < 0)
		return -1;
	if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0)
		return 0;
	if (check_header(img, &h, err) < 0 ||
	    image_read(img, h.e_phoff, ph, h.e_phnum * sizeof(ph[0]), err) < 0)
		return -1;
	*k = (struct kernel){
		.entry = h.e_entry,
		.initrd_max = LAYOUT_HOLE_START,
	};
	for (unsigned int i = 0; i < h.e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD || ph[i].p_memsz == 0)
			continue;
		if (load_segment(img, m, &ph[i], err) < 0)
			return -1;
		k->end = MAX(k->end, ph[i].p_paddr + ph[i].p_memsz);
		if (h.e_entry >= ph[i].p_paddr &&
		    h.e_entry - ph[i].p_paddr < ph[i].p_filesz)
			entry_loaded = true;
	}
	if (!entry_loaded)
		return err_set(err, ERR_USAGE, "%s: the ELF entry point 0x%llx "
			       "is in no segment", img->name,
			       (unsigned long long)h.e_entry);
	return 1;
}
