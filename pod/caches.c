// SPDX-License-Identifier: GPL-2.0
/* caches.c - writing back all CPU caches, and keeping them quiet */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/mutex.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>
#include <asm/special_insns.h>

#include "driver.h"

/* Between two looks at lines while CPUs are parked. */
#define LOOK_US 10

struct parking {
	s64 until_ns;
	atomic_t cpus;		/* that have written their caches back */
	bool over;
};

/* Nobody writes back beside another: it would only slow both down. */
static DEFINE_MUTEX(busy);
static u64 begun;		/* how many write-backs */
static struct pod_write_back latest;
static int latest_error;

/* On every CPU. */
static void write_back_here(void *cpus)
{
	wbinvd();
	atomic_inc(cpus);
}

static void account(const struct pod_write_back *result)
{
	atomic64_inc(&pod_statistics.write_backs);
	atomic64_set(&pod_statistics.write_back_cpus, result->cpus);
	if (result->duration_ns > atomic64_read(&pod_statistics.write_back_ns))
		atomic64_set(&pod_statistics.write_back_ns,
			     result->duration_ns);
}

/* With busy held. */
static void write_back(void)
{
	u64 began_ns = ktime_get_ns();
	atomic_t cpus = ATOMIC_INIT(0);

	WRITE_ONCE(begun, begun + 1);
	/* A CPU writes its caches back before it goes offline. */
	cpus_read_lock();
	on_each_cpu(write_back_here, &cpus, 1);
	latest = (struct pod_write_back) {
		.duration_ns = ktime_get_ns() - began_ns,
		.cpus = atomic_read(&cpus),
	};
	latest_error = latest.cpus == num_online_cpus() ? 0 : -EIO;
	cpus_read_unlock();
	account(&latest);
}

int pod_caches_write_back(struct pod_write_back *result)
{
	u64 before = READ_ONCE(begun);
	int err;

	mutex_lock(&busy);
	/* One that has begun after this call, and ended, will do. */
	if (begun == before)
		write_back();
	*result = latest;
	err = latest_error;
	mutex_unlock(&busy);
	return err;
}

static void look(struct parking *parking)
{
	if (ktime_get_mono_fast_ns() >= parking->until_ns || pod_lines_good())
		WRITE_ONCE(parking->over, true);
	else
		udelay(LOOK_US);
}

/* On every CPU at the same time, interrupts off. */
static int park(void *data)
{
	struct parking *parking = data;
	bool leads = smp_processor_id() == cpumask_first(cpu_online_mask);

	write_back_here(&parking->cpus);
	while (!READ_ONCE(parking->over)) {
		/* Not before all have written back. */
		if (leads && atomic_read(&parking->cpus) == num_online_cpus())
			look(parking);
		cpu_relax();
	}
	return 0;
}

int pod_caches_write_back_and_park(void)
{
	s64 began_ns = ktime_get_ns();
	struct parking parking = {
		.until_ns = began_ns + pod_park_ms * NSEC_PER_MSEC,
	};
	int err;

	mutex_lock(&busy);
	err = stop_machine(park, &parking, cpu_online_mask);
	atomic64_inc(&pod_statistics.parks);
	atomic64_set(&pod_statistics.park_ns, ktime_get_ns() - began_ns);
	mutex_unlock(&busy);
	return err;
}
