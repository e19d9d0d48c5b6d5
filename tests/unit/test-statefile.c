/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-statefile.c - state files that are right, damaged, or lies
 *
 * A lie has right checksums; whether memory is touched that is not the file's is
 * for the sanitizers to say.
 */
#include "runner/vmm/statefile.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/crc32.h"
#include "tests/unit/unit.h"

#define SECTIONS 4

static const char texts[SECTIONS][32] = {
	"", "seven b", "and sixteen byte", "more than one word, and a bit",
};

/* Return: a file of some sections, of all lengths modulo 8. */
static int make(void)
{
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct statefile_writer w;

	statefile_begin(&w);
	for (unsigned int i = 0; i < SECTIONS; i++)
		statefile_put(&w, texts[i], strlen(texts[i]), "s%u", i);
	assert_int_equal(statefile_end(&w, fd, NULL), 0);
	return fd;
}

static int load(struct statefile *s, const void *data, size_t len)
{
	int fd = memfd_create("state", MFD_CLOEXEC), rc;
	struct err err = ERR_INIT;

	assert_int_equal(write(fd, data, len), (ssize_t)len);
	rc = statefile_load(s, fd, &err);
	if (rc < 0)
		assert_true(err.msg[0]);
	close(fd);
	return rc;
}

/* All of the file, and the whole of each section. */
static void walk(const struct statefile *s)
{
	for (unsigned int i = 0; i < SECTIONS; i++) {
		size_t len = 0;
		const uint8_t *p = statefile_find(s, &len, "s%u", i);

		assert_int_equal((uintptr_t)p % 8, 0);
		for (size_t n = 0; p && n < len; n++)
			assert_true(p[n] <= 0xff);
	}
}

static uint8_t *read_all(int fd, size_t *len)
{
	uint64_t size;
	uint8_t *p;

	assert_int_equal(util_file_size(fd, &size), 0);
	*len = (size_t)size;
	p = malloc(*len);
	assert_int_equal(pread(fd, p, *len, 0), (ssize_t)*len);
	close(fd);
	return p;
}

static void what_was_put_is_got(void **state)
{
	struct err err = ERR_INIT;
	struct statefile s;
	char buf[32];
	int fd = make();

	assert_int_equal(statefile_load(&s, fd, &err), 0);
	for (unsigned int i = 0; i < SECTIONS; i++) {
		size_t len = strlen(texts[i]);

		assert_int_equal(statefile_get(&s, buf, len, &err, "s%u", i),
				 0);
		assert_memory_equal(buf, texts[i], len);
		assert_int_equal(statefile_get(&s, buf, len + 1, NULL, "s%u",
					       i), -1);
	}
	assert_int_equal(statefile_get(&s, buf, 1, &err, "s%d", SECTIONS), -1);
	assert_non_null(strstr(err.msg, "\"s4\""));
	statefile_free(&s);
	close(fd);
}

/* Padding apart, which nobody reads. */
static void every_flipped_bit_is_found(void **state)
{
	unsigned int unseen = 0;
	struct statefile s;
	size_t len;
	uint8_t *p = read_all(make(), &len);

	for (size_t i = 0; i < len * 8; i++) {
		p[i / 8] ^= (uint8_t)(1u << i % 8);
		if (load(&s, p, len) == 0) {
			walk(&s);
			statefile_free(&s);
			unseen++;
		}
		p[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	/* names, whose flips lead to another name, and padding */
	assert_true(unseen <= SECTIONS * (STATEFILE_NAME + 7) * 8);
	free(p);
}

static void a_file_of_any_other_length_is_refused(void **state)
{
	struct statefile s;
	size_t len;
	uint8_t *p = read_all(make(), &len);

	for (size_t n = 0; n < len; n++)
		assert_int_equal(load(&s, p, n), -1);
	p = realloc(p, len + 8);
	memset(p + len, 0, 8);
	assert_int_equal(load(&s, p, len + 8), -1);
	free(p);
}

static void sign(uint8_t *p)
{
	struct statefile_header *h = (void *)p;

	h->crc = crc32_of(h, offsetof(struct statefile_header, crc));
}

/* Lengths and counts that no writer makes, in a header that is right. */
static void lengths_that_lie_are_refused(void **state)
{
	static const uint32_t lies[] = {
		8, 9, 31, 4096, INT32_MAX, UINT32_MAX - 8, UINT32_MAX - 7,
		UINT32_MAX - 6, UINT32_MAX,
	};
	struct statefile s;
	size_t len;
	uint8_t *p = read_all(make(), &len);
	struct statefile_header *h = (void *)p;
	struct statefile_section *first = (void *)(h + 1);

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		uint32_t there = MIN(lies[i], len - sizeof(*h) -
				     sizeof(*first));

		/* the checksum of what can be read of it */
		first->length = lies[i];
		first->crc = crc32_of(first + 1, there);
		assert_int_equal(load(&s, p, len), -1);
	}
	first->length = 0;
	first->crc = crc32_of(first + 1, 0);
	assert_int_equal(load(&s, p, len), 0);
	statefile_free(&s);
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		h->sections = lies[i];
		sign(p);
		assert_int_equal(load(&s, p, len), -1);
	}
	for (h->sections = 0; h->sections < SECTIONS; h->sections++) {
		sign(p);
		assert_int_equal(load(&s, p, len), -1);
	}
	h->length = UINT64_MAX;
	sign(p);
	assert_int_equal(load(&s, p, len), -1);
	free(p);
}

static void a_name_without_an_end_is_refused(void **state)
{
	struct statefile s;
	size_t len;
	uint8_t *p = read_all(make(), &len);
	struct statefile_section *first =
		(void *)(p + sizeof(struct statefile_header));

	memset(first->name, 's', sizeof(first->name));
	assert_int_equal(load(&s, p, len), -1);
	free(p);
}

static void a_file_without_end_is_not_read(void **state)
{
	int fd = memfd_create("state", MFD_CLOEXEC);
	struct err err = ERR_INIT;
	struct statefile s;

	assert_int_equal(ftruncate(fd, (off_t)(1ULL << 50)), 0);
	assert_int_equal(statefile_load(&s, fd, &err), -1);
	assert_non_null(strstr(err.msg, "too many"));
	close(fd);
}

static void a_state_that_is_too_long_is_not_written(void **state)
{
	int fd = memfd_create("state", MFD_CLOEXEC);
	uint8_t *p = calloc(1, STATEFILE_MAX);
	struct err err = ERR_INIT;
	struct statefile_writer w;

	statefile_begin(&w);
	statefile_put(&w, p, STATEFILE_MAX, "much");
	statefile_put(&w, p, 8, "more");
	assert_int_equal(statefile_end(&w, fd, &err), -1);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	free(p);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_got),
		cmocka_unit_test(every_flipped_bit_is_found),
		cmocka_unit_test(a_file_of_any_other_length_is_refused),
		cmocka_unit_test(lengths_that_lie_are_refused),
		cmocka_unit_test(a_name_without_an_end_is_refused),
		cmocka_unit_test(a_file_without_end_is_not_read),
		cmocka_unit_test(a_state_that_is_too_long_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
