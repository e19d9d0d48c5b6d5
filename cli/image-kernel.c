/* SPDX-License-Identifier: MIT */
/*
 * cli/image-kernel.c - kernel files: bzImage and ELF
 *
 * Runs in the CLI.  Distrusts the file: every offset in it is checked against
 * its length before it is used.
 *
 * Theory of operation: a bzImage begins with real-mode code whose setup header
 * (Documentation/x86/boot.rst, offsets below) tells where the compressed ELF
 * file lies.  The kernel's build puts its unpacked size, le32, behind the
 * packed bytes (with gzip it is part of the format).
 */
#include "cli/image-kernel.h"

#include <elf.h>
#include <stdio.h>

#include "cli/image-unpack.h"
#include "common/path.h"

/* The setup header, as offsets in the file. */
#define HDR_SETUP_SECTS 0x1f1
#define HDR_BOOT_FLAG 0x1fe	/* le16 0xaa55 */
#define HDR_MAGIC 0x202		/* "HdrS" */
#define HDR_VERSION 0x206	/* le16; the payload's place is there from 2.08 */
#define HDR_KERNEL_VERSION 0x20e /* le16, + 0x200: a text */
#define HDR_XLOADFLAGS 0x236	/* le16, from 2.12; bit 0: a 64-bit kernel */
#define HDR_PAYLOAD_OFFSET 0x248
#define HDR_PAYLOAD_LENGTH 0x24c
#define HDR_END 0x268

static uint32_t le(const uint8_t *p, int bytes)
{
	uint32_t v = 0;

	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

void kernel_free(struct kernel *k)
{
	buf_free(&k->vmlinuz);
	buf_free(&k->vmlinux);
}

static int bad(struct err *err, const char *what, const char *why)
{
	return err_set(err, ERR_USAGE, "%s: %s", what, why);
}

/* See image-kernel.h. */
int kernel_check_elf(const uint8_t *data, size_t len, const char *what,
		     struct err *err)
{
	Elf64_Ehdr e;
	Elf64_Phdr p;

	if (len < sizeof(e) || memcmp(data, ELFMAG, SELFMAG))
		return bad(err, what, "not an ELF file");
	memcpy(&e, data, sizeof(e));
	if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_machine != EM_X86_64)
		return bad(err, what, "not a kernel for x86-64");
	if (e.e_type != ET_EXEC || e.e_phentsize != sizeof(p) || !e.e_phnum)
		return bad(err, what, "an ELF file, but not a kernel");
	if (e.e_phoff > len || e.e_phnum > (len - e.e_phoff) / sizeof(p))
		return bad(err, what, "corrupt: cut short");
	for (size_t i = 0; i < e.e_phnum; i++) {
		memcpy(&p, data + e.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_LOAD &&
		    (p.p_offset > len || p.p_filesz > len - p.p_offset))
			return bad(err, what, "corrupt: cut short");
	}
	return 0;
}

/* The first word of a text at @at, if it looks like one. */
static void set_release(struct kernel *k, const struct buf *b, size_t at)
{
	size_t n = 0;

	while (at + n < b->len && n < KERNEL_RELEASE_MAX - 1 &&
	       b->data[at + n] > ' ' && b->data[at + n] < 0x7f)
		n++;
	memcpy(k->release, b->data + at, n);
	k->release[n] = '\0';
}

/* An ELF kernel says "Linux version 6.1.0-1-cloud-amd64 (...". */
static void find_release(struct kernel *k)
{
	static const char banner[] = "Linux version ";
	const struct buf *b = &k->vmlinux;
	const uint8_t *hit = b->data, *end = b->data + b->len;

	while ((hit = memmem(hit, (size_t)(end - hit), banner,
			     sizeof(banner) - 1))) {
		hit += sizeof(banner) - 1;
		/* not the format that it is made with */
		if (hit < end && *hit >= '0' && *hit <= '9') {
			set_release(k, b, (size_t)(hit - b->data));
			return;
		}
	}
}

static int unpack_payload(struct kernel *k, const uint8_t *data, uint32_t len,
			  const char *what, struct err *err)
{
	enum unpack_kind kind = unpack_kind(data, len);
	uint32_t size;

	if (kind == UNPACK_NONE)
		return 0;
	size = le(data + len - 4, 4);
	if (size > KERNEL_BYTES_MAX)
		return bad(err, what, "corrupt: no kernel is that large");
	if (unpack(kind, data, kind == UNPACK_GZIP ? len : len - 4, what,
		   &k->vmlinux, err) < 0)
		return -1;
	if (k->vmlinux.len != size)
		return bad(err, what, "corrupt: it unpacks to a wrong size");
	return kernel_check_elf(k->vmlinux.data, k->vmlinux.len, what, err);
}

/* See image-kernel.h. */
int kernel_unpack(struct kernel *k, const char *what, struct err *err)
{
	const uint8_t *d = k->vmlinuz.data;
	size_t len = k->vmlinuz.len;
	uint32_t start, offset, size, text;

	if (len < HDR_END || le(d + HDR_BOOT_FLAG, 2) != 0xaa55 ||
	    memcmp(d + HDR_MAGIC, "HdrS", 4))
		return bad(err, what, "not a kernel (neither bzImage nor ELF)");
	if (le(d + HDR_VERSION, 2) < 0x20c || !(d[HDR_XLOADFLAGS] & 1))
		return bad(err, what, "not a 64-bit kernel, or one older than "
				      "3.8");
	text = le(d + HDR_KERNEL_VERSION, 2);
	if (text)
		set_release(k, &k->vmlinuz, MIN(text + 0x200, len));
	start = (d[HDR_SETUP_SECTS] ? d[HDR_SETUP_SECTS] : 4) * 512 + 512;
	offset = le(d + HDR_PAYLOAD_OFFSET, 4);
	size = le(d + HDR_PAYLOAD_LENGTH, 4);
	if (start > len || offset > len - start ||
	    size > len - start - offset || size < 8)
		return bad(err, what, "corrupt: cut short");
	return unpack_payload(k, d + start + offset, size, what, err);
}

/* See image-kernel.h. */
int kernel_load(int dirfd, const char *path, struct kernel *k, struct err *err)
{
	const char *base = strrchr(path, '/');
	char what[128];

	snprintf(what, sizeof(what), "kernel %s", base ? base + 1 : path);
	if (path_read_file(dirfd, path, KERNEL_BYTES_MAX, &k->vmlinuz, err) < 0)
		return -1;
	if (k->vmlinuz.len < SELFMAG ||
	    memcmp(k->vmlinuz.data, ELFMAG, SELFMAG))
		return kernel_unpack(k, what, err);
	buf_free(&k->vmlinux);
	k->vmlinux = k->vmlinuz;
	k->vmlinuz = (struct buf){ .max = KERNEL_BYTES_MAX };
	if (kernel_check_elf(k->vmlinux.data, k->vmlinux.len, what, err) < 0)
		return -1;
	find_release(k);
	return 0;
}
