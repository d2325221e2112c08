/* SPDX-License-Identifier: Apache-2.0 */
/* move.h -- moving pages between frames and slots, in the order of ppt.h
 *
 * Any thread may move pages, on frames and slots that are its own.  Nothing
 * here knows which pages are mapped: the caller makes sure that nobody touches
 * a frame that is moved. */
#ifndef VPM_MOVE_H
#define VPM_MOVE_H

#include "backing.h"

/* A page that is moved: *in* to a frame, or *out* to a slot. */
struct vpm_move {
    uint32_t page;
    uint32_t frame;
    uint32_t slot;                 /* to read, or to write */
    uint32_t old_slot;             /* out: of an earlier copy, or VPM_NONE */
    uint64_t word;                 /* out: of the slot */
    bool zero;                     /* in, untouched: its frame is zero */
    bool clean;                    /* out: the earlier copy is good */
    bool wanted;                   /* out: somebody touched it meanwhile */
    uint8_t was;                   /* out: state before (core.h) */
};

/* Makes a frame zero, durably. */
int vpm_move_zero(struct vpm_backing *backing, uint32_t frame);

/* Gathers the frames of moves as long as their slots are in a row; returns
 * how many. */
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
