/* SPDX-License-Identifier: Apache-2.0 */
/* policy.h -- which page leaves memory
 *
 * The only sign that a page is used is a fault, so a victim is unmapped first
 * and *cools*, its frame intact; whether it was used meanwhile is seen when it
 * is to leave.  FIFO has one queue.  S3-FIFO has a small one for what is new
 * and a main one for what was used again, or was missed soon after it left.
 *
 * A frame with a page is in exactly one queue, or in the caller's hands.  Not
 * thread-safe. */
#ifndef VPM_PAGER_POLICY_H
#define VPM_PAGER_POLICY_H

#include <stdbool.h>
#include <stdint.h>

struct vpm_queue {
    uint32_t head;
    uint32_t tail;
    uint32_t count;
};

struct vpm_policy_state {
    uint32_t kind;             /* enum vpm_policy */
    uint32_t frames;
    uint32_t *next;            /* of each frame, in its queue */
    struct vpm_queue small;
    struct vpm_queue main;
    struct vpm_queue cooling;
    uint8_t *ghosts;           /* of each page: when it left, coarsely */
    uint64_t left;             /* pages that left */
};

/* 0, or -1 with errno. */
int vpm_policy_init(struct vpm_policy_state *policy, uint32_t kind,
                    uint32_t frames, uint32_t pages);
void vpm_policy_free(struct vpm_policy_state *policy);

/* A page came into memory. */
void vpm_policy_enter(struct vpm_policy_state *policy, uint32_t frame,
                      uint32_t page);

/* Takes a candidate from its queue; VPM_NONE: there is none. */
uint32_t vpm_policy_victim(struct vpm_policy_state *policy);

/* It is unmapped and cools. */
void vpm_policy_cool(struct vpm_policy_state *policy, uint32_t frame);

/* Takes the one that cooled longest; VPM_NONE: there is none. */
uint32_t vpm_policy_cooled(struct vpm_policy_state *policy);

/* How many should cool. */
uint32_t vpm_policy_cooling_target(const struct vpm_policy_state *policy);

/* It was used again, so it stays. */
void vpm_policy_stay(struct vpm_policy_state *policy, uint32_t frame);

/* Its page left memory. */
void vpm_policy_leave(struct vpm_policy_state *policy, uint32_t page);

#endif
