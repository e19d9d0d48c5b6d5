/* SPDX-License-Identifier: MIT */
/* machine/guest.h - the parts of podflare-machine inside the emulated machine */
#ifndef PODFLARE_MACHINE_GUEST_H
#define PODFLARE_MACHINE_GUEST_H

#include <sys/types.h>

#include "common/err.h"

#define GUEST_UID 1000
#define GUEST_USER "podflare"
#define GUEST_BIN "/usr/bin"		/* our programs */
#define GUEST_DATA "/data"		/* the persistent disk */
#define GUEST_RUNTIME "/run/user/1000"
#define GUEST_PORT "podflare"		/* name of the virtio-serial port */

/* Process 1: never returns. */
void guest_main(void) __attribute__((noreturn));

/* The kernel's own file systems, users' runtime folder, /tmp. */
int guest_mount_system(struct err *err);
/* The persistent disk, its folders. */
int guest_mount_data(struct err *err);
/* Unmount the disk, or make it read-only. */
void guest_unmount_data(void);
/* What /modules/order names. */
int guest_load_modules(struct err *err);
/* loopback, /dev/kvm, huge pages, limits. */
int guest_settings(struct err *err);

/* The multiplexer's server: until the port fails. Return: exit status. */
int guest_serve(void);
/* A channel's process: serves the stream @fd. Return: exit status. */
int guest_runner(int fd);	/* joined to the runner, which is started */
int guest_shell(int fd);	/* one command, see guest-shell.c */
int guest_poweroff(int fd);	/* shut the runner down, then the machine */
int guest_clock(int fd);	/* set the clock by the host's */
int guest_config(int fd);	/* take the user's config.yaml */

/* Become the user whose runner this is; its environment. Return: 0, -1. */
int guest_become_user(struct err *err);
/* Set the environment of @uid (0 or GUEST_UID). */
void guest_environment(uid_t uid);
/* The first line of an answer: "ok", or "error CODE MESSAGE\x1fHINT". */
void guest_answer(int fd, const struct err *err);

#endif
