/* SPDX-License-Identifier: Apache-2.0 */
/* waves.c -- pVMs that are fired together are fixated in waves, by priority */
#include "waves.h"

static uint32_t under_way(const struct vpm_waves *waves, uint32_t priority)
{
    return __atomic_load_n(&waves->under_way[priority], __ATOMIC_ACQUIRE);
}

void vpm_waves_add(struct vpm_waves *waves, uint32_t priority)
{
    __atomic_add_fetch(&waves->under_way[priority], 1, __ATOMIC_RELAXED);
}

bool vpm_waves_done(struct vpm_waves *waves, uint32_t priority)
{
    if (__atomic_sub_fetch(&waves->under_way[priority], 1,
                           __ATOMIC_RELEASE) > 0)
        return false;
    for (uint32_t lower = 0; lower < priority; lower++)
        if (under_way(waves, lower))
            return true;
    return false;
}

bool vpm_waves_reached(const struct vpm_waves *waves, uint32_t priority)
{
    for (uint32_t higher = priority + 1; higher <= VPM_PRIORITY_MAX; higher++)
        if (under_way(waves, higher))
            return false;
    return true;
}

uint64_t vpm_waves_latest(const struct vpm_waves *waves, uint32_t priority,
                          uint64_t hold_up_ns)
{
    uint32_t all = 0, before = 0;

    for (uint32_t other = 0; other <= VPM_PRIORITY_MAX; other++) {
        if (!under_way(waves, other))
            continue;
        all++;
        before += other > priority;
    }
    return all ? hold_up_ns / all * before : 0;
}
