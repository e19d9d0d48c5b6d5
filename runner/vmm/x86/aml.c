/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/aml.c - write ACPI Machine Language, as little as is needed
 *
 * Pure functions over a buffer.  Run in podflare-vmm, main thread, before the
 * guest starts; nothing comes from outside.
 */
#include "runner/vmm/x86/aml.h"

#include "common/util.h"

/* opcodes, ACPI 6.4 table 20.2 */
#define OP_NAME 0x08
#define OP_DWORD 0x0c
#define OP_STRING 0x0d
#define OP_SCOPE 0x10
#define OP_BUFFER 0x11
#define OP_PACKAGE 0x12
#define OP_BYTE 0x0a
#define OP_EXT 0x5b
#define OP_EXT_DEVICE 0x82
/* resource descriptors, 6.4 */
#define RES_IO 0x47
#define RES_END 0x79
#define RES_MEMORY32 0x86
#define RES_INTERRUPT 0x89

void aml_bytes(struct aml *a, const void *data, size_t n)
{
	if (n > a->room - a->len) {
		a->full = true;
		return;
	}
	memcpy(a->data + a->len, data, n);
	a->len += n;
}

void aml_u8(struct aml *a, uint8_t v)
{
	aml_bytes(a, &v, 1);
}

void aml_u16(struct aml *a, uint16_t v)
{
	aml_bytes(a, &v, 2);
}

void aml_u32(struct aml *a, uint32_t v)
{
	aml_bytes(a, &v, 4);
}

/* PkgLength (20.2.4), always in its three-byte form: 2 bits say how many more
 * bytes there are, 20 bits are the length, itself included. */
static struct aml_mark open_package(struct aml *a)
{
	struct aml_mark m = { .at = a->len };

	aml_bytes(a, "\0\0\0", 3);
	return m;
}

void aml_close(struct aml *a, struct aml_mark m)
{
	size_t len = a->len - m.at;

	if (a->full)
		return;
	a->data[m.at] = (uint8_t)(0x80 | (len & 0xf));
	a->data[m.at + 1] = (uint8_t)(len >> 4);
	a->data[m.at + 2] = (uint8_t)(len >> 12);
}

struct aml_mark aml_scope(struct aml *a, const char *name)
{
	struct aml_mark m;

	aml_u8(a, OP_SCOPE);
	m = open_package(a);
	aml_u8(a, '\\');
	aml_bytes(a, name, 4);
	return m;
}

struct aml_mark aml_device(struct aml *a, const char *name)
{
	struct aml_mark m;

	aml_u8(a, OP_EXT);
	aml_u8(a, OP_EXT_DEVICE);
	m = open_package(a);
	aml_bytes(a, name, 4);
	return m;
}

void aml_name(struct aml *a, const char *name)
{
	aml_u8(a, OP_NAME);
	aml_bytes(a, name, 4);
}

void aml_name_integer(struct aml *a, const char *name, uint32_t v)
{
	aml_name(a, name);
	aml_u8(a, OP_DWORD);
	aml_u32(a, v);
}

void aml_name_string(struct aml *a, const char *name, const char *s)
{
	aml_name(a, name);
	aml_u8(a, OP_STRING);
	aml_bytes(a, s, strlen(s) + 1);
}

static uint32_t hex_digit(char c)
{
	return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* 19.3.4: three letters of 5 bits, four hex digits, the bytes swapped. */
void aml_name_eisa(struct aml *a, const char *name, const char *id)
{
	uint32_t v = 0;

	for (int i = 0; i < 3; i++)
		v = (v << 5) | (uint32_t)(id[i] - '@');
	for (int i = 3; i < 7; i++)
		v = (v << 4) | hex_digit(id[i]);
	aml_name_integer(a, name, __builtin_bswap32(v));
}

void aml_name_package4(struct aml *a, const char *name, const uint8_t v[4])
{
	struct aml_mark m;

	aml_name(a, name);
	aml_u8(a, OP_PACKAGE);
	m = open_package(a);
	aml_u8(a, 4);
	for (int i = 0; i < 4; i++) {
		aml_u8(a, OP_BYTE);
		aml_u8(a, v[i]);
	}
	aml_close(a, m);
}

struct aml_resources aml_crs(struct aml *a)
{
	struct aml_resources r;

	aml_name(a, "_CRS");
	aml_u8(a, OP_BUFFER);
	r.buffer = open_package(a);
	aml_u8(a, OP_DWORD);
	r.size_at = a->len;
	aml_u32(a, 0);
	return r;
}

void aml_crs_close(struct aml *a, struct aml_resources r)
{
	uint32_t size;

	aml_u8(a, RES_END);
	aml_u8(a, 0);		/* checksum: none */
	if (a->full)
		return;
	size = (uint32_t)(a->len - r.size_at - 4);
	memcpy(a->data + r.size_at, &size, sizeof(size));
	aml_close(a, r.buffer);
}

void aml_io(struct aml *a, uint16_t base, uint8_t len)
{
	aml_u8(a, RES_IO);
	aml_u8(a, 1);		/* decodes 16 bits */
	aml_u16(a, base);
	aml_u16(a, base);
	aml_u8(a, 1);		/* alignment */
	aml_u8(a, len);
}

void aml_memory32(struct aml *a, uint32_t base, uint32_t len)
{
	aml_u8(a, RES_MEMORY32);
	aml_u16(a, 9);
	aml_u8(a, 1);		/* read-write */
	aml_u32(a, base);
	aml_u32(a, len);
}

void aml_interrupt(struct aml *a, uint32_t gsi)
{
	aml_u8(a, RES_INTERRUPT);
	aml_u16(a, 6);
	aml_u8(a, 0x3);		/* consumer, edge, active high, exclusive */
	aml_u8(a, 1);
	aml_u32(a, gsi);
}
