/* SPDX-License-Identifier: MIT */
/*
 * tests/fake/fake-save.c - plays CTL_SAVE and CTL_RESTORE
 *
 * How it goes depends on the memory of the fake VMM:
 *
 *	180 MiB	the disk is full when it is saved
 *	182 MiB	it dies while it is saved
 *	184 MiB	it takes 1 s to be saved
 *	186 MiB	it cannot be paused
 *	188 MiB	the files are said to be damaged when they are read
 *	190 MiB	it dies when it is to go on from them
 *	192 MiB	its agent does not answer after that
 *	194 MiB	files are refused as of another CPU
 *	196 MiB	it dies when it is given them
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fake/fake-agent.h"

#define MAGIC "fake machine"

struct fake_state {
	char magic[16];
	uint64_t ram;
};

static void close_all(const int *fds, size_t nfds)
{
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
}

void fake_save(const struct ctl_save *m, const int *fds, size_t nfds)
{
	struct fake_state s = { MAGIC, vmm.ram };
	struct stat st;

	if (nfds != 3u + (m->has_template != 0) ||
	    (vmm.state != CTL_STATE_PAUSED && vmm.state != CTL_STATE_HELD)) {
		fake_reply(m->h.seq, EINVAL, "fake: cannot be saved", -1);
		return;
	}
	if (fake_is_mode(182))
		_exit(6);
	if (fake_is_mode(184))
		sleep(1);
	if (fstat(fds[0], &st) < 0 || st.st_size ||
	    write(fds[0], &s, sizeof(s)) != sizeof(s) ||
	    ftruncate(fds[1], (off_t)vmm.ram) < 0 ||
	    pwrite(fds[1], "memory", 6, 4096) != 6)
		fake_reply(m->h.seq, EIO, "fake: cannot write", -1);
	else if (fake_is_mode(180))
		fake_reply(m->h.seq, ENOSPC, "fake: no space left", -1);
	else
		fake_reply(m->h.seq, 0, "", -1);
	close_all(fds, nfds);
}

void fake_restore(const struct ctl_restore *m, int *fds, size_t nfds)
{
	struct fake_state s = { .ram = 0 };
	size_t need = 5 + (m->has_template != 0);
	const char *why = NULL;
	int error = EIO;

	alarm(0);
	for (uint32_t i = 0; i < m->nr_disks; i++)
		need += m->disks[i].nr_fds;
	if (vmm.state != CTL_STATE_NEW || nfds != need)
		why = "fake: wrong files";
	else if (read(fds[3], &s, sizeof(s)) != sizeof(s) ||
		 memcmp(s.magic, MAGIC, sizeof(MAGIC)) != 0)
		why = "state: not a machine's state";
	vmm.ram = s.ram;
	if (!why && fake_is_mode(196))
		_exit(8);
	if (!why && fake_is_mode(188))
		why = "memory file: damaged at 0 MiB";
	if (!why && fake_is_mode(194)) {
		why = "state: of another CPU";
		error = EINVAL;
	}
	vmm.console_fd = fds[1];
	vmm.exit_fd = fds[2];
	if (why) {
		fake_reply(m->h.seq, error, why, -1);
		fake_leave(CTL_EXIT_SETUP, why);
	}
	if (m->nr_disks)
		fake_take_layers(fds + nfds - m->disks[m->nr_disks - 1].nr_fds
				 + 1, m->disks[m->nr_disks - 1].nr_fds - 1);
	close_all(fds + 3, nfds - 3);
	vmm.state = CTL_STATE_HELD;
	vmm.restored = true;
	fake_reply(m->h.seq, 0, "", -1);
}
