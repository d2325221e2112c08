/* SPDX-License-Identifier: Apache-2.0 */
/* realtime.c -- scheduling and memory as an engine wants them */
#include "realtime.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int vpm_realtime_lock_memory(void)
{
    if (mlockall(MCL_CURRENT) < 0)
        return -1;
    /* MCL_ONFAULT: of a later thread's stack only what it uses is locked. */
    return mlockall(MCL_FUTURE | MCL_ONFAULT);
}

int vpm_realtime_set_priority(pthread_t thread, uint32_t priority)
{
    const struct sched_param param = {.sched_priority = (int)priority};

    return pthread_setschedparam(thread, priority ? SCHED_FIFO : SCHED_OTHER,
                                 &param);
}

void vpm_realtime_init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(lock, &attr);
    pthread_mutexattr_destroy(&attr);
}

int vpm_realtime_set_cpus(pthread_t thread, const uint32_t *cpus,
                          uint32_t count)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (uint32_t i = 0; i < count; i++) {
        if (cpus[i] >= CPU_SETSIZE)
            return EINVAL;
        CPU_SET(cpus[i], &set);
    }
    return pthread_setaffinity_np(thread, sizeof(set), &set);
}

void vpm_realtime_lost(struct vpm_error *lost, const char *what, int why,
                       const char *remedy)
{
    size_t used = strlen(lost->message);

    lost->code = VPM_ESYS;
    snprintf(lost->message + used, sizeof(lost->message) - used,
             "%s%s: %s; %s", used ? ". " : "", what, strerrordesc_np(why),
             remedy);
}
