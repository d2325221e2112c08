/* SPDX-License-Identifier: Apache-2.0 */
/* pulse.h -- whether a thread works */
#ifndef VPM_PULSE_H
#define VPM_PULSE_H

#include <stdbool.h>
#include <stdint.h>

struct vpm_pulse {
    uint64_t beats;  /* how often the thread has worked; atomic */
    uint64_t seen;   /* of them; at first such that any number is another */
};

void vpm_pulse_init(struct vpm_pulse *pulse);

/* For the thread itself. */
void vpm_pulse_beat(struct vpm_pulse *pulse);

/* Whether the thread has worked since the last call; true for the first. */
bool vpm_pulse_works(struct vpm_pulse *pulse);

#endif
