/* SPDX-License-Identifier: Apache-2.0 */
/* waves.h -- pVMs that are fired together are fixated in waves, by priority
 *
 * The pVMs of one priority are a wave.  The wave of the highest priority
 * starts at once.  Each other one starts when all pVMs of higher priority are
 * done, but at the latest at its share of the hold-up time.  A pVM that is
 * fired alone is in no wave: it starts at once, and nobody waits for it. */
#ifndef VPM_WAVES_H
#define VPM_WAVES_H

#include <stdbool.h>
#include <stdint.h>

#include "vpm.h"

/* How many of each priority were fired together, and are not done.  All
 * functions may be called by several threads. */
struct vpm_waves {
    uint32_t under_way[VPM_PRIORITY_MAX + 1];
};

/* Adds a pVM that is fired to the wave of its priority. */
void vpm_waves_add(struct vpm_waves *waves, uint32_t priority);

/* Takes a pVM that is done out of the wave of its priority.  True when other
 * waves may start because of that. */
bool vpm_waves_done(struct vpm_waves *waves, uint32_t priority);

/* Whether all pVMs of higher priority are done. */
bool vpm_waves_reached(const struct vpm_waves *waves, uint32_t priority);

/* The share of *hold_up_ns* after which a wave starts in any case, given the
 * pVMs that are fired now. */
uint64_t vpm_waves_latest(const struct vpm_waves *waves, uint32_t priority,
                          uint64_t hold_up_ns);

#endif
