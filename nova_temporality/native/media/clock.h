/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h -- the present time */
#ifndef VPM_CLOCK_H
#define VPM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of *clock*, one of clock_gettime(2). */
static inline uint64_t vpm_now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
