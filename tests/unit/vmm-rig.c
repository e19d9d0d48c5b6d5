/* SPDX-License-Identifier: MIT */
/* tests/unit/vmm-rig.c - a real podflare-vmm with a guest of a few instructions */
#include "tests/unit/vmm-rig.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "common/loop.h"
#include "common/path.h"
#include "common/proc.h"

#define DEADLINE_MS 20000
#define LOAD 0x1000000

static const uint8_t guest[] = {
	/* start: print "hi\n" */
	0xba, 0xf8, 0x03, 0x00, 0x00, 0xb0, 0x68, 0xee, 0xb0, 0x69, 0xee, 0xb0,
	0x0a, 0xee,
	/* loop: wait for a byte, judge it, echo it */
	0xba, 0xfd, 0x03, 0x00, 0x00, 0xec, 0xa8, 0x01, 0x74, 0xf6,
	0xba, 0xf8, 0x03, 0x00, 0x00, 0xec, 0x3c, 0x71, 0x74, 0x0f, 0x3c, 0x72,
	0x74, 0x16, 0x3c, 0x21, 0x74, 0x1d, 0x3c, 0x66, 0x74, 0x1b, 0xee, 0xeb,
	0xdd,
	/* off: 0x34 to port 0x600; reset: 1 to port 0x602 */
	0xba, 0x00, 0x06, 0x00, 0x00, 0xb0, 0x34, 0xee, 0xf4, 0xeb, 0xfd,
	0xba, 0x02, 0x06, 0x00, 0x00, 0xb0, 0x01, 0xee, 0xf4, 0xeb, 0xfd,
	/* crash: ud2; flood: print "x\n" for ever */
	0x0f, 0x0b, 0xb0, 0x78, 0xee, 0xb0, 0x0a, 0xee, 0xeb, 0xf8,
};

const uint8_t vmm_rig_counter[] = {
	0xba, 0xf8, 0x03, 0x00, 0x00, 0xb0, 0x68, 0xee, 0xb0, 0x69, 0xee, 0xb0,
	0x0a, 0xee,
	/* loop: wait for a byte, take it */
	0xba, 0xfd, 0x03, 0x00, 0x00, 0xec, 0xa8, 0x01, 0x74, 0xf6,
	0xba, 0xf8, 0x03, 0x00, 0x00, 0xec,
	/* inc byte [32 MiB]; al = [32 MiB] + '@'; out */
	0xfe, 0x04, 0x25, 0x00, 0x00, 0x00, 0x02,
	0x8a, 0x04, 0x25, 0x00, 0x00, 0x00, 0x02, 0x04, 0x40, 0xee, 0xeb, 0xdd,
};
const size_t vmm_rig_counter_len = sizeof(vmm_rig_counter);

static int make_file(struct vmm_rig *r, const char *name, const void *data,
		     size_t len)
{
	int fd = openat(r->dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	return fd;
}

static int make_kernel(struct vmm_rig *r, const uint8_t *code, size_t len)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr p;
		uint8_t code[256];
	} k = {
		.h = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
				     ELFDATA2LSB },
			.e_type = ET_EXEC, .e_machine = EM_X86_64,
			.e_phoff = sizeof(k.h), .e_phentsize = sizeof(k.p),
			.e_phnum = 1, .e_entry = LOAD,
		},
		.p = {
			.p_type = PT_LOAD, .p_paddr = LOAD,
			.p_offset = sizeof(k.h) + sizeof(k.p),
			.p_filesz = len, .p_memsz = len,
		},
	};

	assert_true(len <= sizeof(k.code));
	memcpy(k.code, code, len);
	return make_file(r, "kernel", &k, sizeof(k));
}

void vmm_rig_guest(struct vmm_rig *r, const uint8_t *code, size_t len)
{
	close(r->kernel);
	unlinkat(r->dirfd, "kernel", 0);
	r->kernel = make_kernel(r, code, len);
}

int vmm_rig_file(struct vmm_rig *r, const char *name)
{
	return make_file(r, name, "", 0);
}

