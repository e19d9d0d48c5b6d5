/* SPDX-License-Identifier: MIT */
/*
 * guest-init/requests.c - requests that are answered at once: HELLO, INFO,
 * POWEROFF
 *
 * Pid 1.  The host's values are trusted, their form is checked.
 */
#include "guest-init/requests.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "common/agent.h"
#include "common/cleanup.h"
#include "common/tlv.h"
#include "guest-init/freeze.h"
#include "guest-init/repl.h"

#define FLUSH_MS 1000
#define ENTROPY_MIN 32

/* HELLO's values; 0 and "" are those that did not come. */
struct hello {
	uint32_t protocol;
	const uint8_t *entropy;
	size_t entropy_len;
	uint64_t realtime;
	char hostname[65];
	bool copy, stay_frozen;
};

static int parse_hello(struct hello *h, const struct frame *f, struct err *err)
{
	struct tlv t;
	size_t pos = 0;
	int rc;

	while ((rc = tlv_next(f->data, f->len, &pos, &t)) > 0) {
		switch (t.tag) {
		case AGENT_T_PROTOCOL:
			h->protocol = tlv_u32(&t);
			break;
		case AGENT_T_ENTROPY:
			h->entropy = t.data;
			h->entropy_len = t.len;
			break;
		case AGENT_T_REALTIME:
			h->realtime = tlv_u64(&t);
			break;
		case AGENT_T_HOSTNAME:
			if (tlv_str(&t, h->hostname, sizeof(h->hostname)) < 0)
				return err_set(err, ERR_USAGE, "bad hostname");
			break;
		case AGENT_T_COPY:
			h->copy = tlv_u32(&t) != 0;
			break;
		case AGENT_T_FROZEN:
			h->stay_frozen = tlv_u32(&t) != 0;
			break;
		default:
			break;
		}
	}
	if (rc < 0)
		return err_set(err, ERR_PROTOCOL, "malformed request");
	if (h->protocol != AGENT_PROTOCOL)
		return err_set(err, ERR_VERSION, "the guest's agent speaks "
			       "protocol %d, not %" PRIu32, AGENT_PROTOCOL,
			       h->protocol);
	if (h->entropy_len < ENTROPY_MIN)
		return err_set(err, ERR_PROTOCOL, "no entropy came with HELLO");
	return 0;
}

/* Everything or an error: a guest without fresh entropy must not be used.
 * Entropy first: all that follows may draw on it. */
static int greet(struct agent *a, const struct frame *f, struct err *err)
{
	const struct agent_system *sys = a->system;
	struct hello h = { 0 };

	if (parse_hello(&h, f, err) < 0 ||
	    sys->add_entropy(h.entropy, h.entropy_len, err) < 0)
		return -1;
	if (h.realtime && sys->set_clock(h.realtime, err) < 0)
		return -1;
	if (h.hostname[0] && sys->set_hostname(h.hostname, err) < 0)
		return -1;
	if (h.copy) {
		sys->renew_identity();
		repl_copied(a);
	}
	a->greeted = true;
	if (!h.stay_frozen)
		freeze_end(a);
	return 0;
}

void request_hello(struct conn *c, const struct frame *f)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct err err = ERR_INIT;

	if (greet(c->agent, f, &err) < 0) {
		conn_fail(c, &err);
		return;
	}
	tlv_put_u32(&b, AGENT_T_PROTOCOL, AGENT_PROTOCOL);
	tlv_put_str(&b, AGENT_T_VERSION, PACKAGE_VERSION);
	conn_send(c, AGENT_OK, b.data, b.len);
	conn_finish(c);
}

static void put_memory(struct buf *b)
{
	CLEANUP_FILE FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	uint64_t kib;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemTotal: %" SCNu64, &kib) == 1)
			tlv_put_u64(b, AGENT_T_MEM_TOTAL, kib * KIB);
		else if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			tlv_put_u64(b, AGENT_T_MEM_FREE, kib * KIB);
	}
}

static void put_load(struct buf *b)
{
	CLEANUP_FILE FILE *f = fopen("/proc/loadavg", "re");
	char line[128];

	if (!f || !fgets(line, sizeof(line), f))
		return;
	line[strcspn(line, "\n")] = '\0';
	tlv_put_str(b, AGENT_T_LOAD, line);
}

void request_info(struct conn *c)
{
	const struct cgroup *cg = &c->agent->cgroup;
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct cgroup_events ev;
	struct utsname uts;
	struct statvfs v;

	put_memory(&b);
	put_load(&b);
	if (statvfs("/", &v) == 0) {
		tlv_put_u64(&b, AGENT_T_DISK_TOTAL, v.f_blocks * v.f_frsize);
		tlv_put_u64(&b, AGENT_T_DISK_FREE, v.f_bavail * v.f_frsize);
	}
	tlv_put_u32(&b, AGENT_T_PROCS, (uint32_t)cgroup_value(cg, "pids.current"));
	tlv_put_u32(&b, AGENT_T_PROCS_MAX, (uint32_t)cgroup_value(cg, "pids.max"));
	cgroup_events(cg, &ev);
	tlv_put_u64(&b, AGENT_T_OOM_KILLS, ev.oom_kills);
	tlv_put_u64(&b, AGENT_T_FORK_FAILS, ev.fork_fails);
	if (uname(&uts) == 0)
		tlv_put_str(&b, AGENT_T_KERNEL, uts.release);
	conn_send(c, AGENT_OK, b.data, b.len);
	conn_finish(c);
}

void request_poweroff(struct conn *c)
{
	conn_send(c, AGENT_OK, NULL, 0);
	conn_flush(c, FLUSH_MS);
	c->agent->system->poweroff();
	conn_finish(c);
}
