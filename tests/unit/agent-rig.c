/* SPDX-License-Identifier: MIT */
/* tests/unit/agent-rig.c - see agent-rig.h */
#include "tests/unit/agent-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <mntent.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fdpass.h"
#include "guest-init/agent.h"
#include "tests/unit/unit.h"

#define WAIT_MS 20000

struct served {
	struct agent agent;
	struct loop_watch control, signals;
	bool stop;
};

static struct rig_seen *seen;

static int note_entropy(const void *data, size_t len, struct err *err)
{
	seen->entropy += (uint32_t)len;
	return 0;
}

static int note_clock(uint64_t realtime_ns, struct err *err)
{
	seen->realtime = realtime_ns;
	return 0;
}

static int note_hostname(const char *name, struct err *err)
{
	snprintf(seen->hostname, sizeof(seen->hostname), "%s", name);
	return 0;
}

static void note_renewal(void)
{
	seen->renewals++;
}

static void note_poweroff(void)
{
	seen->poweroffs++;
}

static void on_control(struct loop_watch *w, uint32_t events)
{
	struct served *s = container_of(w, struct served, control);
	size_t n = 1;
	char byte;
	int fd;

	if (fdpass_recv(w->fd, &byte, 1, &fd, &n) <= 0 || n == 0)
		s->stop = true;
	else
		agent_accept(&s->agent, fd);
}

static void on_signal(struct loop_watch *w, uint32_t events)
{
	struct served *s = container_of(w, struct served, signals);
	struct signalfd_siginfo si;

	if (read(w->fd, &si, sizeof(si)) > 0)
		agent_reap(&s->agent);
}

/* Like pid 1: everything that is left ends with it. */
static void kill_orphans(void)
{
	char path[64];
	FILE *f;
	int pid;

	for (int tries = 0; tries < 50; tries++) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/children",
			 (int)getpid());
		f = fopen(path, "re");
		while (f && fscanf(f, "%d", &pid) == 1)
			kill(pid, SIGKILL);
		if (f)
			fclose(f);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		if (waitpid(-1, NULL, WNOHANG) < 0)
			return;
		usleep(10000);
	}
}

static void serve(const struct rig *r, int control) __attribute__((noreturn));
static void serve(const struct rig *r, int control)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	const struct agent_system system = {
		.layers = { open(r->upper, flags), open(r->lower, flags) },
		.mountinfo = r->mountinfo,
		.root = r->root,
		.etc = r->etc,
		.cgroup = r->cgroup[0] ? r->cgroup : NULL,
		.add_entropy = note_entropy,
		.set_clock = note_clock,
		.set_hostname = note_hostname,
		.renew_identity = note_renewal,
		.poweroff = note_poweroff,
	};
	struct rlimit files;
	struct served s = { .control = { -1, on_control },
			    .signals = { -1, on_signal } };
	struct err err = ERR_INIT;
	sigset_t set;
	int fd;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	/* what the test's own caller left open is not the agent's */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	setrlimit(RLIMIT_NOFILE, &files);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (agent_init(&s.agent, &system, &err) < 0 ||
	    loop_add(&s.agent.loop, &s.signals, fd, EPOLLIN) < 0 ||
	    loop_add(&s.agent.loop, &s.control, control, EPOLLIN) < 0)
		_exit(99);
	while (!s.stop && agent_turn(&s.agent) == 0)
		continue;
	agent_free(&s.agent);
	close(system.layers.upper);
	close(system.layers.lower);
	kill_orphans();
	close(fd);
	close(control);
	exit(0);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* A group of our own below wherever cgroup2 is mounted, if we may make one. */
static void find_cgroup(struct rig *r)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;

	r->cgroup[0] = '\0';
	while (f && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup2") != 0)
			continue;
		snprintf(r->cgroup, sizeof(r->cgroup), "%s/podflare-test-%d",
			 m->mnt_dir, (int)getpid());
		if (mkdir(r->cgroup, 0755) < 0)
			r->cgroup[0] = '\0';
		break;
	}
	if (f)
		endmntent(f);
}

