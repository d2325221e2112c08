/* SPDX-License-Identifier: Apache-2.0 */
/* backing.h -- an open VPM region as a pager has it: frames, slots, table
 *
 * Nothing here takes a lock: who owns what is changed by one thread at a time.
 */
#ifndef VPM_BACKING_H
#define VPM_BACKING_H

#include "ppt.h"

struct vpm_backing {
    struct vpm_ppt ppt;
    struct vpm_map frames;         /* all of NVRAM, mapped for ever */
    int ppt_fd;                    /* holds the region's pager lock */
    int ram_fd;
    int swap_fd;
    uint64_t *used_frames;         /* bitmaps */
    uint64_t *used_slots;
    uint64_t *zero_frames;         /* free ones that are known to be zero */
    uint32_t free_frames;
    uint32_t frame_cursor;
    uint32_t slot_cursor;
    char path[VPM_PATH_MAX + 1];   /* of the page table, for messages */
};

/* Opens a region by its directory, for one pager at a time (VPM_EINVAL while
 * there is another), and checks that its files belong together. */
int vpm_backing_open(struct vpm_backing *backing, const char *dir,
                     struct vpm_error *err);
void vpm_backing_close(struct vpm_backing *backing);

/* Learns from the page table, once, who owns what; *found* and errors as in
 * vpm_ppt_scan. */
int vpm_backing_scan(struct vpm_backing *backing,
                     void (*found)(void *opaque, uint32_t page,
                                   struct vpm_ppt_entry entry),
                     void *opaque, struct vpm_error *err);

static inline uint8_t *vpm_frame(const struct vpm_backing *backing,
                                 uint32_t frame)
{
    return backing->frames.addr +
        (uint64_t)frame * backing->ppt.shape.page_size;
}

/* -- who owns what: one thread at a time ---------------------------------  */

/* Takes a free frame, *preferred* if that is free; VPM_NONE if none is.
 * *zero* (or NULL): whether it is known to be zero. */
uint32_t vpm_frame_take(struct vpm_backing *backing, uint32_t preferred,
                        bool *zero);
void vpm_frame_give(struct vpm_backing *backing, uint32_t frame);

/* Takes the next free slot in the order of the file; there always is one. */
uint32_t vpm_slot_take(struct vpm_backing *backing);

/* Which eighth of the file a slot is in. */
uint32_t vpm_slot_zone(const struct vpm_backing *backing, uint32_t slot);
void vpm_slot_give(struct vpm_backing *backing, uint32_t slot);

#endif
