/* SPDX-License-Identifier: MIT */
/* tests/unit/test-image-kernel.c - kernel files, whole and hostile */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "cli/image-kernel.h"
#include "cli/image-unpack.h"
#include "tests/unit/unit.h"

#define BODY 100000

static uint8_t elf[BODY];
static bool without_zstd;

/* In libarchive's stead: one that was built without. */
const char *archive_libzstd_version(void)
{
	return without_zstd ? NULL : "1";
}

/* An ELF kernel: one segment, and the banner in it. */
static void make_elf(void)
{
	Elf64_Ehdr e = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
				      ELFDATA2LSB, EV_CURRENT },
			 .e_type = ET_EXEC, .e_machine = EM_X86_64,
			 .e_phoff = sizeof(e), .e_phnum = 1,
			 .e_phentsize = sizeof(Elf64_Phdr) };
	Elf64_Phdr p = { .p_type = PT_LOAD, .p_offset = 4096,
			 .p_filesz = BODY - 4096 };

	for (size_t i = 0; i < BODY; i++)
		elf[i] = (uint8_t)(i / 50);
	memcpy(elf, &e, sizeof(e));
	memcpy(elf + sizeof(e), &p, sizeof(p));
	strcpy((char *)elf + 5000, "Linux version %s (%s)");
	strcpy((char *)elf + 6000, "Linux version 6.9.9-test (x@y) #1");
}

static size_t pack(int (*filter)(struct archive *), uint8_t *out, size_t size)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	size_t used = 0;

	assert_int_equal(filter(a), ARCHIVE_OK);
	archive_write_set_format_raw(a);
	archive_write_set_bytes_in_last_block(a, 1);
	archive_write_open_memory(a, out, size, &used);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_write_header(a, e);
	assert_int_equal(archive_write_data(a, elf, BODY), BODY);
	archive_write_close(a);
	archive_write_free(a);
	archive_entry_free(e);
	return used;
}

static void put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

/* A bzImage of boot protocol 2.15 around a payload. */
static void make_image(struct kernel *k, const uint8_t *payload, size_t len,
		       bool with_size)
{
	static const char version[] = "6.8.8-cloud (somebody) #1";
	uint8_t *d;

	*k = (struct kernel)KERNEL_INIT;
	d = buf_reserve(&k->vmlinuz, 4096 + BODY);
	memset(d, 0, 4096);
	d[0x1f1] = 3;
	d[0x1fe] = 0x55;
	d[0x1ff] = 0xaa;
	memcpy(d + 0x202, "HdrS", 4);
	d[0x206] = 0x0f;
	d[0x207] = 0x02;
	d[0x20e] = 0x00;
	d[0x20f] = 0x02;
	memcpy(d + 0x400, version, sizeof(version));
	d[0x236] = 1;
	put32(d + 0x248, 128);
	put32(d + 0x24c, (uint32_t)len + (with_size ? 4 : 0));
	memcpy(d + 4 * 512 + 128, payload, len);
	if (with_size)
		put32(d + 4 * 512 + 128 + len, BODY);
	k->vmlinuz.len = 4 * 512 + 128 + len + (with_size ? 4 : 0);
}

static void expect_bad(struct kernel *k, const char *why)
{
	struct err err = ERR_INIT;

	assert_int_equal(kernel_unpack(k, "kernel x", &err), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.msg, why));
}

static void all_packings_are_unpacked(void **state)
{
	static const struct {
		int (*filter)(struct archive *);
		bool with_size;
	} cases[] = { { archive_write_add_filter_gzip, false },
		      { archive_write_add_filter_xz, true },
		      { archive_write_add_filter_zstd, true },
		      { archive_write_add_filter_lz4, true } };
	uint8_t payload[BODY];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_KERNEL struct kernel k = KERNEL_INIT;
		struct err err = ERR_INIT;
		size_t len = pack(cases[i].filter, payload, sizeof(payload));

		make_image(&k, payload, len, cases[i].with_size);
		assert_int_equal(kernel_unpack(&k, "kernel x", &err), 0);
		assert_int_equal(k.vmlinux.len, BODY);
		assert_memory_equal(k.vmlinux.data, elf, BODY);
		assert_string_equal(k.release, "6.8.8-cloud");
	}
}

/* lzma, lzo, bzip2: the kernel is booted as it is. */
static void an_unknown_packing_is_left_alone(void **state)
{
	CLEANUP_KERNEL struct kernel k = KERNEL_INIT;
	struct err err = ERR_INIT;

	make_image(&k, (const uint8_t *)"BZh91AY&SY012345", 16, true);
	assert_int_equal(kernel_unpack(&k, "kernel x", &err), 0);
	assert_int_equal(k.vmlinux.len, 0);
}

static void hostile_headers_are_refused(void **state)
{
	CLEANUP_KERNEL struct kernel k = KERNEL_INIT;
	uint8_t payload[BODY];
	size_t len = pack(archive_write_add_filter_gzip, payload,
			  sizeof(payload));
	uint8_t *d;

	make_image(&k, payload, len, false);
	d = k.vmlinuz.data;
	put32(d + 0x248, 0xffffff00);
	expect_bad(&k, "cut short");
	put32(d + 0x248, 128);
	put32(d + 0x24c, 0xffffffff);
	expect_bad(&k, "cut short");
	put32(d + 0x24c, 4);
	expect_bad(&k, "cut short");
	put32(d + 0x24c, (uint32_t)len);
	d[0x1f1] = 0xff;
	expect_bad(&k, "cut short");
	d[0x1f1] = 3;
	d[0x20e] = d[0x20f] = 0xff;	/* the version's text is outside */
	d[0x236] = 0;
	expect_bad(&k, "not a 64-bit kernel");
	d[0x236] = 1;
	d[0x202] = 'X';
	expect_bad(&k, "not a kernel");
	d[0x202] = 'H';
	k.vmlinuz.len = 0x250;
	expect_bad(&k, "not a kernel");
	k.vmlinuz.len = 0;
	expect_bad(&k, "not a kernel");
}

