/* SPDX-License-Identifier: Apache-2.0 */
/* care.c -- keeps state files of armed units writable without faults */
#include "care.h"

#include "clock.h"

/* All units are seen to in so many shares, one at a time: in five seconds, as
 * often as Linux looks for what to write back (vm.dirty_writeback_centisecs).
 */
#define SHARES 20u
#define SHARE_NS ((uint64_t)250000000)

/* After so long clients are served. */
#define WORK_NS ((uint64_t)500000)

static uint32_t share(const struct vpm_roster *roster)
{
    uint32_t count = 0;

    for (struct vpm_served *served = roster->first; served;
         served = served->next)
        count++;
    return (count + SHARES - 1) / SHARES;
}

/* Whether nothing is left to be done with it for now. */
static bool see_to(struct vpm_served *served, bool *found_ill)
{
    struct vpm_error ignored;
    bool done = true, ill = false;

    if (vpm_unit_state(served->unit) == VPM_UNIT_ARMED)
        ill = vpm_unit_touch(served->unit, &done, &ignored) < 0;
    if (ill && !served->ill) {
        served->told = false;
        *found_ill = true;
    }
    served->ill = ill;
    return done || ill;
}

bool vpm_care_work(struct vpm_care *care, struct vpm_roster *roster,
                   uint64_t now_ns)
{
    bool found_ill = false;

    if (now_ns < care->due_ns)
        return false;
    if (!care->left)
        care->left = share(roster);
    care->due_ns = now_ns + SHARE_NS;
    while (care->left) {
        struct vpm_served *next = vpm_roster_after(roster, care->region);

        if (!next)
            next = roster->first;
        if (!next)
            care->left = 0;
        else if (see_to(next, &found_ill)) {
            care->region = next->info.region;
            care->left--;
        }
        if (vpm_now_ns(CLOCK_MONOTONIC) >= now_ns + WORK_NS)
            break;
    }
    if (care->left)
        care->due_ns = now_ns;
    return found_ill;
}
