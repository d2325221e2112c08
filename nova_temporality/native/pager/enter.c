/* SPDX-License-Identifier: Apache-2.0 */
/* enter.c -- taking frames for pages and mapping them */
#include "enter.h"

#include <errno.h>

void vpm_enter_fail(struct vpm_pager *pager, const struct vpm_move *move,
                    enum vpm_region_error reason, int error)
{
    vpm_pager_report(pager, reason, error, move->page, move->slot);
    lock(pager);
    pager->states[move->page] = FAILED;
    unlock(pager);
}

uint32_t vpm_enter_preferred_frame(struct vpm_pager *pager, uint32_t page)
{
    struct vpm_ppt_entry before;

    if (page > 0 && !vpm_ppt_get(&pager->backing.ppt, page - 1, &before) &&
        before.frame != VPM_NONE)
        return before.frame + 1;
    return page % (uint32_t)pager->backing.ppt.shape.frames;
}

uint32_t vpm_enter_take_frame(struct vpm_pager *pager, uint32_t preferred,
                              bool *zero)
{
    uint32_t frame = vpm_frame_take(&pager->backing, preferred, zero);

    if (pager->backing.free_frames < pager->low)
        pthread_cond_signal(&pager->room);
    return frame;
}

/* Maps pages in a row, with as few mappings as possible. */
static int show_moves(struct vpm_pager *pager, const struct vpm_move *moves,
                      int count)
{
    for (int from = 0, to; from < count; from = to) {
        to = from + 1;
        while (to < count && moves[to].frame == moves[to - 1].frame + 1)
            to++;
        if (vpm_pager_show(pager, moves[from].page, moves[from].frame,
                           (uint32_t)(to - from)) < 0)
            return -1;
    }
    return 0;
}

void vpm_enter_map(struct vpm_pager *pager, const struct vpm_move *moves,
                   int count)
{
    bool shown = vpm_move_in(&pager->backing, moves, count) == 0 &&
        show_moves(pager, moves, count) == 0;
    int error = errno;

    lock(pager);
    for (int i = 0; i < count; i++) {
        pager->states[moves[i].page] = shown ? MAPPED : FAILED;
        vpm_policy_enter(&pager->policy, moves[i].page);
        if (moves[i].slot != VPM_NONE)
            add(&status(pager)->in_swap, -1);
    }
    unlock(pager);
    add(&status(pager)->in_memory, count);
    if (shown)
        vpm_pager_wake(pager, moves[0].page, (uint32_t)count);
    else
        vpm_pager_report(pager, VPM_REGION_MAPPING, error, moves[0].page,
                         moves[0].slot);
}
