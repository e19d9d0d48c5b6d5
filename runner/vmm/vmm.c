/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vmm.c - the whole of one podflare-vmm process
 *
 * Owns everything.  Runs on the main thread.
 *
 * Theory of operation: the parts are built in this order: loop and control
 * socket (vmm_init), then at CTL_CONFIG the VM's memory and buses, the devices,
 * the kernel in memory, KVM's objects, the wiring, the threads.  The end may
 * come from the guest (a vCPU thread reports it, vm.end_fd wakes the loop),
 * from a request, or from SIGTERM; it goes one way, vmm_end().
 */
#include "runner/vmm/vmm.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "runner/vmm/exitrec.h"
#include "runner/vmm/isolate.h"
#include "runner/vmm/snapshot.h"
#include "runner/vmm/x86/acpi.h"
#include "runner/vmm/x86/boot.h"

_Static_assert(CTL_MAX_VCPUS == VM_VCPUS_MAX, "vCPUs");
_Static_assert(CTL_MAX_INITRDS == BOOT_INITRDS_MAX, "initrds");
_Static_assert(CTL_MAX_DISKS + 3 <= LAYOUT_VIRTIO_MAX, "devices");

static void on_signal(struct loop_watch *w, uint32_t events)
{
	struct vmm *v = container_of(w, struct vmm, signals);
	struct signalfd_siginfo si;

	if (read(w->fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		vmm_end(v, CTL_EXIT_QUIT, "SIGTERM");
}

static enum ctl_exit_reason exit_reason(enum vm_end_reason reason)
{
	switch (reason) {
	case VM_END_NONE:
		break;
	case VM_END_POWEROFF:
		return CTL_EXIT_POWEROFF;
	case VM_END_RESET:
		return CTL_EXIT_RESET;
	case VM_END_SHUTDOWN:
		return CTL_EXIT_SHUTDOWN;
	case VM_END_KVM:
		return CTL_EXIT_KVM;
	}
	BUG("an end without a reason");
}

static void on_ended(struct loop_watch *w, uint32_t events)
{
	struct vmm *v = container_of(w, struct vmm, ended);
	struct vm_end end = vm_end(&v->vm);

	vmm_end(v, exit_reason(end.reason), end.detail);
}

/* Whoever started us is gone, or never meant to use us. */
static void on_orphan(struct loop_timer *t)
{
	struct vmm *v = container_of(t, struct vmm, orphan);

	vmm_end(v, CTL_EXIT_SETUP, "nobody came");
}

void vmm_watch_orphan(struct vmm *v)
{
	loop_timer_set(&v->loop, &v->orphan, VMM_ORPHAN_MS);
}

static void send_event(struct vmm *v, enum ctl_event_kind kind)
{
	struct ctl_event ev = {
		.h = { .magic = CTL_MAGIC, .type = CTL_EVENT },
		.kind = kind,
		.exit = v->exit,
	};

	vmm_status(v, &ev.status);
	ctlsock_send(&v->sock, &ev, sizeof(ev), NULL, 0);
}

static void on_events(struct loop_timer *t)
{
	struct vmm *v = container_of(t, struct vmm, events);

	if (v->agent_up_event)
		send_event(v, CTL_EV_AGENT_UP);
	if (v->disk_full_event)
		send_event(v, CTL_EV_DISK_FULL);
	if (v->net_event)
		send_event(v, CTL_EV_NET);
	v->agent_up_event = v->disk_full_event = v->net_event = false;
}

/* Devices are locked when they call these three: the rest is done later. */
static void on_agent_up(void *arg)
{
	struct vmm *v = arg;

	/* once: a guest may reset its vsock device as often as it likes */
	if (v->agent_up_ns)
		return;
	v->agent_up_ns = now_ns();
	v->agent_up_event = true;
	loop_timer_set(&v->loop, &v->events, 0);
}

static void on_disk_full(void *arg)
{
	struct vmm *v = arg;

	v->disk_full_event = true;
	loop_timer_set(&v->loop, &v->events, 0);
}

static void on_net_wanted(void *arg)
{
	struct vmm *v = arg;

	v->net_event = true;
	loop_timer_set(&v->loop, &v->events, 0);
}

static int watch_signals(struct vmm *v, struct err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	/* blocked here, so in all threads that are started later */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(err, errno, "signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(err, errno, "signals");
	if (loop_add(&v->loop, &v->signals, fd, EPOLLIN) < 0) {
		err_sys(err, errno, "signals");
		close(fd);
		return -1;
	}
	return 0;
}

int vmm_init(struct vmm *v, int listen_fd, const struct ctlsock_ops *ops,
	     struct err *err)
{
	*v = (struct vmm){
		.signals = { .fd = -1, .cb = on_signal },
		.ended = { .fd = -1, .cb = on_ended },
		.orphan = { .cb = on_orphan },
		.events = { .cb = on_events },
		.state = CTL_STATE_NEW,
		.kvm_fd = -1, .log_fd = -1, .exit_fd = -1,
	};
	if (loop_init(&v->loop, err) < 0)
		return -1;
	if (watch_signals(v, err) < 0 ||
	    ctlsock_init(&v->sock, &v->loop, listen_fd, ops, err) < 0) {
		loop_free(&v->loop);
		return -1;
	}
	clone_init(v);
	vmm_watch_orphan(v);
	return 0;
}

int vmm_reset_loop(struct vmm *v, struct err *err)
{
	if (loop_reopen(&v->loop, err) < 0)
		return -1;
	v->agent_up_event = v->disk_full_event = v->net_event = false;
	v->ended.fd = -1;
	close(v->signals.fd);
	v->signals.fd = -1;
	return watch_signals(v, err);
}

static void take(int *to, int *from)
{
	*to = *from;
	*from = -1;
}

void vmm_devices_setup(struct vmm *v, struct devices_setup *s)
{
	*s = (struct devices_setup){
		.loop = &v->loop,
		.log_fd = v->log_fd,
		.agent_up = on_agent_up,
		.disk_full = on_disk_full,
		.net.wanted = on_net_wanted,
		.arg = v,
	};
}

static int build(struct vmm *v, struct vmm_config *cfg, struct err *err)
{
	const struct ctl_config *c = cfg->c;
	struct devices_setup setup;
	struct boot_files files = {
		.kernel = cfg->kernel,
		.initrds = cfg->initrds,
		.nr_initrds = c->nr_initrds,
		.cmdline = c->cmdline,
	};
	struct acpi_machine acpi = { .cpus = c->vcpus };

	vmm_devices_setup(v, &setup);
	setup.log_max = c->console_max;
	setup.guest_cid = c->guest_cid;
	memcpy(setup.net.mac, c->net_mac, sizeof(setup.net.mac));
	setup.net.mtu = c->net_mtu;
	setup.nr_disks = c->nr_disks;
	setup.disk_fds = cfg->disks;
	memcpy(setup.disks, c->disks, sizeof(setup.disks));
	if (kvm_check(v->kvm_fd, err) < 0 ||
	    vm_init(&v->vm, c->ram, c->vcpus, -1, err) < 0)
		return -1;
	v->vm_ready = true;
	v->devices_ready = true;
	if (devices_init(&v->dev, &v->vm, &setup, err) < 0)
		return -1;
	acpi.virtio = v->dev.nr_virtio;
	if (boot_load(&v->vm.mem, &files, &v->vm.entry, err) < 0 ||
	    acpi_write(&v->vm.mem, &acpi, err) < 0 ||
	    power_write_reset_vector(&v->vm.mem, err) < 0 ||
	    vm_open_kvm(&v->vm, v->kvm_fd, err) < 0 ||
	    devices_wire(&v->dev, &v->vm, err) < 0)
		return -1;
	if (loop_add(&v->loop, &v->ended, v->vm.end_fd, EPOLLIN) < 0)
		return err_sys(err, errno, "event loop");
	return vm_start(&v->vm, err);
}

/* A layer that a host may refuse; the guest runs without it, and it is said. */
static void isolate(void)
{
	struct err why = ERR_INIT;

	if (isolate_enter(&why) < 0)
		log_warn("running without isolation: %s", why.msg);
}

int vmm_configure(struct vmm *v, struct vmm_config *cfg, struct err *err)
{
	loop_timer_cancel(&v->loop, &v->orphan);
	v->config_ns = now_ns();
	take(&v->kvm_fd, &cfg->kvm);
	take(&v->log_fd, &cfg->log);
	take(&v->exit_fd, &cfg->exit_record);
	if (exitrec_watch_crash(v->exit_fd) < 0)
		return err_sys(err, errno, "signals");
	if (build(v, cfg, err) < 0 || vm_wait_started(&v->vm, err) < 0)
		return -1;
	isolate();
	vm_resume(&v->vm);
	v->state = CTL_STATE_RUNNING;
	return 0;
}

int vmm_restore(struct vmm *v, const struct ctl_restore *c,
		struct vmm_config *cfg, const struct snapshot_files *files,
		struct err *err)
{
	const struct snapshot_setup setup = { .c = c, .disk_fds = cfg->disks };

	loop_timer_cancel(&v->loop, &v->orphan);
	v->config_ns = now_ns();
	take(&v->kvm_fd, &cfg->kvm);
	take(&v->log_fd, &cfg->log);
	take(&v->exit_fd, &cfg->exit_record);
	if (exitrec_watch_crash(v->exit_fd) < 0)
		return err_sys(err, errno, "signals");
	if (snapshot_restore(v, files, &setup, err) < 0)
		return -1;
	isolate();
	v->state = CTL_STATE_HELD;
	return 0;
}

int vmm_pause(struct vmm *v, struct err *err)
{
	if (vm_pause(&v->vm, err) < 0)
		return -1;
	devices_settle(&v->dev);
	v->state = CTL_STATE_PAUSED;
	return 0;
}

static int wire(struct vmm *v, struct err *err)
{
	if (devices_reopen(&v->dev, err) < 0 ||
	    devices_wire(&v->dev, &v->vm, err) < 0)
		return -1;
	if (loop_add(&v->loop, &v->ended, v->vm.end_fd, EPOLLIN) < 0)
		return err_sys(err, errno, "event loop");
	return 0;
}

/* KVM's objects, and the descriptors that they are wired to; all or none, for
 * it may be tried again. */
static int wake(struct vmm *v, struct err *err)
{
	if (vm_restore_kvm(&v->vm, v->kvm_fd, err) < 0)
		return -1;
	if (wire(v, err) < 0) {
		devices_close_fds(&v->dev);
		vm_stop(&v->vm);
		vm_forget_kvm(&v->vm);
		return -1;
	}
	devices_repeat(&v->dev);
	return 0;
}

int vmm_resume(struct vmm *v, struct err *err)
{
	if (v->state == CTL_STATE_HELD && wake(v, err) < 0)
		return -1;
	vm_resume(&v->vm);
	v->state = CTL_STATE_RUNNING;
	return 0;
}

int vmm_quiesce(struct vmm *v, struct err *err)
{
	if (v->vm_ready)
		vm_stop(&v->vm);
	if (!v->devices_ready)
		return 0;
	if (v->dev.console_ready)
		console_flush(&v->dev.console);
	return devices_flush(&v->dev, err);
}

void vmm_end(struct vmm *v, enum ctl_exit_reason reason, const char *detail)
{
	struct err err = ERR_INIT;

	if (v->state == CTL_STATE_ENDED)
		return;
	v->state = CTL_STATE_ENDED;
	if (vmm_quiesce(v, &err) < 0)
		log_error("%s", err.msg);
	exitrec_fill(&v->exit, reason, err.code && !*detail ? err.msg : detail);
	if (exitrec_write(v->exit_fd, &v->exit) < 0)
		log_error("exit record: %s", strerror(errno));
	log_info("%s%s%s", exitrec_reason(reason), *detail ? ": " : "", detail);
	send_event(v, CTL_EV_EXIT);
	loop_stop(&v->loop);
}

void vmm_status(struct vmm *v, struct ctl_status *st)
{
	*st = (struct ctl_status){ .state = v->state };
	if (!v->vm_ready)
		return;
	st->vcpus = v->vm.nr_vcpus;
	st->ram = v->vm.mem.ram;
	st->uptime_ns = now_ns() - v->config_ns;
	st->first_exit_ns = v->vm.env.first_exit_ns;
	if (v->agent_up_ns) {
		st->agent_up = 1;
		st->agent_up_ns = v->agent_up_ns - v->config_ns;
	}
	if (v->devices_ready)
		devices_status(&v->dev, st);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vmm_free(struct vmm *v)
{
	int fd = v->signals.fd;

	/* no vCPU runs while the devices go */
	if (v->vm_ready)
		vm_stop(&v->vm);
	if (v->devices_ready)
		devices_free(&v->dev);
	ctlsock_free(&v->sock);
	loop_del(&v->loop, &v->ended);
	if (v->vm_ready)
		vm_free(&v->vm);
	loop_del(&v->loop, &v->signals);
	close_fd(&fd);
	close_fd(&v->kvm_fd);
	close_fd(&v->log_fd);
	close_fd(&v->exit_fd);
	loop_free(&v->loop);
}
