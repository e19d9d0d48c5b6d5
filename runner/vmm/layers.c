/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/layers.c - what a disk is made of, told and changed (CTL_LAYERS)
 *
 * Runs in podflare-vmm on the main thread, which serves the disks as well: no
 * request of the guest is under way.  Distrusts the client to know which layers
 * there are: it has to name the files that it means.
 */
#include "runner/vmm/layers.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner/vmm/request-config.h"

_Static_assert(COW_LAYERS_MAX < CTL_MAX_LAYERS, "layers in an answer");

static int identify(const struct cow_layer *l, struct ctl_file *f,
		    struct err *err)
{
	struct stat st;

	/* fstat(3) takes the call that has a path name, which isolate.c shuts */
	if (syscall(SYS_fstat, l->fd, &st) < 0)
		return err_sys(err, errno, "disk layer");
	*f = (struct ctl_file){ st.st_dev, st.st_ino };
	return 0;
}

/* Return: the disk, NULL with @err: none that has layers of its own. */
static struct cow_disk *find(struct vmm *v, uint32_t disk, struct err *err)
{
	struct device_disk *dd;

	if (disk < v->dev.nr_disks) {
		dd = &v->dev.disks[disk];
		if (dd->is_cow && !dd->disk->read_only)
			return &dd->cow;
	}
	err_set(err, ERR_USAGE, "disk %u has no layers that change", disk);
	return NULL;
}

static int replace(struct cow_disk *c, const struct ctl_layers *m, int *fd,
		   struct err *err)
{
	int taken = *fd;

	if (cow_may_replace(c, m->first, m->count, err) < 0)
		return -1;
	for (unsigned int i = 0; i < m->count; i++) {
		struct ctl_file f = { 0 };

		if (identify(&c->layers[m->first + i], &f, err) < 0)
			return -1;
		if (f.dev != m->old[i].dev || f.ino != m->old[i].ino)
			return err_sys(err, ESTALE, "disk layer %u",
				       m->first + i);
	}
	*fd = -1;
	return cow_replace(c, m->first, m->count, taken, err);
}

static int tell(const struct cow_disk *c, struct ctl_layered *a,
		struct err *err)
{
	a->n = c->nr;
	for (unsigned int i = 0; i < c->nr; i++) {
		if (identify(&c->layers[i], &a->layers[i], err) < 0)
			return -1;
		if (a->sealed == i && c->layers[i].header.flags & COW_SEALED)
			a->sealed++;
	}
	return 0;
}

bool layers_request(struct vmm *v, const void *msg, size_t len, int *fds,
		    size_t nfds)
{
	const struct ctl_layers *m = msg;
	struct ctl_layered a = {
		.h = { .magic = CTL_MAGIC, .type = CTL_LAYERED },
	};
	struct err err = ERR_INIT;
	struct cow_disk *c;

	if (len != sizeof(*m) || nfds != (m->count > 0))
		return false;
	a.h.seq = m->h.seq;
	if (v->state != CTL_STATE_RUNNING && v->state != CTL_STATE_PAUSED)
		err_sys(&err, ENXIO, "no guest runs here");
	else if ((c = find(v, m->disk, &err)) &&
		 (!m->count || replace(c, m, &fds[0], &err) == 0) &&
		 tell(c, &a, &err) == 0)
		ctlsock_send(&v->sock, &a, sizeof(a), NULL, 0);
	if (err.code)
		request_reply_err(v, m->h.seq, &err);
	request_close_fds(fds, nfds);
	return true;
}
