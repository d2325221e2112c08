/* SPDX-License-Identifier: Apache-2.0 */
/* touch.c -- brings in pages that were never touched */
#include "touch.h"

#include <errno.h>

#include "enter.h"

/* Whether a page has neither frame nor slot, and nobody wants it.  The lock
 * must be held. */
static bool is_untouched(const struct vpm_pager *pager, uint32_t page)
{
    struct vpm_ppt_entry entry;

    return page < pager->backing.ppt.shape.pages &&
        pager->states[page] == ABSENT &&
        !vpm_ppt_get(&pager->backing.ppt, page, &entry) &&
        entry.frame == VPM_NONE && entry.slot == VPM_NONE;
}

/* Who touches a page for the first time mostly goes on to its neighbours, and
 * a fault costs more than a few pages of zeros.  So the neighbours come with
 * it, as far as the cluster that leaves memory as a whole, too. */
int vpm_touch_take(struct vpm_pager *pager, uint32_t page,
                   struct vpm_move *moves)
{
    uint32_t span = pager->policy.span;
    uint32_t first = page, end = page + 1;
    uint32_t preferred;
    int count = 0;

    if (pager->backing.free_frames == 0)
        return 0;
    if (pager->backing.free_frames >= pager->low + span) {
        while (first % span && is_untouched(pager, first - 1))
            first--;
        while (end % span && is_untouched(pager, end))
            end++;
    }
    preferred = vpm_enter_preferred_frame(pager, first);
    for (page = first; page < end; page++) {
        struct vpm_move *move = &moves[count++];

        *move = (struct vpm_move){.page = page, .slot = VPM_NONE};
        move->frame = vpm_enter_take_frame(pager, preferred, &move->zero);
        preferred = move->frame + 1;
        pager->states[page] = ENTERING;
    }
    return count;
}

void vpm_touch_enter(struct vpm_pager *pager,
                     struct vpm_move *moves, int count)
{
    int zero = 0;

    while (zero < count && (moves[zero].zero || vpm_move_zero(
           &pager->backing, moves[zero].frame) == 0))
        zero++;
    if (zero == count) {
        vpm_enter_map(pager, moves, count);
        return;
    }
    for (int i = 0, error = errno; i < count; i++)
        vpm_enter_fail(pager, &moves[i], VPM_REGION_MAPPING, error);
}
