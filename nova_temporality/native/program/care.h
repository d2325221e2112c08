/* SPDX-License-Identifier: Apache-2.0 */
/* care.h -- keeps state files of armed units writable without faults
 *
 * Linux takes that back whenever it writes a file back.  Each is seen to every
 * five seconds, a few at a time: clients come in between. */
#ifndef VPM_CARE_H
#define VPM_CARE_H

#include "roster.h"

struct vpm_care {
    uint64_t due_ns;      /* CLOCK_MONOTONIC: when there is work next */
    uint32_t left;        /* units that are to be seen to now */
    uint64_t region;      /* of the latest unit */
};

/* Does the work that is due by now, for half a millisecond or two; whether
 * that has found a state file that cannot be written. */
bool vpm_care_work(struct vpm_care *care, struct vpm_roster *roster,
                   uint64_t now_ns);

#endif
