/* SPDX-License-Identifier: MIT */
/*
 * machine/guest-main.c - process 1 of the emulated machine
 *
 * Sets the machine up, starts the multiplexer's server and starts it again
 * should it end, reaps orphans (podflared and the VMMs among them), and powers
 * off when told (SIGUSR2 from guest-poweroff).  Runs as root; trusts what the
 * supervisor put into the initramfs.
 *
 * What cannot be set up is told on the console and ends the machine: the
 * supervisor shows the console's tail.
 */
#include "machine/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"

#define TERM_MS 5000	/* from SIGTERM to SIGKILL at the end */

static void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
}

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	_exit(1);	/* the kernel panics: that ends the machine too */
}

static void fatal(const struct err *err)
{
	log_error("the machine cannot start: %s", err->msg);
	if (err->hint[0])
		log_error("hint: %s", err->hint);
	power_off();
}

static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0)
		return;
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
}

static pid_t start_server(const sigset_t *none)
{
	pid_t pid = fork();

	if (pid < 0) {
		log_error("fork: %s", strerror(errno));
	} else if (pid == 0) {
		sigprocmask(SIG_SETMASK, none, NULL);
		_exit(guest_serve());
	}
	return pid;
}

/* Everything gets its chance to end by itself; then the disk is put away. */
static void shut_down(void)
{
	uint64_t deadline = now_ns() + TERM_MS * 1000000ULL;
	pid_t pid;

	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
	do {
		pid = waitpid(-1, NULL, WNOHANG);
		if (pid == 0)
			sleep_ms(20);
	} while (pid >= 0 && now_ns() < deadline);
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	guest_unmount_data();
	power_off();
}

/* Return: whether @server was among those that ended. */
static int reap(pid_t server)
{
	int status, found = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != server)
			continue;
		found = 1;
		log_warn("the server ended (status %#x), starting it again",
			 (unsigned int)status);
	}
	return found;
}

/* See guest.h. */
void guest_main(void)
{
	struct err err = ERR_INIT;
	sigset_t set, none;
	pid_t server;

	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_SETMASK, &set, NULL);
	umask(022);
	log_init("podflare-machine", LOG_INFO);
	if (guest_mount_system(&err) < 0)
		fatal(&err);
	open_console();
	if (guest_load_modules(&err) < 0 || guest_mount_data(&err) < 0 ||
	    guest_settings(&err) < 0)
		fatal(&err);
	server = start_server(&none);
	for (;;) {
		int sig = sigwaitinfo(&set, NULL);

		if (sig == SIGUSR2)
			shut_down();
		if (sig == SIGCHLD && reap(server)) {
			sleep_ms(200);
			server = start_server(&none);
		}
	}
}
