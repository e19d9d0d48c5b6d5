/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/x86/aml.h - write ACPI Machine Language, as little as is needed
 *
 * ACPI 6.4 chapter 20.  Terms are appended to a buffer of fixed size; a package
 * (scope, device, template) is opened, filled, and closed, which patches its
 * length.  Past the end of the buffer nothing is written and `full` is set.
 */
#ifndef PODFLARE_VMM_X86_AML_H
#define PODFLARE_VMM_X86_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
	uint8_t *data;
	size_t len, room;	/* bytes */
	bool full;
};

/* An open package. */
struct aml_mark {
	size_t at;		/* of its length field */
};

/* Append as it is; integers little-endian. */
void aml_bytes(struct aml *a, const void *data, size_t n);
/* One byte. */
void aml_u8(struct aml *a, uint8_t v);
/* Two bytes. */
void aml_u16(struct aml *a, uint16_t v);
/* Four bytes. */
void aml_u32(struct aml *a, uint32_t v);

/* Scope(\PATH), Device(NAME): @name is "_SB_" or "V000", four characters. */
struct aml_mark aml_scope(struct aml *a, const char *name);
struct aml_mark aml_device(struct aml *a, const char *name);
void aml_close(struct aml *a, struct aml_mark m);

/* Name(NAME, value) */
void aml_name(struct aml *a, const char *name);
void aml_name_integer(struct aml *a, const char *name, uint32_t v);
void aml_name_string(struct aml *a, const char *name, const char *s);
/* EisaId(): "PNP0501" */
void aml_name_eisa(struct aml *a, const char *name, const char *id);
/* Package () { a, b, c, d } */
void aml_name_package4(struct aml *a, const char *name, const uint8_t v[4]);

/* ResourceTemplate () { ... }: the resources go in between. */
struct aml_resources {
	struct aml_mark buffer;
	size_t size_at;		/* of the buffer's size */
};

/* Name(_CRS, ResourceTemplate () {...}) */
struct aml_resources aml_crs(struct aml *a);
void aml_crs_close(struct aml *a, struct aml_resources r);
/* IO (Decode16, base, base, 1, len) */
void aml_io(struct aml *a, uint16_t base, uint8_t len);
/* Memory32Fixed (ReadWrite, base, len) */
void aml_memory32(struct aml *a, uint32_t base, uint32_t len);
/* Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { gsi } */
void aml_interrupt(struct aml *a, uint32_t gsi);

#endif
