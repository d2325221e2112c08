/* SPDX-License-Identifier: Apache-2.0 */
/* move.c -- moving pages between frames and slots, in the order of ppt.h */
#include "move.h"

#include <string.h>

#define IOV_MOST 64

static uint64_t frame_at(const struct vpm_backing *backing, uint32_t frame)
{
    return (uint64_t)frame * backing->ppt.shape.page_size;
}

static int persist_frame(struct vpm_backing *backing, uint32_t frame)
{
    return vpm_persist_range(&backing->frames, frame_at(backing, frame),
                             backing->ppt.shape.page_size);
}

int vpm_move_zero(struct vpm_backing *backing, uint32_t frame)
{
    memset(vpm_frame(backing, frame), 0, backing->ppt.shape.page_size);
    return persist_frame(backing, frame);
}

/* -- in ------------------------------------------------------------------ */

int vpm_move_gather(const struct vpm_backing *backing,
                    const struct vpm_move *moves, int count,
                    struct iovec *iov)
{
    int used = 0;

    while (used < count && moves[used].slot == moves[0].slot +
           (uint32_t)used) {
        iov[used].iov_base = vpm_frame(backing, moves[used].frame);
        iov[used].iov_len = backing->ppt.shape.page_size;
        used++;
    }
    return used;
}

enum vpm_region_error vpm_move_check(struct vpm_backing *backing,
                                     const struct vpm_move *moves, int count)
{
    const struct vpm_ppt *ppt = &backing->ppt;

    for (int i = 0; i < count; i++) {
        if (vpm_ppt_slot_word(ppt, moves[i].page,
                              vpm_frame(backing, moves[i].frame)) !=
            vpm_ppt_get_slot(ppt, moves[i].slot))
            return VPM_REGION_BAD_SLOT;
        if (persist_frame(backing, moves[i].frame) < 0)
            return VPM_REGION_SWAP_IN;
    }
    return VPM_REGION_SOUND;
}

int vpm_move_in(struct vpm_backing *backing, const struct vpm_move *moves,
                int count)
{
    for (int i = 0; i < count; i++)
        vpm_ppt_set(&backing->ppt, moves[i].page,
                    (struct vpm_ppt_entry){moves[i].frame, moves[i].slot});
    return vpm_ppt_fence_entries(&backing->ppt);
}

/* -- out ----------------------------------------------------------------- */

/* A page whose digest is that of its slot was not written since it came from
 * there. */
void vpm_move_digest(struct vpm_backing *backing, struct vpm_move *moves,
                     int count)
{
    const struct vpm_ppt *ppt = &backing->ppt;

    for (int i = 0; i < count; i++) {
        struct vpm_move *move = &moves[i];

        move->word = vpm_ppt_slot_word(ppt, move->page,
                                       vpm_frame(backing, move->frame));
        move->clean = move->old_slot != VPM_NONE &&
            move->word == vpm_ppt_get_slot(ppt, move->old_slot);
        if (move->clean)
            move->slot = move->old_slot;
    }
}

static int write_run(struct vpm_backing *backing,
                     const struct vpm_move *moves, int count)
{
    struct iovec iov[IOV_MOST];
    int run = 0;

    while (run < count && !moves[run].clean)
        run++;
    run = vpm_move_gather(backing, moves, run < IOV_MOST ? run : IOV_MOST,
                          iov);
    if (vpm_persist->write(backing->swap_fd, (uint64_t)moves[0].slot *
                           backing->ppt.shape.page_size, iov, run) < 0)
        return -1;
    return run;
}

int vpm_move_write(struct vpm_backing *backing, const struct vpm_move *moves,
                   int count)
{
    bool written = false;

    for (int done = 0; done < count;) {
        int run = 1;

        if (!moves[done].clean) {
            run = write_run(backing, moves + done, count - done);
            written = true;
        }
        if (run < 0)
            return -1;
        done += run;
    }
    return written ? vpm_persist->datasync(backing->swap_fd) : 0;
}

int vpm_move_out(struct vpm_backing *backing, const struct vpm_move *moves,
                 int count)
{
    const struct vpm_ppt *ppt = &backing->ppt;

    for (int i = 0; i < count; i++)
        if (!moves[i].clean)
            vpm_ppt_set_slot(ppt, moves[i].slot, moves[i].word);
    if (vpm_ppt_fence_slots(ppt) < 0)
        return -1;
    for (int i = 0; i < count; i++)
        vpm_ppt_set(ppt, moves[i].page,
                    (struct vpm_ppt_entry){VPM_NONE, moves[i].slot});
    return vpm_ppt_fence_entries(ppt);
}

int vpm_move_drop(struct vpm_backing *backing, const struct vpm_move *moves,
                  int count)
{
    for (int i = 0; i < count; i++)
        vpm_ppt_set(&backing->ppt, moves[i].page,
                    (struct vpm_ppt_entry){moves[i].frame, VPM_NONE});
    return vpm_ppt_fence_entries(&backing->ppt);
}
