/* SPDX-License-Identifier: Apache-2.0 */
/* faults.c -- answers faults that need no I/O, queues the others */
#include "core.h"

#include <errno.h>

/* -- bringing in --------------------------------------------------------- */

void vpm_pager_give_up(struct vpm_pager *pager, const struct vpm_move *move,
                       enum vpm_region_error reason, int error)
{
    vpm_pager_report(pager, reason, error, move->page, move->slot);
    lock(pager);
    pager->states[move->page] = FAILED;
    unlock(pager);
}

uint32_t vpm_pager_wished_frame(struct vpm_pager *pager, uint32_t page)
{
    struct vpm_ppt_entry before;

    if (page > 0 && !vpm_ppt_get(&pager->backing.ppt, page - 1, &before) &&
        before.frame != VPM_NONE)
        return before.frame + 1;
    return page % (uint32_t)pager->backing.ppt.shape.frames;
}

uint32_t vpm_pager_take_frame(struct vpm_pager *pager, uint32_t wish,
                              bool *zero)
{
    uint32_t frame = vpm_frame_take(&pager->backing, wish, zero);

    if (pager->backing.free_frames < pager->low)
        pthread_cond_signal(&pager->room);
    return frame;
}

/* Maps pages in a row, as few mappings as possible. */
static int show_moves(struct vpm_pager *pager, const struct vpm_move *moves,
                      int most)
{
    for (int from = 0, to; from < most; from = to) {
        to = from + 1;
        while (to < most && moves[to].frame == moves[to - 1].frame + 1)
            to++;
        if (vpm_pager_show(pager, moves[from].page, moves[from].frame,
                           (uint32_t)(to - from)) < 0)
            return -1;
    }
    return 0;
}

/* The frames of *moves*, pages in a row, are filled. */
void vpm_pager_enter(struct vpm_pager *pager, const struct vpm_move *moves,
                     int most)
{
    bool shown = vpm_move_in(&pager->backing, moves, most) == 0 &&
        show_moves(pager, moves, most) == 0;
    int error = errno;

    lock(pager);
    for (int i = 0; i < most; i++) {
        pager->states[moves[i].page] = shown ? MAPPED : FAILED;
        vpm_policy_enter(&pager->policy, moves[i].page);
        if (moves[i].slot != VPM_NONE)
            count(&status(pager)->in_swap, -1);
    }
    unlock(pager);
    count(&status(pager)->in_memory, most);
    if (shown)
        vpm_pager_wake(pager, moves[0].page, (uint32_t)most);
    else
        vpm_pager_report(pager, VPM_REGION_MAPPING, error, moves[0].page,
                         moves[0].slot);
}

/* -- faults -------------------------------------------------------------- */

/* Locked.  When there is no room, whoever waits tries again, later. */
bool vpm_pager_enqueue(struct vpm_pager *pager, uint32_t page, uint32_t ahead)
{
    uint32_t at = (pager->queue_head + pager->queue_count) % QUEUE_LENGTH;

    if (pager->queue_count == QUEUE_LENGTH)
        return false;
    pager->queue[at] = (struct fault){page, ahead, now_ns()};
    pager->queue_count++;
    pager->states[page] = QUEUED;
    /* A paused evictor waits until somebody needs a frame. */
    if (pager->backing.free_frames == 0)
        pthread_cond_signal(&pager->room);
    return true;
}

/* Its frame is as it was. */
static void refault(struct vpm_pager *pager, struct vpm_move *move)
{
    if (vpm_pager_show(pager, move->page, move->frame, 1) < 0) {
        vpm_pager_give_up(pager, move, VPM_REGION_MAPPING, errno);
        return;
    }
    lock(pager);
    pager->states[move->page] = MAPPED;
    unlock(pager);
    count(&status(pager)->refaults, 1);
    vpm_pager_wake(pager, move->page, 1);
}

/* Locked; returns unlocked. */
static void fault_absent(struct vpm_pager *pager, uint32_t page,
                         uint32_t slot)
{
    struct vpm_move moves[VPM_CLUSTER_MOST];
    int most = 0;
    bool queued;

    if (slot == VPM_NONE)
        most = vpm_pager_take_untouched(pager, page, moves);
    if (most > 0) {
        unlock(pager);
        vpm_pager_enter_untouched(pager, moves, most);
        return;
    }
    queued = vpm_pager_enqueue(pager, page, 0);
    unlock(pager);
    if (!queued)
        vpm_pager_wake(pager, page, 1);
}

void vpm_pager_fault(struct vpm_pager *pager, uint32_t page)
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
            vpm_pager_give_up(pager, &move, VPM_REGION_BAD_ENTRY, 0);
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
        break;  /* whoever has it wakes those who wait */
    }
    unlock(pager);
}