static void make_halves(struct rig *r)
{
	snprintf(r->upper, sizeof(r->upper), "%s/upper", r->dir);
	snprintf(r->lower, sizeof(r->lower), "%s/lower", r->dir);
	snprintf(r->root, sizeof(r->root), "%s/root", r->dir);
	snprintf(r->mountinfo, sizeof(r->mountinfo), "%s/mountinfo", r->dir);
	assert_int_equal(mkdir(r->upper, 0755), 0);
	assert_int_equal(mkdir(r->lower, 0755), 0);
	write_file(r->dir, "mountinfo", "");
}

static void make_etc(struct rig *r)
{
	char passwd[512];

	snprintf(r->etc, sizeof(r->etc), "%s/etc", r->dir);
	assert_int_equal(mkdir(r->etc, 0755), 0);
	snprintf(passwd, sizeof(passwd),
		 "root:x:0:0:root:/root:/bin/bash\n"
		 "broken line\n"
		 "dev:x:1234:1235:A developer:%s:/bin/sh\n"
		 "me:x:%d:%d::/:/bin/sh\n",
		 r->dir, (int)geteuid(), (int)getegid());
	write_file(r->etc, "passwd", passwd);
	write_file(r->etc, "group",
		   "root:x:0:\ntty:x:5:\ndev:x:1235:\nlab:x:2000:alice,dev\n"
		   "none:x:2001:developer\naudio:x:2002:dev\n");
}

int rig_setup_ungreeted(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	int sv[2];

	assert_non_null(r);
	strcpy(r->dir, "/tmp/podflare-rig-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	assert_int_equal(chmod(r->dir, 0755), 0);
	make_etc(r);
	make_halves(r);
	find_cgroup(r);
	r->seen = mmap(NULL, sizeof(*r->seen), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(r->seen, MAP_FAILED);
	seen = r->seen;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				    sv), 0);
	fflush(NULL);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0) {
		close(sv[0]);
		serve(r, sv[1]);
	}
	close(sv[1]);
	r->control = sv[0];
	*state = r;
	return 0;
}

int rig_setup(void **state)
{
	struct buf b = BUF_INIT;
	struct reply reply;
	uint8_t entropy[64] = { 1 };

	rig_setup_ungreeted(state);
	tlv_put_u32(&b, AGENT_T_PROTOCOL, AGENT_PROTOCOL);
	tlv_put(&b, AGENT_T_ENTROPY, entropy, sizeof(entropy));
	rig_ask(*state, AGENT_HELLO, &b, &reply);
	assert_int_equal(reply.type, AGENT_OK);
	reply_free(&reply);
	buf_free(&b);
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *r = *state;
	int wstatus;

	close(r->control);
	assert_int_equal(waitpid(r->pid, &wstatus, 0), r->pid);
	assert_int_equal(wstatus, 0);
	if (r->cgroup[0])
		rig_host("cd %s && for i in 1 2 3 4 5; do "
			 "find . -depth -mindepth 1 -type d -exec rmdir {} + "
			 "2>/dev/null; rmdir \"$PWD\" 2>/dev/null && break; "
			 "sleep 0.1; done", r->cgroup);
	umount2(r->root, MNT_DETACH);	/* of a test that failed */
	rig_host("chmod -R u+rwx %s; rm -rf %s", r->dir, r->dir);
	munmap(r->seen, sizeof(*r->seen));
	free(r);
	return 0;
}

int rig_open(struct rig *r)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
			 0);
	assert_int_equal(fdpass_send(r->control, "x", 1, &sv[1], 1), 1);
	close(sv[1]);
	return sv[0];
}

void rig_send(int fd, uint8_t type, const void *data, size_t len)
{
	assert_int_equal(frame_write(fd, type, data, len), 0);
}

bool rig_next(int fd, struct frame_reader *in, struct frame *f)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int rc;

	while ((rc = frame_next(in, f)) == 0) {
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		if (frame_fill(in, fd) <= 0)
			return false;
	}
	assert_int_equal(rc, 1);
	return true;
}

