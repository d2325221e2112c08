/* SPDX-License-Identifier: Apache-2.0 */
/* turns.c -- pVMs that are fired together have their turns by priority */
#include "turns.h"

static uint32_t under_way(const struct turns *turns, uint32_t priority)
{
    return __atomic_load_n(&turns->under_way[priority], __ATOMIC_ACQUIRE);
}

void turns_add(struct turns *turns, uint32_t priority)
{
    __atomic_add_fetch(&turns->under_way[priority], 1, __ATOMIC_RELAXED);
}

bool turns_done(struct turns *turns, uint32_t priority)
{
    if (__atomic_sub_fetch(&turns->under_way[priority], 1,
                           __ATOMIC_RELEASE) > 0)
        return false;
    for (uint32_t lower = 0; lower < priority; lower++)
        if (under_way(turns, lower))
            return true;
    return false;
}

bool turns_come(const struct turns *turns, uint32_t priority)
{
    for (uint32_t higher = priority + 1; higher <= VPM_PRIORITY_MAX; higher++)
        if (under_way(turns, higher))
            return false;
    return true;
}

uint64_t turns_latest(const struct turns *turns, uint32_t priority,
                      uint64_t hold_up_ns)
{
    uint32_t all = 0, before = 0;

    for (uint32_t other = 0; other <= VPM_PRIORITY_MAX; other++) {
        if (!under_way(turns, other))
            continue;
        all++;
        before += other > priority;
    }
    return all ? hold_up_ns / all * before : 0;
}
