/* SPDX-License-Identifier: MIT */
/*
 * runner/vmm/vcpu.c - virtual CPUs: a thread each, parked and released together
 *
 * Owns the vCPU descriptors, their shared maps and threads.  The threads run
 * the guest and dispatch its port and MMIO accesses to the devices; everything
 * else here runs on the main thread.  Distrusts the guest, trusts the kernel's
 * half of the shared map.
 */
#include "runner/vmm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "runner/vmm/vcpu-exit.h"

#define STACK_SIZE (256 * KIB)
#define PARK_KICK_MS 50		/* signal again: never rely on a single one */
#define PARK_TRIES 100

/* To be interrupted is all the signal is for. */
static void on_signal(int sig)
{
}

int vcpu_init_signal(struct err *err)
{
	struct sigaction sa = { .sa_handler = on_signal };

	if (sigaction(VCPU_SIGNAL, &sa, NULL) < 0)
		return err_sys(err, errno, "signals");
	return 0;
}

void vcpu_gate_init(struct vcpu_gate *g)
{
	pthread_condattr_t attr;

	*g = (struct vcpu_gate){ 0 };
	pthread_mutex_init(&g->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&g->changed, &attr);
	pthread_condattr_destroy(&attr);
}

int vcpu_create(struct vcpu *v, unsigned int id, const struct kvm *k,
		struct vcpu_env *env, struct err *err)
{
	void *map;

	*v = (struct vcpu){ .id = id, .env = env, .run_size = k->run_size };
	v->fd = (int)TEMP_FAILURE_RETRY(ioctl(k->vm_fd, KVM_CREATE_VCPU, id));
	if (v->fd < 0)
		return err_sys(err, errno, "kvm: cannot create vCPU %u", id);
	if (!k->tsc_rate)
		kvm_set_tsc_rate(v->fd);
	map = mmap(NULL, v->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd,
		   0);
	if (map == MAP_FAILED) {
		err_sys(err, errno, "kvm: cannot map vCPU %u", id);
		vcpu_destroy(v);
		return -1;
	}
	v->run = map;
	return 0;
}

void vcpu_destroy(struct vcpu *v)
{
	if (v->run)
		munmap(v->run, v->run_size);
	if (v->fd >= 0)
		close(v->fd);
	*v = (struct vcpu)VCPU_INIT;
}

/* Return: false when the thread has to end. */
static bool gate_pass(struct vcpu_gate *g)
{
	bool go;

	pthread_mutex_lock(&g->lock);
	if (g->closed && !g->quit) {
		g->parked++;
		pthread_cond_broadcast(&g->changed);
		while (g->closed && !g->quit)
			pthread_cond_wait(&g->changed, &g->lock);
		g->parked--;
	}
	go = !g->quit;
	pthread_mutex_unlock(&g->lock);
	return go;
}

/* The thread has nothing to run any more; it counts as parked for good. */
static void gate_leave(struct vcpu_gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->parked++;
	pthread_cond_broadcast(&g->changed);
	while (!g->quit)
		pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static void note_exit(struct vcpu_env *env)
{
	if (atomic_load_explicit(&env->first_exit_ns, memory_order_relaxed) == 0)
		atomic_store_explicit(&env->first_exit_ns, now_ns(),
				      memory_order_relaxed);
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;
	struct vcpu_gate *g = v->env->gate;
	char name[16];
	sigset_t set;

	snprintf(name, sizeof(name), "vcpu%u", v->id);
	pthread_setname_np(pthread_self(), name);
	sigemptyset(&set);
	sigaddset(&set, VCPU_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);

	if (!gate_pass(g))
		return NULL;
	for (;;) {
		if (ioctl(v->fd, KVM_RUN, 0) == 0) {
			note_exit(v->env);
			if (!vcpu_handle_exit(v))
				break;
			continue;
		}
		if (errno == EINTR) {
			if (!gate_pass(g))
				return NULL;
		} else if (errno != EAGAIN) {
			/* EAGAIN: an AP that waits for its start-up IPI */
			vcpu_report_failure(v, errno);
			break;
		}
	}
	gate_leave(g);
	return NULL;
}

int vcpu_start(struct vcpu *v, struct err *err)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	/* a thread inherits the mask: signals are the main thread's affair */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&v->thread, &attr, vcpu_main, v);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc)
		return err_sys(err, rc, "thread of vCPU %u", v->id);
	v->started = true;
	return 0;
}

static unsigned int kick_all(struct vcpu *v, unsigned int n)
{
	unsigned int started = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (!v[i].started)
			continue;
		started++;
		__atomic_store_n(&v[i].run->immediate_exit, 1,
				 __ATOMIC_SEQ_CST);
		pthread_kill(v[i].thread, VCPU_SIGNAL);
	}
	return started;
}

/* The gate's lock is held. */
static bool wait_changed(struct vcpu_gate *g)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += PARK_KICK_MS * 1000000L;
	if (ts.tv_nsec >= 1000000000L) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000L;
	}
	return pthread_cond_timedwait(&g->changed, &g->lock, &ts) == 0;
}

int vcpu_park_all(struct vcpu_gate *g, struct vcpu *v, unsigned int n,
		  struct err *err)
{
	unsigned int started, tries = 0;

	pthread_mutex_lock(&g->lock);
	g->closed = true;
	started = kick_all(v, n);
	while (g->parked < started && tries < PARK_TRIES) {
		if (wait_changed(g))
			continue;
		tries++;
		kick_all(v, n);
	}
	started -= MIN(started, g->parked);
	pthread_mutex_unlock(&g->lock);
	if (started == 0)
		return 0;
	vcpu_release_all(g, v, n);
	return err_set(err, ERR_TIMEOUT, "%u vCPU(s) did not stop within %d s",
		       started, PARK_KICK_MS * PARK_TRIES / 1000);
}

void vcpu_release_all(struct vcpu_gate *g, struct vcpu *v, unsigned int n)
{
	pthread_mutex_lock(&g->lock);
	for (unsigned int i = 0; i < n; i++)
		if (v[i].run)
			__atomic_store_n(&v[i].run->immediate_exit, 0,
					 __ATOMIC_SEQ_CST);
	g->closed = false;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

void vcpu_stop_all(struct vcpu_gate *g, struct vcpu *v, unsigned int n)
{
	pthread_mutex_lock(&g->lock);
	g->quit = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	for (unsigned int i = 0; i < n; i++) {
		if (!v[i].started)
			continue;
		__atomic_store_n(&v[i].run->immediate_exit, 1,
				 __ATOMIC_SEQ_CST);
		pthread_kill(v[i].thread, VCPU_SIGNAL);
		pthread_join(v[i].thread, NULL);
		v[i].started = false;
	}
}
