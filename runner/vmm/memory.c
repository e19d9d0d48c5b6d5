/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/memory.c - the guest's RAM, and the only way into it
 *
 * Owns the mapping of guest RAM.  Runs in podflare-vmm: set up once by the main
 * thread, translated on every thread.  Distrusts every address and length that
 * it is asked to translate: they come from the guest.
 */
#include "runner/vmm/memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "runner/vmm/x86/layout.h"

#define HUGE_PAGE (2 * MIB)

/* MAP_NORESERVE: a sandbox is charged for what it touches. The start is
 * aligned so that huge pages of host and guest coincide. */
static uint8_t *map_ram(uint64_t ram)
{
	uint64_t room = ram + HUGE_PAGE;
	uint8_t *map, *start;

	map = mmap(NULL, room, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	start = (uint8_t *)ALIGN_UP((uintptr_t)map, HUGE_PAGE);
	if (start > map)
		munmap(map, (size_t)(start - map));
	if (map + room > start + ram)
		munmap(start + ram, (size_t)(map + room - (start + ram)));
	return start;
}

static void set_slots(struct guest_memory *m)
{
	uint64_t low = MIN(m->ram, LAYOUT_HOLE_START);

	m->slots[m->nr_slots++] = (struct memory_slot){
		.gpa = 0, .size = low, .host = m->map,
	};
	if (m->ram > low)
		m->slots[m->nr_slots++] = (struct memory_slot){
			.gpa = LAYOUT_HOLE_END, .size = m->ram - low,
			.host = m->map + low,
		};
}

int memory_init(struct guest_memory *m, uint64_t ram, struct err *err)
{
	*m = (struct guest_memory){ .ram = ram };
	if (ram == 0 || ram % 4096 != 0)
		return err_set(err, ERR_USAGE,
			       "memory: %llu bytes is no multiple of 4 KiB",
			       (unsigned long long)ram);
	m->map = map_ram(ram);
	if (!m->map) {
		int sys = errno;

		err_sys(err, sys, "memory: cannot map %llu MiB",
			(unsigned long long)(ram / MIB));
		err_hint(err, "give the sandbox less memory, or look at "
			 "'ulimit -v' and vm.overcommit_memory");
		return -1;
	}
	/* Both are advice: a kernel without them runs the guest as well. RAM
	 * in a core file would be useless and enormous. */
	madvise(m->map, ram, MADV_HUGEPAGE);
	madvise(m->map, ram, MADV_DONTDUMP);
	set_slots(m);
	return 0;
}

int memory_init_from(struct guest_memory *m, uint64_t ram, int fd,
		     struct err *err)
{
	struct stat st;
	uint64_t size;

	if (util_file_size(fd, &size) < 0 || fstat(fd, &st) < 0)
		return err_sys(err, errno, "memory file");
	if (size != ram)
		return err_set(err, ERR_IO, "memory file: %llu bytes, not %llu",
			       (unsigned long long)size,
			       (unsigned long long)ram);
	if (memory_init(m, ram, err) < 0)
		return -1;
	if (mmap(m->map, ram, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, fd, 0) ==
	    MAP_FAILED) {
		err_sys(err, errno, "memory file");
		memory_free(m);
		return -1;
	}
	madvise(m->map, ram, MADV_DONTDUMP);
	m->from_file = true;
	m->dev = st.st_dev;
	m->ino = st.st_ino;
	return 0;
}

int memory_lay(struct guest_memory *m, uint64_t page, uint64_t pages, int fd)
{
	void *at = m->map + page * 4096;

	if (!m->laid)
		m->laid = calloc(1, m->ram / 4096 / 8 + 1);
	if (!m->laid ||
	    mmap(at, pages * 4096, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, fd,
		 (off_t)(page * 4096)) == MAP_FAILED)
		return -1;
	madvise(at, pages * 4096, MADV_DONTDUMP);
	for (uint64_t i = page; i < page + pages; i++)
		m->laid[i / 8] |= (uint8_t)(1u << i % 8);
	return 0;
}

bool memory_is_laid(const struct guest_memory *m, uint64_t page)
{
	return m->laid && (m->laid[page / 8] >> page % 8 & 1);
}

void memory_free(struct guest_memory *m)
{
	if (m->map)
		munmap(m->map, m->ram);
	free(m->laid);
	*m = (struct guest_memory){ 0 };
}

void *memory_ptr(const struct guest_memory *m, uint64_t gpa, size_t len)
{
	if (len == 0)
		return NULL;
	for (unsigned int i = 0; i < m->nr_slots; i++) {
		const struct memory_slot *s = &m->slots[i];

		/* neither side of a comparison can overflow */
		if (gpa < s->gpa || gpa - s->gpa >= s->size)
			continue;
		if (len > s->size - (gpa - s->gpa))
			return NULL;
		return s->host + (gpa - s->gpa);
	}
	return NULL;
}
