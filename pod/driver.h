/* SPDX-License-Identifier: GPL-2.0 */
/* driver.h - what the driver's files know of each other */
#ifndef POD_DRIVER_H
#define POD_DRIVER_H

#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/types.h>

#include "pod.h"

/* One instant on both clocks. */
struct pod_time {
	s64 monotonic_ns;
	s64 realtime_ns;
};

/* Now; also in an NMI. */
static inline struct pod_time pod_time_now(void)
{
	return (struct pod_time) {
		.monotonic_ns = ktime_get_mono_fast_ns(),
		.realtime_ns = ktime_get_real_fast_ns(),
	};
}

/* -- main.c: module parameters --------------------------------------- */

extern unsigned int pod_hold_up_ms;
extern unsigned int pod_park_ms;
extern bool pod_test_trigger;

u32 pod_inputs(void);

/* -- events.c -------------------------------------------------------- */

/* One open file. */
struct pod_reader {
	u64 next;		/* sequence number to be read next */
	bool tell_state;	/* before all others */
};

/* An input tells how power is; an event if that changes what they all say
 * together. Not from NMIs.
 */
void pod_condition(enum pod_origin origin, enum pod_level level,
		   struct pod_time when);

/* Power fails, says somebody who cannot say that it does no more. */
void pod_instant(enum pod_origin origin, struct pod_time when);

/* How power is, as all lines together say. */
enum pod_level pod_level(void);

void pod_reader_init(struct pod_reader *reader);
bool pod_reader_ready(struct pod_reader *reader);

/* Takes the next event; false when there is none. */
bool pod_reader_next(struct pod_reader *reader, struct pod_event *event);

extern struct wait_queue_head pod_readers;

/* -- notifier.c ------------------------------------------------------ */

/* An event of level POD_COMMIT has come. */
void pod_notifier_commit(const struct pod_event *event);
int pod_notifier_register(struct file *file,
			  const struct pod_registration *registration);
int pod_notifier_acknowledge(struct file *file, u64 sequence);

/* The file is being closed. */
void pod_notifier_closed(struct file *file);

/* Its process id; 0: there is none. */
int pod_notifier_pid(void);
void pod_notifier_exit(void);

/* -- caches.c -------------------------------------------------------- */

int pod_caches_write_back(struct pod_write_back *result);

/* The same, and then keeps all CPUs busy with nothing, interrupts off, until
 * lines say that power is good, for pod_park_ms at most.
 */
int pod_caches_write_back_and_park(void);

/* -- lines.c, nmi.c: inputs ------------------------------------------ */

int pod_lines_init(void);
void pod_lines_exit(void);
bool pod_lines_watched(void);

/* Lines say, just now, that power does not fail; with interrupts off. */
bool pod_lines_good(void);

int pod_nmi_init(void);
void pod_nmi_exit(void);
bool pod_nmi_watched(void);

/* -- device.c -------------------------------------------------------- */

int pod_device_init(void);
void pod_device_exit(void);

/* -- statistics.c: what sysfs shows ---------------------------------- */

/* Since the driver was loaded. */
struct pod_statistics {
	atomic64_t events;
	atomic64_t nmis;
	atomic64_t acknowledged;	/* in time */
	atomic64_t late;		/* acknowledged, but too late */
	atomic64_t missed;		/* not acknowledged in time */
	atomic64_t acknowledge_ns;	/* the last one, from event to end */
	atomic64_t notifiers_gone;
	atomic64_t signals_failed;
	atomic64_t write_backs;
	atomic64_t write_back_cpus;	/* of the last one */
	atomic64_t write_back_ns;	/* of the longest one */
	atomic64_t parks;
	atomic64_t park_ns;		/* of the last one */
};

extern struct pod_statistics pod_statistics;
extern const struct attribute_group *pod_groups[];

#endif
