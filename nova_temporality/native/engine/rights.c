/* SPDX-License-Identifier: Apache-2.0 */
/* rights.c -- what an engine asks the kernel for, and can do without */
#include "rights.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int rights_lock_memory(void)
{
    if (mlockall(MCL_CURRENT) < 0)
        return -1;
    /* Stacks of threads to come are larger than what is used of them. */
    return mlockall(MCL_FUTURE | MCL_ONFAULT);
}

int rights_set_priority(pthread_t thread, uint32_t priority)
{
    const struct sched_param param = {.sched_priority = (int)priority};

    return pthread_setschedparam(thread, priority ? SCHED_FIFO : SCHED_OTHER,
                                 &param);
}

int rights_set_cpus(pthread_t thread, const uint32_t *cpus, uint32_t count)
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

void rights_lost(struct vpm_error *lost, const char *what, int why,
                 const char *remedy)
{
    size_t used = strlen(lost->message);

    lost->code = VPM_ESYS;
    snprintf(lost->message + used, sizeof(lost->message) - used,
             "%s%s: %s; %s", used ? ". " : "", what, strerrordesc_np(why),
             remedy);
}
