/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/control.h - the messages between podflared and podflare-vmm
 *
 * The one VMM header that the runner includes.  A SEQPACKET Unix socket; one
 * message is one fixed struct, file descriptors ride along (SCM_RIGHTS).  The
 * runner binds the socket and starts podflare-vmm with it as descriptor 3; the
 * VMM listens on it and serves one connection at a time: a new one replaces the
 * old (the runner was restarted).  Only peers of our own user are served.
 *
 * The runner sends requests, each is answered by one CTL_REPLY with its seq.
 * The VMM sends CTL_EVENT at any time.  Both programs come from one build:
 * CTL_MAGIC changes with every change of this file, a message of another magic
 * closes the connection.
 */
#ifndef PODFLARE_VMM_CONTROL_H
#define PODFLARE_VMM_CONTROL_H

#include <stdint.h>

#define CTL_MAGIC 0x70660005u
#define CTL_LISTEN_FD 3		/* in the new VMM process */

#define CTL_MAX_VCPUS 8
#define CTL_MAX_DISKS 4
#define CTL_MAX_LAYERS 48	/* files of one disk's chain, bottom first */
#define CTL_MAX_INITRDS 4
#define CTL_FORK_MAX 40		/* children of one CTL_FORK */
#define CTL_MAX_FDS 250		/* of one message; the kernel's limit is 253 */
#define CTL_CMDLINE 1024
#define CTL_RAM_MIN (128ULL << 20)
#define CTL_RAM_MAX (16ULL << 30)

enum ctl_type {
	CTL_CONFIG = 1,	/* struct ctl_config + fds: once; boots the guest */
	CTL_STATUS,	/* struct ctl_header -> ctl_reply.status */
	CTL_PAUSE,	/* vCPUs parked, devices quiet, when it is answered */
	CTL_RESUME,
	CTL_CONNECT,	/* struct ctl_connect -> one fd: a stream socket joined
			 * to a new vsock connection to that guest port; held
			 * back until the guest's answer, EV_AGENT_UP or the
			 * deadline */
	CTL_CONSOLE,	/* -> one fd: a stream socket with the serial console's
			 * bytes from now on; writes to it are the guest's
			 * input. A reader that is too slow loses bytes. */
	CTL_QUIT,	/* flush disks, answer, exit; the guest is not asked */
	CTL_FORK,	/* struct ctl_fork + fds -> struct ctl_forked: live copies
			 * of this guest. It runs on as soon as it was copied;
			 * the answer comes when every child runs, is held, or
			 * has failed. CTL_REPLY with an error: none was made,
			 * and all is as it was. */
	CTL_SYNC,	/* flush disks: all that the guest wrote is on stable
			 * storage, layers below the top are sealed */
	CTL_SAVE,	/* struct ctl_save + fds: a paused or held guest's whole
			 * state into files, on stable storage when it is
			 * answered. Disks are flushed. */
	CTL_RESTORE,	/* struct ctl_restore + fds: once, in place of a
			 * CTL_CONFIG; the guest is held then */
	CTL_LAYERS,	/* struct ctl_layers + fd -> struct ctl_layered: what a
			 * disk is made of; one layer in the place of several.
			 * CTL_REPLY with an error: nothing has changed. */
	CTL_NET,	/* struct ctl_header + one fd: a SEQPACKET socket to the
			 * network card's back end, one Ethernet frame a message;
			 * in place of the one before. See CTL_EV_NET. */
	CTL_REPLY = 64,
	CTL_EVENT,
	CTL_FORKED,
	CTL_LAYERED,
};

struct ctl_header {
	uint32_t magic;
	uint32_t type;
	uint64_t seq;	/* a request's own; 0 in events */
};

enum ctl_disk_kind {
	CTL_DISK_NONE,
	CTL_DISK_RAW,	/* one fd: a file or block device */
	CTL_DISK_COW,	/* fds[0] raw and read-only, the rest CoW layers, the
			 * last one is written to */
};

struct ctl_disk {
	uint32_t kind;		/* enum ctl_disk_kind */
	uint32_t read_only;
	uint32_t nr_fds;
	uint32_t reserved;
	char id[20];		/* virtio-blk GET_ID, NUL-padded */
	uint32_t reserved2;
};

/* The fds come in this order: /dev/kvm, kernel (bzImage or ELF), console log
 * (read-write, bounded by the VMM), exit record (read-write, see ctl_exit),
 * nr_initrds initrds, then each disk's.  Disks are virtio-mmio devices in this
 * order (/dev/vda, ...), then vsock, then rng, then net. */
struct ctl_config {
	struct ctl_header h;
	uint64_t ram;		/* bytes, a multiple of 2 MiB */
	uint32_t vcpus;
	uint32_t nr_initrds;
	uint32_t nr_disks;
	uint32_t guest_cid;
	uint64_t console_max;	/* bytes kept of the console log */
	uint8_t net_mac[6];	/* unicast, locally administered */
	uint16_t net_mtu;	/* 1280 to 65520; 0: no network card */
	struct ctl_disk disks[CTL_MAX_DISKS];
	char cmdline[CTL_CMDLINE];
};

enum ctl_fork_flags {
	CTL_FORK_HOLD = 1,	/* the child is kept in memory as it is and does
				 * not run: it can be forked, or resumed */
};

/* The fds: for each writable CoW disk, in order, a fresh layer for this VMM's
 * own new top; then for each child: its control socket (bound), console log,
 * exit record, the VMM's own log, and a fresh layer for each of those disks.  The
 * child has the parent's other layers and read-only disks by inheriting them. */