static void take_values(struct reply *reply, const struct frame *f)
{
	struct tlv t;
	size_t pos = 0;

	if (f->type != AGENT_STARTED) {
		reply->values.len = 0;
		buf_append(&reply->values, f->data, f->len);
	}
	while (tlv_next(f->data, f->len, &pos, &t) > 0) {
		switch (t.tag) {
		case AGENT_T_STATUS:
			reply->status = tlv_u32(&t);
			break;
		case AGENT_T_SIGNALED:
			reply->signaled = tlv_u32(&t);
			break;
		case AGENT_T_WHY:
			reply->why = tlv_u32(&t);
			break;
		case AGENT_T_SESSION:
			reply->session = tlv_u32(&t);
			break;
		case AGENT_T_PID:
			reply->pid = tlv_u32(&t);
			break;
		case AGENT_T_CODE:
			reply->code = tlv_u32(&t);
			break;
		case AGENT_T_ERRNO:
			reply->sys = tlv_u32(&t);
			break;
		case AGENT_T_MESSAGE:
			tlv_str(&t, reply->message, sizeof(reply->message));
			break;
		}
	}
}

void rig_collect(int fd, struct frame_reader *in, struct reply *reply)
{
	struct frame_reader own = { .buf = BUF_INIT };
	struct frame f;

	memset(reply, 0, sizeof(*reply));
	reply->out.max = reply->err.max = reply->data.max = 256 * MIB;
	while (rig_next(fd, in ? in : &own, &f)) {
		reply->type = f.type;
		if (f.type == AGENT_STDOUT)
			buf_append(&reply->out, f.data, f.len);
		else if (f.type == AGENT_STDERR)
			buf_append(&reply->err, f.data, f.len);
		else if (f.type == AGENT_DATA)
			buf_append(&reply->data, f.data, f.len);
		else if (f.type != AGENT_WINDOW)
			take_values(reply, &f);
		if (f.type == AGENT_OK || f.type == AGENT_EXIT ||
		    f.type == AGENT_ERROR || f.type == AGENT_END)
			break;
		reply->type = 0;
	}
	frame_reader_free(&own);
}

void reply_free(struct reply *reply)
{
	buf_free(&reply->out);
	buf_free(&reply->err);
	buf_free(&reply->data);
	buf_free(&reply->values);
}

void rig_ask(struct rig *r, uint8_t type, const struct buf *values,
	     struct reply *reply)
{
	int fd = rig_open(r);

	rig_send(fd, type, values ? values->data : NULL, values ? values->len : 0);
	rig_collect(fd, NULL, reply);
	close(fd);
}

void rig_script(struct buf *values, const char *script)
{
	tlv_put_str(values, AGENT_T_ARG, "/bin/sh");
	tlv_put_str(values, AGENT_T_ARG, "-c");
	tlv_put_str(values, AGENT_T_ARG, script);
}

void rig_sh(struct rig *r, const char *script, struct reply *reply)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	rig_script(&b, script);
	/* an ordinary user can only be himself */
	tlv_put_str(&b, AGENT_T_USER, "me");
	rig_ask(r, AGENT_EXEC, &b, reply);
}

int rig_start_sh(struct rig *r, const char *script, uint32_t flags)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	int fd = rig_open(r);

	rig_script(&b, script);
	tlv_put_str(&b, AGENT_T_USER, "me");
	tlv_put_u32(&b, AGENT_T_FLAGS, flags);
	rig_send(fd, AGENT_EXEC, b.data, b.len);
	return fd;
}

void rig_hang_up(int fd)
{
	assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
}

void rig_reset(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	/* a Unix socket that is closed with bytes unread does that */
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	close(fd);
}

int rig_host(const char *fmt, ...)
{
	char command[4096];
	va_list ap;
	int wstatus;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	wstatus = system(command);
	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : -1;
}

bool rig_wait_file(const char *path, bool there)
{
	for (int i = 0; i < 1000; i++) {
		if ((access(path, F_OK) == 0) == there)
			return true;
		usleep(10000);
	}
	return false;
}

const char *rig_path(const struct rig *r, const char *name)
{
	static char path[8][512];
	static unsigned int turn;
	char *p = path[turn++ % 8];

	snprintf(p, sizeof(path[0]), "%s/%s", r->dir, name);
	return p;
}

uint64_t rig_now_ms(void)
{
	return now_ns() / 1000000;
}
