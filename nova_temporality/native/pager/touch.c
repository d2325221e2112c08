/* SPDX-License-Identifier: Apache-2.0 */
/* touch.c -- brings in pages that were never touched */
#include "core.h"

#include <errno.h>

/* Locked.  Whether a page has neither frame nor slot, and nobody wants it. */
static bool is_untouched(const struct vpm_pager *pager, uint32_t page)
{
    struct vpm_ppt_entry entry;

    return page < pager->backing.ppt.shape.pages &&
        pager->states[page] == ABSENT &&
        !vpm_ppt_get(&pager->backing.ppt, page, &entry) &&
        entry.frame == VPM_NONE && entry.slot == VPM_NONE;
}

/* A cluster leaves memory as a whole, so it may as well come as one: who
 * touches a page for the first time mostly goes on to its neighbours, and a
 * fault costs more than a few pages of zeros. */
int vpm_pager_take_untouched(struct vpm_pager *pager, uint32_t page,
                             struct vpm_move *moves)
{
    uint32_t span = pager->policy.span;
    uint32_t first = page, end = page + 1;
    uint32_t wish;
    int most = 0;

    if (pager->backing.free_frames == 0)
        return 0;
    if (pager->backing.free_frames >= pager->low + span) {
        while (first % span && is_untouched(pager, first - 1))
            first--;
        while (end % span && is_untouched(pager, end))
            end++;
    }
    wish = vpm_pager_wished_frame(pager, first);
    for (page = first; page < end; page++) {
        struct vpm_move *move = &moves[most++];

        *move = (struct vpm_move){.page = page, .slot = VPM_NONE};
        move->frame = vpm_pager_take_frame(pager, wish, &move->zero);
        wish = move->frame + 1;
        pager->states[page] = ENTERING;
    }
    return most;
}

void vpm_pager_enter_untouched(struct vpm_pager *pager,
                               struct vpm_move *moves, int most)
{
    int zero = 0;

    while (zero < most && (moves[zero].zero || vpm_move_zero(
           &pager->backing, moves[zero].frame) == 0))
        zero++;
    if (zero == most) {
        vpm_pager_enter(pager, moves, most);
        return;
    }
    for (int i = 0, error = errno; i < most; i++)
        vpm_pager_give_up(pager, &moves[i], VPM_REGION_MAPPING, error);
}
