/* SPDX-License-Identifier: MIT */
/*
 * tests/fake/fake-layers.c - plays CTL_LAYERS and CTL_SYNC, with real files
 *
 * A flush seals what is below the top, as the real one does.  How it goes
 * depends on the memory of the fake VMM:
 *
 *	200 MiB	the disk cannot be flushed
 *	202 MiB	it is not told what there is
 *	204 MiB	an exchange is refused
 *	206 MiB	it dies in an exchange, before it
 *	208 MiB	it dies in an exchange, after it
 *	210 MiB	an exchange takes 1 s
 *	212 MiB	the answer tells of other files
 *	214 MiB	the answer makes no sense
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cowfmt.h"
#include "common/fdpass.h"
#include "tests/fake/fake-agent.h"

#define FAR 500		/* above what a copy closes */

void fake_push_layer(int fd)
{
	if (vmm.nr_layers < CTL_MAX_LAYERS)
		vmm.layers[vmm.nr_layers++] = fcntl(fd, F_DUPFD_CLOEXEC, FAR);
}

void fake_drop_layer(void)
{
	if (vmm.nr_layers)
		close(vmm.layers[--vmm.nr_layers]);
}

void fake_take_layers(const int *fds, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		fake_push_layer(fds[i]);
}

void fake_sync(uint64_t seq)
{
	struct cow_header h;

	if (fake_is_mode(200)) {
		fake_reply(seq, EIO, "fake: cannot flush", -1);
		return;
	}
	for (unsigned int i = 0; i + 1 < vmm.nr_layers; i++) {
		if (cow_format_load(vmm.layers[i], &h, NULL) < 0 ||
		    h.flags & COW_SEALED)
			continue;
		h.flags |= COW_SEALED;
		cow_format_store(vmm.layers[i], &h);
	}
	fake_reply(seq, 0, "", -1);
}

static struct ctl_file identify(int fd)
{
	struct stat st = { .st_ino = 0 };

	fstat(fd, &st);
	return (struct ctl_file){ st.st_dev, st.st_ino };
}

static void tell(uint64_t seq)
{
	struct ctl_layered a = {
		.h = { CTL_MAGIC, CTL_LAYERED, seq }, .n = vmm.nr_layers,
		.sealed = vmm.nr_layers - 1,
	};

	for (unsigned int i = 0; i < vmm.nr_layers; i++) {
		a.layers[i] = identify(vmm.layers[i]);
		a.layers[i].ino += fake_is_mode(212) ? 1ULL << 40 : 0;
	}
	if (fake_is_mode(214))
		a.sealed = a.n + 1;
	fdpass_send(vmm.conn, &a, sizeof(a), NULL, 0);
}

/* Return: 0, or an errno. */
static int exchange(const struct ctl_layers *m, int fd)
{
	if (m->first + m->count >= vmm.nr_layers || fake_is_mode(204))
		return EINVAL;
	for (unsigned int i = 0; i < m->count; i++)
		if (identify(vmm.layers[m->first + i]).ino != m->old[i].ino)
			return ESTALE;
	for (unsigned int i = 0; i < m->count; i++)
		close(vmm.layers[m->first + i]);
	vmm.layers[m->first] = fcntl(fd, F_DUPFD_CLOEXEC, FAR);
	memmove(&vmm.layers[m->first + 1], &vmm.layers[m->first + m->count],
		(vmm.nr_layers - m->first - m->count) * sizeof(int));
	vmm.nr_layers -= m->count - 1;
	return 0;
}

void fake_layers(const struct ctl_layers *m, const int *fds, size_t nfds)
{
	int rc = 0;

	if (m->count && fake_is_mode(206))
		_exit(5);
	if (m->count && fake_is_mode(210))
		sleep(1);
	if (nfds != (m->count > 0) || !vmm.nr_layers ||
	    (!m->count && fake_is_mode(202)))
		rc = EINVAL;
	else if (m->count)
		rc = exchange(m, fds[0]);
	if (m->count && fake_is_mode(208))
		_exit(5);
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
	if (rc)
		fake_reply(m->h.seq, rc, "fake: no exchange", -1);
	else
		tell(m->h.seq);
}
