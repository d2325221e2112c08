/* SPDX-License-Identifier: Apache-2.0 */
/* rights.h -- what an engine asks the kernel for, and can do without */
#ifndef VPM_RIGHTS_H
#define VPM_RIGHTS_H

#include <pthread.h>

#include "vpm.h"

/* Brings the process's memory in and keeps it there, that of the future once
 * it is used.  0, or -1 with errno. */
int rights_lock_memory(void);

/* Schedules a thread by SCHED_FIFO; 0 is the ordinary policy.  0, or an
 * errno. */
int rights_set_priority(pthread_t thread, uint32_t priority);

/* Binds a thread to CPUs.  0, or an errno. */
int rights_set_cpus(pthread_t thread, const uint32_t *cpus, uint32_t count);

/* Adds "<what>: <why>; <remedy>" to the list of what is lost. */
void rights_lost(struct vpm_error *lost, const char *what, int why,
                 const char *remedy);

#endif