static void corrupt_payloads_are_refused(void **state)
{
	CLEANUP_KERNEL struct kernel k = KERNEL_INIT;
	uint8_t payload[BODY];
	size_t len = pack(archive_write_add_filter_zstd, payload,
			  sizeof(payload));

	make_image(&k, payload, len / 2, true);
	expect_bad(&k, "corrupt");
	kernel_free(&k);
	make_image(&k, payload, len, true);
	put32(k.vmlinuz.data + k.vmlinuz.len - 4, BODY - 1);
	expect_bad(&k, "wrong size");
	buf_free(&k.vmlinux);
	put32(k.vmlinuz.data + k.vmlinuz.len - 4, 0xfffffff0);
	expect_bad(&k, "no kernel is that large");
}

static void hostile_elf_files_are_refused(void **state)
{
	static uint8_t d[BODY];
	Elf64_Ehdr *e = (Elf64_Ehdr *)d;
	Elf64_Phdr *p = (Elf64_Phdr *)(d + sizeof(*e));
	struct err err = ERR_INIT;

#define EXPECT(why) \
	do { \
		err = (struct err)ERR_INIT; \
		assert_int_equal(kernel_check_elf(d, BODY, "x", &err), -1); \
		assert_non_null(strstr(err.msg, why)); \
		memcpy(d, elf, BODY); \
	} while (0)

	memcpy(d, elf, BODY);
	assert_int_equal(kernel_check_elf(d, BODY, "x", &err), 0);
	assert_int_equal(kernel_check_elf(d, 20, "x", &err), -1);
	e->e_machine = EM_AARCH64;
	EXPECT("x86-64");
	e->e_ident[EI_CLASS] = ELFCLASS32;
	EXPECT("x86-64");
	e->e_type = ET_REL;
	EXPECT("not a kernel");
	e->e_phnum = 0;
	EXPECT("not a kernel");
	e->e_phoff = UINT64_MAX - 8;
	EXPECT("cut short");
	e->e_phnum = 0xffff;
	EXPECT("cut short");
	p->p_offset = UINT64_MAX;
	EXPECT("cut short");
	p->p_filesz = UINT64_MAX - 4095;
	EXPECT("cut short");
}

static void an_elf_file_is_taken_as_it_is(void **state)
{
	CLEANUP_KERNEL struct kernel k = KERNEL_INIT;
	char path[] = "/tmp/test-kernel-XXXXXX";
	struct err err = ERR_INIT;
	int fd = mkstemp(path);

	assert_int_equal(write(fd, elf, BODY), BODY);
	close(fd);
	assert_int_equal(kernel_load(AT_FDCWD, path, &k, &err), 0);
	assert_int_equal(k.vmlinux.len, BODY);
	assert_int_equal(k.vmlinuz.len, 0);
	assert_string_equal(k.release, "6.9.9-test");
	unlink(path);
}

static void other_files_are_no_kernels(void **state)
{
	CLEANUP_KERNEL struct kernel k = KERNEL_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(kernel_load(AT_FDCWD, "/dev/null", &k, &err), -1);
	assert_string_equal(err.msg, "kernel null: not a kernel (neither "
				     "bzImage nor ELF)");
	assert_int_equal(kernel_load(AT_FDCWD, "/nonexistent", &k, NULL), -1);
}

/* What comes out is bounded, however well it was packed. */
static void unpacking_is_bounded(void **state)
{
	struct buf out = { .max = BODY / 2 };
	struct err err = ERR_INIT;
	uint8_t payload[BODY];
	size_t len = pack(archive_write_add_filter_xz, payload,
			  sizeof(payload));

	assert_int_equal(unpack(unpack_kind(payload, len), payload, len, "x",
				&out, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	buf_free(&out);
}

/* libarchive would start the program zstd. */
static void no_program_is_started_to_unpack(void **state)
{
	CLEANUP_BUF struct buf out = { .max = MIB };
	struct archive *a = archive_read_new();
	struct err err = ERR_INIT;
	uint8_t payload[BODY];
	size_t len = pack(archive_write_add_filter_zstd, payload,
			  sizeof(payload));

	without_zstd = true;
	assert_int_equal(unpack(UNPACK_ZSTD, payload, len, "x", &out, &err),
			 -1);
	assert_non_null(strstr(err.msg, "built without this compression"));
	unpack_enable_tar(a);
	assert_int_equal(archive_filter_count(a), 0);
	assert_int_equal(archive_read_open_memory(a, payload, len),
			 ARCHIVE_FATAL);
	archive_read_free(a);
	without_zstd = false;
	assert_int_equal(unpack(UNPACK_ZSTD, payload, len, "x", &out, NULL),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_packings_are_unpacked),
		cmocka_unit_test(an_unknown_packing_is_left_alone),
		cmocka_unit_test(hostile_headers_are_refused),
		cmocka_unit_test(corrupt_payloads_are_refused),
		cmocka_unit_test(hostile_elf_files_are_refused),
		cmocka_unit_test(an_elf_file_is_taken_as_it_is),
		cmocka_unit_test(other_files_are_no_kernels),
		cmocka_unit_test(unpacking_is_bounded),
		cmocka_unit_test(no_program_is_started_to_unpack),
	};

	make_elf();
	return cmocka_run_group_tests_name("image-kernel", tests, NULL, NULL);
}