struct ctl_fork {
	struct ctl_header h;
	uint32_t n;			/* children, 1 to CTL_FORK_MAX */
	uint32_t flags[CTL_FORK_MAX];	/* enum ctl_fork_flags */
};

struct ctl_forked {
	struct ctl_header h;
	uint32_t n;
	uint32_t kept_top;	/* bit i: writable disk i had an untouched top.
				 * It stays this VMM's top, the fresh layer for
				 * it is not used, and no child has it below. */
	int32_t error[CTL_FORK_MAX];	/* 0 or an errno: that child is gone */
	uint32_t pid[CTL_FORK_MAX];	/* 0 with an error */
	uint64_t pause_ns;	/* how long this guest stood still */
	char detail[256];	/* of the first error */
};

/* The fds: state and memory (empty files, read-write), /proc/PID/pagemap of this
 * process, and, with has_template, the memory file of the template that its RAM
 * comes from: pages that are the same there are not written. */
struct ctl_save {
	struct ctl_header h;
	uint32_t has_template;
	uint32_t reserved;
};

/* The fds: /dev/kvm, console log, exit record, state, memory, with has_template
 * that of the template, then each disk's as in CTL_CONFIG. */
struct ctl_restore {
	struct ctl_header h;
	uint64_t console_max;
	uint32_t nr_disks;
	uint32_t has_template;
	struct ctl_disk disks[CTL_MAX_DISKS];
};

/* Which file a descriptor is open on. */
struct ctl_file {
	uint64_t dev, ino;
};

/* With a count the fd: a sealed layer that holds what @count layers from @first
 * on (0: the lowest above the raw file) hold together.  They have to be sealed,
 * below the top, and the files @old. */
struct ctl_layers {
	struct ctl_header h;
	uint32_t disk;		/* as in CTL_CONFIG, 0: the first */
	uint32_t first, count;	/* count 0: no fd, the answer is all */
	uint32_t reserved;
	struct ctl_file old[CTL_MAX_LAYERS];
};

struct ctl_layered {
	struct ctl_header h;
	uint32_t n;		/* layers that there are now */
	uint32_t sealed;	/* the lowest so many are */
	struct ctl_file layers[CTL_MAX_LAYERS];
};

struct ctl_connect {
	struct ctl_header h;
	uint32_t port;
	uint32_t timeout_ms;
};

enum ctl_state {
	CTL_STATE_NEW,		/* no CTL_CONFIG yet */
	CTL_STATE_RUNNING,
	CTL_STATE_PAUSED,
	CTL_STATE_ENDED,
	CTL_STATE_HELD,		/* a copy that has not run: CTL_RESUME lets it */
};

enum ctl_exit_reason {
	CTL_EXIT_NONE,
	CTL_EXIT_POWEROFF,	/* the guest powered off */
	CTL_EXIT_RESET,		/* the guest asked for a reset (reboot, panic) */
	CTL_EXIT_SHUTDOWN,	/* triple fault */
	CTL_EXIT_KVM,		/* KVM_RUN failed or gave an internal error */
	CTL_EXIT_QUIT,		/* CTL_QUIT or SIGTERM */
	CTL_EXIT_SETUP,		/* CTL_CONFIG could not be carried out */
	CTL_EXIT_BUG,
};

/* Written to the exit-record file before the VMM ends by itself, so that a
 * runner that was not there learns of it.  An empty file: it was killed. */
struct ctl_exit {
	uint32_t magic;
	uint32_t reason;	/* enum ctl_exit_reason */
	uint64_t time_ns;	/* CLOCK_REALTIME */
	char detail[232];	/* one line, "" when there is nothing to add */
};

struct ctl_status {
	uint32_t state;		/* enum ctl_state */
	uint32_t agent_up;	/* the guest has connected to AGENT_READY_PORT */
	uint32_t vcpus;
	uint32_t connections;	/* open: vsock's, and the console's inputs */
	uint64_t ram;
	uint64_t uptime_ns;	/* since CTL_CONFIG */
	uint64_t agent_up_ns;	/* from CTL_CONFIG to agent_up */
	uint64_t disk_read, disk_written, disk_flushes;	/* bytes, bytes, n */
	uint64_t last_activity_ns; /* CLOCK_MONOTONIC of the last vsock packet */
	uint64_t first_exit_ns;	/* CLOCK_MONOTONIC of the first KVM exit since
				 * this process began to run the guest, or let it
				 * go on; 0: none */
};

struct ctl_reply {
	struct ctl_header h;
	int32_t error;		/* 0 or an errno */
	uint32_t nr_fds;
	struct ctl_status status;	/* always filled in */
	char detail[256];	/* what failed, for people; "" when error is 0 */
};

enum ctl_event_kind {
	CTL_EV_AGENT_UP = 1,
	CTL_EV_EXIT,		/* exit holds why; the process ends after it */
	CTL_EV_DISK_FULL,	/* the host refused a write: the guest got EIO */
	CTL_EV_NET,		/* the guest sends, and the card has no back end:
				 * CTL_NET, please. Told anew every two seconds
				 * or so while that is so. */
};

struct ctl_event {
	struct ctl_header h;
	uint32_t kind;		/* enum ctl_event_kind */
	uint32_t reserved;
	struct ctl_exit exit;
	struct ctl_status status;
};

#endif
