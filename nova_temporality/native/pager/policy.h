/* SPDX-License-Identifier: Apache-2.0 */
/* policy.h -- which pages leave memory
 *
 * The only sign that a page is used is a fault, so pages are unmapped first
 * and *cool*, their frames intact; which of them were used meanwhile is seen
 * when they are to leave.
 *
 * Unmapping costs more than anything else that a pager does, be it one page or
 * several in a row, so pages cool in *clusters* of neighbours.  FIFO has
 * clusters of one page and one queue.  S3-FIFO has a small queue for clusters
 * that are new and a main one for those of which a page was used while it
 * cooled, or was missed soon after it had left.
 *
 * A cluster with a page in memory is in exactly one queue, or in the caller's
 * hands.  Not thread-safe. */
#ifndef VPM_PAGER_POLICY_H
#define VPM_PAGER_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "shape.h"

/* What a cluster has at most: bytes; pages, which have 4 KiB or more. */
#define VPM_CLUSTER_BYTES (64u << 10)
#define VPM_CLUSTER_MOST (VPM_CLUSTER_BYTES >> 12)

struct vpm_queue {
    uint32_t head;
    uint32_t tail;
    uint32_t count;
};

struct vpm_policy_state {
    uint32_t span;             /* pages of a cluster, a power of two */
    uint32_t frames;
    uint32_t *next;            /* of each cluster, in its queue */
    bool *queued;              /* each cluster */
    struct vpm_queue small;
    struct vpm_queue main;
    struct vpm_queue cooling;
    uint8_t *ghosts;           /* of each page: when it left, coarsely; NULL:
                                * FIFO */
    uint64_t left;             /* pages that left */
};

/* 0, or -1 with errno. */
int vpm_policy_init(struct vpm_policy_state *policy,
                    const struct vpm_shape *shape);
void vpm_policy_free(struct vpm_policy_state *policy);

/* A page came into memory. */
void vpm_policy_enter(struct vpm_policy_state *policy, uint32_t page);

/* The cluster that cools next, from now on; VPM_NONE: there is none. */
uint32_t vpm_policy_victim(struct vpm_policy_state *policy);

/* How many clusters should cool. */
uint32_t vpm_policy_cooling_target(const struct vpm_policy_state *policy);

/* Takes the cluster that cooled longest; VPM_NONE: there is none. */
uint32_t vpm_policy_cooled(struct vpm_policy_state *policy);

/* Pages of it were used again, so they stay. */
void vpm_policy_stay(struct vpm_policy_state *policy, uint32_t cluster);

/* A page left memory. */
void vpm_policy_leave(struct vpm_policy_state *policy, uint32_t page);

#endif
