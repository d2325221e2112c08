/* SPDX-License-Identifier: Apache-2.0 */
/* watchdog.c -- the thread that reports faults that wait too long */
#include "watchdog.h"

#include <inttypes.h>
#include <unistd.h>

#include "clock.h"
#include "core.h"

#define STUCK_NS ((uint64_t)5 * 1000000000)

/* The lock must be held. */
static struct fault oldest_fault(const struct vpm_pager *pager)
{
    struct fault oldest = {VPM_NONE, 0, UINT64_MAX};

    if (pager->queue_count > 0)
        oldest = pager->queue[pager->queue_head];
    for (int i = 0; i < READINGS; i++)
        if (pager->readings[i].count > 0 &&
            pager->readings[i].since_ns < oldest.since_ns)
            oldest = (struct fault){
                .page = pager->readings[i].moves[0].page,
                .since_ns = pager->readings[i].since_ns,
            };
    return oldest;
}

void *vpm_watchdog_run(void *opaque)
{
    struct vpm_pager *pager = opaque;

    for (;;) {
        struct fault oldest;
        uint32_t queued, room;
        uint64_t now;

        sleep(1);
        lock(pager);
        oldest = oldest_fault(pager);
        queued = pager->queue_count;
        room = pager->backing.free_frames;
        unlock(pager);
        now = vpm_now_ns(CLOCK_MONOTONIC);
        if (oldest.page != VPM_NONE && now > oldest.since_ns + STUCK_NS)
            vpm_pager_say(pager, "a fault on page %" PRIu32 " at address %p "
                          "waits for %" PRIu64 " s; %" PRIu32 " faults are "
                          "queued, %" PRIu32 " frames are free", oldest.page,
                          (void *)(pager->uffd.base +
                                   oldest.page * pager->page_size),
                          (now - oldest.since_ns) / 1000000000, queued,
                          room);
    }
    return NULL;
}
