/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/bzimage.c - load a bzImage for its 64-bit entry
 *
 * Runs in podflare-vmm on the main thread, before the guest starts.  Distrusts
 * the file: every offset, address and length is checked where it is used.
 * Linux Documentation/arch/x86/boot.rst, "64-bit boot protocol".
 */
#include "runner/vmm/x86/image.h"

#include <asm/bootparam.h>

#include "runner/vmm/x86/layout.h"

#define HEADER_OFFSET 0x1f1
#define HEADER_JUMP 0x201	/* its byte counts on from 0x202 */
#define ENTRY_64 0x200		/* from the load address */
#define SECTOR 512
#define DEFAULT_SETUP_SECTS 4
#define PROTOCOL_MIN 0x20c	/* 2.12: xloadflags */

static int check_header(const struct image *img, const struct setup_header *h,
			struct err *err)
{
	if (h->version < PROTOCOL_MIN || !(h->xloadflags & XLF_KERNEL_64)) {
		err_set(err, ERR_USAGE, "%s: the bzImage has no 64-bit entry "
			"(boot protocol %u.%02u)", img->name, h->version >> 8,
			h->version & 0xff);
		err_hint(err, "an x86-64 kernel from 3.8 on is needed");
		return -1;
	}
	if (h->pref_address < LAYOUT_HIGH_START ||
	    h->pref_address >= LAYOUT_HOLE_START ||
	    (h->kernel_alignment &&
	     h->pref_address % h->kernel_alignment != 0))
		return err_set(err, ERR_USAGE, "%s: the bzImage wants the "
			       "address 0x%llx", img->name,
			       (unsigned long long)h->pref_address);
	return 0;
}

/* The header's size is in the file, for later versions of it are longer. What
 * goes beyond our struct is dropped. */
static int read_header(const struct image *img, struct setup_header *h,
		       struct err *err)
{
	uint8_t jump;
	size_t len;

	if (image_read(img, HEADER_JUMP, &jump, 1, err) < 0)
		return -1;
	len = MIN((size_t)0x202 + jump - HEADER_OFFSET, sizeof(*h));
	memset(h, 0, sizeof(*h));
	return image_read(img, HEADER_OFFSET, h, len, err);
}

int bzimage_load(const struct image *img, const struct guest_memory *m,
		 struct boot_params *bp, struct kernel *k, struct err *err)
{
	uint64_t off, len, room = MIN(m->ram, LAYOUT_HOLE_START);
	struct setup_header *h = &bp->hdr;
	uint8_t magic[8];

	if (img->size < 0x1fe + sizeof(magic))
		return 0;
	/* boot_flag, a jump, "HdrS" */
	if (image_read(img, 0x1fe, magic, sizeof(magic), err) < 0)
		return -1;
	if (memcmp(magic, "\x55\xaa", 2) != 0 || memcmp(magic + 4, "HdrS", 4))
		return 0;
	if (read_header(img, h, err) < 0 || check_header(img, h, err) < 0)
		return -1;

	off = (uint64_t)((h->setup_sects ?: DEFAULT_SETUP_SECTS) + 1) * SECTOR;
	len = (uint64_t)h->syssize * 16;
	if (off >= img->size || len <= ENTRY_64 || len > h->init_size)
		return err_set(err, ERR_USAGE, "%s: the bzImage is damaged: "
			       "its sizes contradict each other", img->name);
	/* the last paragraph need not be there in full */
	if (len > img->size - off && len - (img->size - off) < 16)
		len = img->size - off;
	if (h->init_size > room || h->pref_address > room - h->init_size) {
		err_set(err, ERR_USAGE, "%s: does not fit into the guest's "
			"%llu MiB of memory", img->name,
			(unsigned long long)(m->ram / MIB));
		err_hint(err, "give the sandbox more memory");
		return -1;
	}
	if (image_load(img, off, m, h->pref_address, len, err) < 0)
		return -1;
	*k = (struct kernel){
		.entry = h->pref_address + ENTRY_64,
		.end = h->pref_address + h->init_size,
		.initrd_max = h->initrd_addr_max + 1ULL,
	};
	return 1;
}
