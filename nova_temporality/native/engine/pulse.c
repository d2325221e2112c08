/* SPDX-License-Identifier: Apache-2.0 */
/* pulse.c -- whether a thread works */
#include "pulse.h"

void vpm_pulse_init(struct vpm_pulse *pulse)
{
    *pulse = (struct vpm_pulse){.seen = UINT64_MAX};
}

void vpm_pulse_beat(struct vpm_pulse *pulse)
{
    __atomic_add_fetch(&pulse->beats, 1, __ATOMIC_RELAXED);
}

bool vpm_pulse_works(struct vpm_pulse *pulse)
{
    uint64_t beats = __atomic_load_n(&pulse->beats, __ATOMIC_RELAXED);
    bool works = beats != pulse->seen;

    pulse->seen = beats;
    return works;
}
