/* SPDX-License-Identifier: MIT */
/* tests/unit/test-isolate.c - what the VMM cannot do once its guest runs */
#include "runner/vmm/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#define OK 0
#define REFUSED 99	/* the host has no filters */

/* Run @fn behind the filter. Return: as waitpid(2); skips where the host has no
 * filters. */
static int run(int (*fn)(void))
{
	struct err err = ERR_INIT;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (isolate_enter(&err) < 0)
			_exit(REFUSED);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!isolate_built() ||
	    (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED))
		skip();
	return status;
}

static int what_a_vmm_does(void)
{
	int fds[2];
	char byte;
	void *p;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 1;
	if (write(fds[0], "x", 1) != 1 || read(fds[1], &byte, 1) != 1)
		return 2;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || munmap(p, 4096) < 0)
		return 3;
	p = malloc(1000000);
	if (!p)
		return 4;
	free(p);
	/* allowed, though there is nothing to run */
	if (ioctl(fds[0], KVM_RUN, 0) == 0 || errno == EPERM)
		return 5;
	return OK;
}

static int open_a_file(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 &&
	       errno == EPERM ? OK : 1;
}

static int make_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED &&
	       errno == EPERM ? OK : 1;
}

/* A live fork is one, so processes can be made, but as they are. */
static int make_a_namespace(void)
{
	return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL,
		       NULL) < 0 && errno == EPERM ? OK : 1;
}

static int run_a_program(void)
{
	char *const argv[] = { "true", NULL };

	execv("/bin/true", argv);
	return 1;
}

static int reach_the_network(void)
{
	return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
}

static void its_own_work_goes_on(void **state)
{
	assert_int_equal(run(what_a_vmm_does), OK);
}

static void files_processes_and_code_are_out_of_reach(void **state)
{
	assert_int_equal(run(open_a_file), OK);
	assert_int_equal(run(make_code), OK);
	assert_int_equal(run(make_a_namespace), OK);
}

static void an_intruders_first_call_is_the_last(void **state)
{
	assert_int_equal(run(run_a_program) & 0x7f, SIGSYS);
	assert_int_equal(run(reach_the_network) & 0x7f, SIGSYS);
}

static void *wait_and_open(void *arg)
{
	int *fds = arg;
	char byte;

	/* says that it runs, and waits for the filter */
	if (write(fds[0], "x", 1) != 1 || read(fds[0], &byte, 1) != 1)
		return "no byte";
	return open_a_file() == OK ? NULL : "it opened a file";
}

static int open_a_file_in_a_thread(void)
{
	struct err err = ERR_INIT;
	pthread_t thread;
	void *why;
	int fds[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
	    pthread_create(&thread, NULL, wait_and_open, fds) != 0 ||
	    read(fds[1], &byte, 1) != 1)
		return 1;
	if (isolate_enter(&err) < 0)
		return REFUSED;
	if (write(fds[1], "x", 1) != 1 || pthread_join(thread, &why) != 0)
		return 2;
	return why ? 3 : OK;
}

static void threads_that_run_already_are_filtered(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(open_a_file_in_a_thread());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!isolate_built() || status == REFUSED << 8)
		skip();
	assert_int_equal(status, OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_own_work_goes_on),
		cmocka_unit_test(files_processes_and_code_are_out_of_reach),
		cmocka_unit_test(an_intruders_first_call_is_the_last),
		cmocka_unit_test(threads_that_run_already_are_filtered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