static void start_process(struct vmm_rig *r)
{
	struct err err = ERR_INIT;
	char *program = path_program("podflare-vmm", &err);
	const char *argv[] = { program, NULL };
	struct proc_spawn s = {
		.argv = argv, .fds = { -1, -1, 2, -1 }, .nfds = 4,
		.new_session = true,
	};

	if (!program)
		fail_msg("%s", err.msg);
	s.fds[3] = path_bind_unix(r->dirfd, "control", SOCK_SEQPACKET, &err);
	assert_true(s.fds[3] >= 0 && listen(s.fds[3], 4) == 0);
	r->pid = proc_spawn(&s, &r->pidfd, &err);
	if (r->pid < 0)
		fail_msg("%s", err.msg);
	close(s.fds[3]);
	free(program);
}

int vmm_rig_setup(void **state)
{
	struct vmm_rig *r = calloc(1, sizeof(*r));

	snprintf(r->dir, sizeof(r->dir), "/tmp/podflare-vmm-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	r->dirfd = open(r->dir, O_DIRECTORY | O_CLOEXEC);
	r->sock = r->reply_fd = -1;
	r->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	r->kernel = make_kernel(r, guest, sizeof(guest));
	r->log = make_file(r, "log", "", 0);
	r->record = make_file(r, "record", "", 0);
	r->config = (struct ctl_config){
		.ram = 128ULL << 20, .vcpus = 1, .guest_cid = 3,
		.console_max = 65536, .cmdline = "quiet",
	};
	start_process(r);
	vmm_rig_connect(r);
	*state = r;
	return 0;
}

void vmm_rig_restart(struct vmm_rig *r)
{
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	close(r->pidfd);
	unlinkat(r->dirfd, "control", 0);
	assert_int_equal(ftruncate(r->log, 0), 0);
	start_process(r);
	vmm_rig_connect(r);
}

int vmm_rig_teardown(void **state)
{
	struct vmm_rig *r = *state;
	struct err err = ERR_INIT;

	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	close(r->pidfd);
	if (r->sock >= 0)
		close(r->sock);
	close(r->kvm);
	close(r->kernel);
	close(r->log);
	close(r->record);
	close(r->dirfd);
	path_remove_tree(AT_FDCWD, r->dir, &err);
	free(r);
	return 0;
}

void vmm_rig_connect(struct vmm_rig *r)
{
	struct timeval tv = { .tv_sec = DEADLINE_MS / 1000 };
	struct err err = ERR_INIT;

	if (r->sock >= 0)
		close(r->sock);
	r->sock = path_connect_unix(r->dirfd, "control", SOCK_SEQPACKET, &err);
	if (r->sock < 0)
		fail_msg("%s", err.msg);
	setsockopt(r->sock, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

/* Return: 1 with the reply, 0 at the end of the connection. */
static int receive(struct vmm_rig *r, bool want_reply)
{
	union {
		struct ctl_header h;
		struct ctl_reply r;
		struct ctl_event e;
		struct ctl_forked f;
		struct ctl_layered l;
	} m;
	int fd = -1;

	for (;;) {
		size_t nfds = 1;
		ssize_t n = fdpass_recv(r->sock, &m, sizeof(m), &fd, &nfds);

		if (n <= 0) {
			if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
				fail_msg("the VMM does not answer");
			return 0;
		}
		assert_int_equal(m.h.magic, CTL_MAGIC);
		if (m.h.type == CTL_REPLY) {
			assert_int_equal(n, sizeof(m.r));
			assert_int_equal(m.r.nr_fds, nfds);
			r->reply = m.r;
			r->reply_fd = nfds ? fd : -1;
			if (want_reply)
				return 1;
			continue;
		}
		if (m.h.type == CTL_FORKED) {
			assert_int_equal(n, sizeof(m.f));
			*r->forked = m.f;
			return 1;
		}
		if (m.h.type == CTL_LAYERED) {
			assert_int_equal(n, sizeof(m.l));
			r->layered = m.l;
			return 1;
		}
		assert_int_equal(n, sizeof(m.e));
		if (m.e.kind == CTL_EV_EXIT) {
			r->exit = m.e.exit;
			if (!want_reply)
				return 1;
		}
	}
}

int vmm_rig_exchange(struct vmm_rig *r, void *msg, size_t len, uint32_t type,
		     const int *fds, size_t nfds)
{
	struct ctl_header *h = msg;

	*h = (struct ctl_header){ CTL_MAGIC, type, ++r->seq };
	if (fdpass_send(r->sock, msg, len, fds, nfds) < 0)
		return -1;
	if (!receive(r, true))
		return -1;
	assert_int_equal(r->reply.h.seq, r->seq);
	return r->reply.error;
}

int vmm_rig_configure_with(struct vmm_rig *r, const int *fds, size_t nfds)
{
	return vmm_rig_exchange(r, &r->config, sizeof(r->config), CTL_CONFIG,
				fds, nfds);
}

int vmm_rig_configure(struct vmm_rig *r)
{
	int fds[] = { r->kvm, r->kernel, r->log, r->record };

	return vmm_rig_configure_with(r, fds, 4);
}

int vmm_rig_request(struct vmm_rig *r, uint32_t type)
{
	struct ctl_header h;

	return vmm_rig_exchange(r, &h, sizeof(h), type, NULL, 0);
}

int vmm_rig_fork(struct vmm_rig *r, struct ctl_fork *f, const int *fds,
		 size_t nfds, struct ctl_forked *answer)
{
	f->h = (struct ctl_header){ CTL_MAGIC, CTL_FORK, ++r->seq };
	*answer = (struct ctl_forked){ 0 };
	r->forked = answer;
	assert_int_equal(fdpass_send(r->sock, f, sizeof(*f), fds, nfds),
			 sizeof(*f));
	assert_int_equal(receive(r, true), 1);
	if (answer->h.seq == r->seq)
		return 0;
	assert_int_equal(r->reply.h.seq, r->seq);
	assert_int_not_equal(r->reply.error, 0);
	return r->reply.error;
}

int vmm_rig_layers(struct vmm_rig *r, struct ctl_layers *m, int fd)
{
	m->h = (struct ctl_header){ CTL_MAGIC, CTL_LAYERS, ++r->seq };
	r->layered.h.seq = 0;
	assert_int_equal(fdpass_send(r->sock, m, sizeof(*m), &fd, fd >= 0),
			 sizeof(*m));
	if (receive(r, true) == 0)
		return -1;
	if (r->layered.h.seq == r->seq)
		return 0;
	assert_int_equal(r->reply.h.seq, r->seq);
	assert_int_not_equal(r->reply.error, 0);
	return r->reply.error;
}

int vmm_rig_send_raw(struct vmm_rig *r, const void *data, size_t len)
{
	assert_int_equal(send(r->sock, data, len, MSG_NOSIGNAL), (ssize_t)len);
	return receive(r, true);
}

int vmm_rig_console(struct vmm_rig *r)
{
	struct timeval tv = { .tv_sec = DEADLINE_MS / 1000 };

	assert_int_equal(vmm_rig_request(r, CTL_CONSOLE), 0);
	assert_true(r->reply_fd >= 0);
	setsockopt(r->reply_fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return r->reply_fd;
}

void vmm_rig_expect_log(struct vmm_rig *r, const char *text)
{
	uint64_t end = now_ns() + DEADLINE_MS * 1000000ULL;
	char buf[4096];

	do {
		ssize_t n = pread(r->log, buf, sizeof(buf) - 1, 0);

		buf[n > 0 ? n : 0] = 0;
		if (strstr(buf, text))
			return;
		usleep(2000);
	} while (now_ns() < end);
	fail_msg("no \"%s\" in the log, but \"%s\"", text, buf);
}

int vmm_rig_wait(struct vmm_rig *r)
{
	struct pollfd p = { .fd = r->pidfd, .events = POLLIN };
	int status;

	if (poll(&p, 1, DEADLINE_MS) != 1)
		fail_msg("the VMM does not end");
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	r->pid = 0;
	return status;
}

enum ctl_exit_reason vmm_rig_end(struct vmm_rig *r)
{
	struct ctl_exit record;

	assert_int_equal(receive(r, false), 1);
	vmm_rig_wait(r);
	assert_int_equal(pread(r->record, &record, sizeof(record), 0),
			 sizeof(record));
	assert_memory_equal(&record, &r->exit, sizeof(record));
	assert_int_equal(record.magic, CTL_MAGIC);
	assert_true(record.time_ns > 0);
	return record.reason;
}
