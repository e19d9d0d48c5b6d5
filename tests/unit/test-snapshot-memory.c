/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test-snapshot-memory.c - RAM to files and back, without a guest
 *
 * A template of 8 MiB with pages in it, and machines that differ from it; what
 * comes back must be the same whatever they are compared with.
 */
#include "runner/vmm/snapshot-memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define RAM (8 * MIB)
#define PAGE 4096
#define PAGES (RAM / PAGE)

struct files {
	int memory, state;
	uint64_t written;	/* pages that are in it */
};

static struct files files_new(void)
{
	struct files f = {
		.memory = memfd_create("memory", MFD_CLOEXEC),
		.state = memfd_create("state", MFD_CLOEXEC),
	};

	assert_true(f.memory >= 0 && f.state >= 0);
	return f;
}

static void files_close(struct files *f)
{
	close(f->memory);
	close(f->state);
}

static uint64_t count_bits(const struct statefile *s)
{
	size_t len;
	const uint8_t *bits = statefile_find(s, &len, "memory.bitmap");
	uint64_t n = 0;

	assert_non_null(bits);
	for (size_t i = 0; i < len; i++)
		n += (uint64_t)__builtin_popcount(bits[i]);
	return n;
}

/* Save @m, compared with @template's memory (NULL: with none). */
static struct files save(const struct guest_memory *m,
			 const struct files *template)
{
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct files f = files_new();
	struct statefile_writer w;
	struct statefile s;
	struct err err = ERR_INIT;

	assert_true(pagemap >= 0);
	statefile_begin(&w);
	if (snapshot_memory_save(m, f.memory, pagemap,
				 template ? template->memory : -1, &w,
				 &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(statefile_end(&w, f.state, &err), 0);
	close(pagemap);
	assert_int_equal(statefile_load(&s, f.state, &err), 0);
	f.written = count_bits(&s);
	statefile_free(&s);
	return f;
}

/* Return: 0, or -1 with @err. */
static int load(struct guest_memory *m, const struct files *f,
		const struct files *template, struct err *err)
{
	struct statefile s;
	int rc;

	assert_int_equal(statefile_load(&s, f->state, err), 0);
	assert_int_equal(memory_init_from(m, RAM, template ? template->memory
							   : f->memory, err),
			 0);
	rc = snapshot_memory_load(m, f->memory,
				  template ? template->memory : -1, &s, err);
	statefile_free(&s);
	return rc;
}

static uint8_t *page(const struct guest_memory *m, uint64_t nr)
{
	return m->map + nr * PAGE;
}

static void assert_same(const struct guest_memory *a,
			const struct guest_memory *b)
{
	for (uint64_t i = 0; i < PAGES; i++)
		if (memcmp(page(a, i), page(b, i), PAGE) != 0)
			fail_msg("page %llu differs", (unsigned long long)i);
}

/* Saved as compared with @template, loaded, the same; how many pages it took. */
static uint64_t round_trip(const struct guest_memory *m,
			   const struct files *template)
{
	struct files f = save(m, template);
	struct guest_memory back;
	struct err err = ERR_INIT;
	uint64_t written = f.written;

	if (load(&back, &f, template, &err) < 0)
		fail_msg("%s", err.msg);
	assert_same(m, &back);
	memory_free(&back);
	files_close(&f);
	return written;
}

/* 600 pages at the beginning, one at the end, the rest was never touched. */
static void fill(struct guest_memory *m)
{
	struct err err = ERR_INIT;

	assert_int_equal(memory_init(m, RAM, &err), 0);
	madvise(m->map, RAM, MADV_NOHUGEPAGE);
	for (uint64_t i = 0; i < 600; i++)
		snprintf((char *)page(m, i), PAGE, "page %d", (int)i);
	memset(page(m, PAGES - 1), 0xff, PAGE);
}

/* As a sandbox does: some pages are written, one goes back to zeros, one that
 * the template does not have comes. */
static void use(struct guest_memory *m)
{
	page(m, 5)[9] = 1;
	page(m, 512)[4095] = 1;
	memset(page(m, 100), 0, PAGE);
	page(m, 1500)[0] = 7;
}

static void without_a_template_what_is_not_zero_is_written(void **state)
{
	struct guest_memory m;

	fill(&m);
	assert_int_equal(round_trip(&m, NULL), 601);
	use(&m);
	assert_int_equal(round_trip(&m, NULL), 601);
	memory_free(&m);
}

static void of_a_copy_what_differs_is_written(void **state)
{
	struct guest_memory m;
	struct files template;

	fill(&m);
	template = save(&m, NULL);
	assert_int_equal(round_trip(&m, &template), 0);
	use(&m);
	assert_int_equal(round_trip(&m, &template), 4);
	memory_free(&m);
	files_close(&template);
}

static void and_of_what_was_made_of_its_file(void **state)
{
	struct guest_memory m, n, o;
	struct files template, first, second;
	struct err err = ERR_INIT;

	fill(&m);
	template = save(&m, NULL);
	assert_int_equal(memory_init_from(&n, RAM, template.memory, &err), 0);
	assert_same(&m, &n);
	use(&n);
	first = save(&n, &template);
	assert_int_equal(first.written, 4);
	/* a second time, of what came back */
	assert_int_equal(load(&o, &first, &template, &err), 0);
	assert_same(&n, &o);
	page(&o, 6)[0] = 1;
	second = save(&o, &template);
	assert_int_equal(second.written, 5);
	assert_int_equal(round_trip(&o, &template), 5);
	assert_int_equal(round_trip(&o, NULL), 601);
	memory_free(&m);
	memory_free(&n);
	memory_free(&o);
	files_close(&first);
	files_close(&second);
	files_close(&template);
}

/* Long runs are mapped, not copied: they are no pages of the process's own. */
static void long_runs_are_shared_and_saved_again(void **state)
{
	struct guest_memory m, n;
	struct files template, f, again;
	struct err err = ERR_INIT;

	fill(&m);
	template = save(&m, NULL);
	for (uint64_t i = 700; i < 1300; i++)
		page(&m, i)[1] = (uint8_t)(i | 1);
	use(&m);
	f = save(&m, &template);
	assert_int_equal(f.written, 604);
	assert_int_equal(load(&n, &f, &template, &err), 0);
	assert_non_null(n.laid);
	assert_same(&m, &n);
	again = save(&n, &template);
	assert_int_equal(again.written, 604);
	page(&n, 800)[77] = 1;
	assert_int_equal(round_trip(&n, &template), 604);
	memory_free(&m);
	memory_free(&n);
	files_close(&again);
	files_close(&f);
	files_close(&template);
}

static void a_wrong_template_costs_room_and_no_more(void **state)
{
	struct guest_memory m, n, other;
	struct files template, wrong;
	struct err err = ERR_INIT;

	fill(&m);
	template = save(&m, NULL);
	assert_int_equal(memory_init(&other, RAM, &err), 0);
	memset(page(&other, 300), 3, 900 * PAGE);
	wrong = save(&other, NULL);
	/* one that was never touched where that has pages */
	assert_int_equal(round_trip(&m, &wrong), 300 + 300 + 600 + 1);
	/* and one that was mapped from a file */
	assert_int_equal(memory_init_from(&n, RAM, template.memory, &err), 0);
	assert_int_equal(round_trip(&n, &wrong), 300 + 300 + 600 + 1);
	memory_free(&m);
	memory_free(&n);
	memory_free(&other);
	files_close(&wrong);
	files_close(&template);
}

static void one_flipped_bit_is_found(void **state)
{
	static const uint64_t pages[] = { 5, 100, 512, 1000, 1500 };
	struct guest_memory m, n;
	struct files template, f;

	fill(&m);
	template = save(&m, NULL);
	for (uint64_t i = 900; i < 1100; i++)
		page(&m, i)[1] = 1;
	use(&m);
	f = save(&m, &template);
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		off_t at = (off_t)(pages[i] * PAGE + 1234);
		struct err err = ERR_INIT;
		uint8_t byte;

		assert_int_equal(pread(f.memory, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(f.memory, &byte, 1, at), 1);
		assert_int_equal(load(&n, &f, &template, &err), -1);
		assert_non_null(strstr(err.msg, "memory file: damaged at"));
		memory_free(&n);
		byte ^= 0x10;
		assert_int_equal(pwrite(f.memory, &byte, 1, at), 1);
	}
	memory_free(&m);
	files_close(&f);
	files_close(&template);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_template_what_is_not_zero_is_written),
		cmocka_unit_test(of_a_copy_what_differs_is_written),
		cmocka_unit_test(and_of_what_was_made_of_its_file),
		cmocka_unit_test(long_runs_are_shared_and_saved_again),
		cmocka_unit_test(a_wrong_template_costs_room_and_no_more),
		cmocka_unit_test(one_flipped_bit_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
