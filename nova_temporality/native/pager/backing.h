/* SPDX-License-Identifier: Apache-2.0 */
/* backing.h -- an open VPM region as a pager has it: frames, slots, table
 *
 * Nothing here takes a lock or knows which pages are mapped: pager.c makes
 * sure that nobody touches a frame that is moved, and calls from one thread
 * at a time where a function says so. */
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

/* A page on its way. */
struct vpm_move {
    uint32_t page;
    uint32_t frame;
    uint32_t slot;                 /* to read, or to write */
    uint32_t old_slot;             /* out: of an earlier copy, or VPM_NONE */
    uint64_t word;                 /* out: of the slot */
    bool zero;                     /* in, untouched: its frame is zero */
    bool clean;                    /* out: the earlier copy is good */
    bool wanted;                   /* out: somebody touched it meanwhile */
    uint8_t was;                   /* out: state before (pager.c) */
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

/* Takes a free frame, *wish* if that is free; VPM_NONE if none is.  *zero*
 * (or NULL): whether it is known to be zero. */
uint32_t vpm_frame_take(struct vpm_backing *backing, uint32_t wish,
                        bool *zero);
void vpm_frame_give(struct vpm_backing *backing, uint32_t frame);

/* Takes the next free slot in the order of the file; there always is one. */
uint32_t vpm_slot_take(struct vpm_backing *backing);

/* Which eighth of the file a slot is in. */
uint32_t vpm_slot_zone(const struct vpm_backing *backing, uint32_t slot);
void vpm_slot_give(struct vpm_backing *backing, uint32_t slot);

/* -- moving: any thread, on frames and slots that are its own ------------- */

/* Makes a frame zero, durably. */
int vpm_move_zero(struct vpm_backing *backing, uint32_t frame);

/* The frames of moves, as long as their slots are in a row: how many. */
int vpm_move_gather(const struct vpm_backing *backing,
                    const struct vpm_move *moves, int count,
                    struct iovec *iov);

/* Proves what was read from slots into frames, and makes it durable:
 * VPM_REGION_SOUND, or why not (errno). */
enum vpm_region_error vpm_move_check(struct vpm_backing *backing,
                                     const struct vpm_move *moves,
                                     int count);

/* Names the frames of pages, durably. */
int vpm_move_in(struct vpm_backing *backing, const struct vpm_move *moves,
                int count);

/* Digests pages and says which of them need to be written. */
void vpm_move_digest(struct vpm_backing *backing, struct vpm_move *moves,
                     int count);

/* Writes those that are not clean to their slots, durably.  0, or -1 with
 * errno. */
int vpm_move_write(struct vpm_backing *backing, const struct vpm_move *moves,
                   int count);

/* Names the slots of pages alone, durably: their frames, and earlier slots of
 * those that are not clean, are free from then on. */
int vpm_move_out(struct vpm_backing *backing, const struct vpm_move *moves,
                 int count);

/* Forgets the slots beside the frames of pages, durably: they are free from
 * then on. */
int vpm_move_drop(struct vpm_backing *backing, const struct vpm_move *moves,
                  int count);

#endif
