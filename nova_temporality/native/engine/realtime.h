/* SPDX-License-Identifier: Apache-2.0 */
/* realtime.h -- scheduling and memory as an engine wants them
 *
 * The engine works without them, too, but less predictably. */
#ifndef VPM_REALTIME_H
#define VPM_REALTIME_H

#include <pthread.h>

#include "vpm.h"

/* Brings the process's memory in and keeps it there; memory that is allocated
 * later is kept once it is used.  0, or -1 with errno. */
int vpm_realtime_lock_memory(void);

/* Schedules a thread by SCHED_FIFO; 0 is the ordinary policy.  0, or an
 * errno. */
int vpm_realtime_set_priority(pthread_t thread, uint32_t priority);

/* Who waits for the lock lends its priority to who has it. */
void vpm_realtime_init_lock(pthread_mutex_t *lock);

/* Binds a thread to CPUs.  0, or an errno. */
int vpm_realtime_set_cpus(pthread_t thread, const uint32_t *cpus,
                          uint32_t count);

/* Adds "<what>: <why>; <remedy>" to the list of what the engine does
 * without.  *why* is an errno. */
void vpm_realtime_lost(struct vpm_error *lost, const char *what, int why,
                       const char *remedy);

#endif
