/* SPDX-License-Identifier: Apache-2.0 */
/* turns.h -- pVMs that are fired together have their turns by priority
 *
 * The highest priority is first, equals have their turn together.  The next
 * one has its turn when all of higher priority are done, but at the latest at
 * its share of the hold-up time.  Who was fired alone has it at once, and
 * nobody waits for him. */
#ifndef VPM_TURNS_H
#define VPM_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "vpm.h"

/* How many of each priority were fired together, and are not done.  All
 * functions may be called by several threads. */
struct turns {
    uint32_t under_way[VPM_PRIORITY_MAX + 1];
};

/* One more of a priority is fired. */
void turns_add(struct turns *turns, uint32_t priority);

/* One is done.  True when that may be what others wait for. */
bool turns_done(struct turns *turns, uint32_t priority);

/* Whether all of higher priority are done. */
bool turns_come(const struct turns *turns, uint32_t priority);

/* The share of *hold_up_ns* after which the turn of a priority comes in any
 * case, given those that are fired now. */
uint64_t turns_latest(const struct turns *turns, uint32_t priority,
                      uint64_t hold_up_ns);

#endif
