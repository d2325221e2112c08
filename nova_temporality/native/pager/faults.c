/* SPDX-License-Identifier: Apache-2.0 */
/* faults.c -- answering faults that need no I/O, queueing the others */
#include "faults.h"

#include <errno.h>

#include "clock.h"
#include "enter.h"
#include "touch.h"

bool vpm_faults_enqueue(struct vpm_pager *pager, uint32_t page,
                        uint32_t ahead)
{
    uint32_t at = (pager->queue_head + pager->queue_count) % QUEUE_LENGTH;

    if (pager->queue_count == QUEUE_LENGTH)
        return false;
    pager->queue[at] = (struct fault){
        .page = page, .ahead = ahead, .since_ns = vpm_now_ns(CLOCK_MONOTONIC),
    };
    pager->queue_count++;
    pager->states[page] = QUEUED;
    /* A paused evictor waits until somebody needs a frame. */
    if (pager->backing.free_frames == 0)
        pthread_cond_signal(&pager->room);
    return true;
}

/* Maps a cool page again: its frame is intact. */
static void refault(struct vpm_pager *pager, struct vpm_move *move)
{
    if (vpm_pager_show(pager, move->page, move->frame, 1) < 0) {
        vpm_enter_fail(pager, move, VPM_REGION_MAPPING, errno);
        return;
    }
    lock(pager);
    pager->states[move->page] = MAPPED;
    unlock(pager);
    add(&status(pager)->refaults, 1);
    vpm_pager_wake(pager, move->page, 1);
}

/* Called with the lock held; releases it. */
static void fault_absent(struct vpm_pager *pager, uint32_t page,
                         uint32_t slot)
{
    struct vpm_move moves[VPM_CLUSTER_MOST];
    int count = 0;
    bool queued;

    if (slot == VPM_NONE)
        count = vpm_touch_take(pager, page, moves);
    if (count > 0) {
        unlock(pager);
        vpm_touch_enter(pager, moves, count);
        return;
    }
    queued = vpm_faults_enqueue(pager, page, 0);
    unlock(pager);
    if (!queued)
        vpm_pager_wake(pager, page, 1);
}

void vpm_faults_answer(struct vpm_pager *pager, uint32_t page)
{
    struct vpm_move move = {.page = page};
    struct vpm_ppt_entry entry;
    const char *fault;

    lock(pager);
    fault = vpm_ppt_get(&pager->backing.ppt, page, &entry);
    move.frame = entry.frame;
    move.slot = entry.slot;
    switch (pager->states[page]) {
    case ABSENT:
    case COOL:
    case WRITING:
        if (fault) {
            unlock(pager);
            vpm_enter_fail(pager, &move, VPM_REGION_BAD_ENTRY, 0);
        } else if (pager->states[page] == ABSENT) {
            fault_absent(pager, page, entry.slot);
        } else {
            pager->states[page] = ENTERING;
            unlock(pager);
            refault(pager, &move);
        }
        return;
    case HIDING:
    case LEAVING:
        pager->states[page] |= WANTED;
        break;
    case MAPPED:
        unlock(pager);
        vpm_pager_wake(pager, page, 1);
        return;
    case FAILED:
        unlock(pager);
        vpm_pager_report(pager, VPM_REGION_MAPPING, 0, page, entry.slot);
        return;
    default:
        break;  /* the thread that has it wakes those who wait */
    }
    unlock(pager);
}
