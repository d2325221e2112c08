/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h -- an open pool; all of it but for ring_sequence stays as it is until
 * vpm_pool_close */
#ifndef VPM_POOL_H
#define VPM_POOL_H

#include "poolfile.h"

struct vpm_pool {
    int dir_fd;
    int regions_fd;
    struct vpm_poolfile file;
    char path[VPM_PATH_MAX + 1];  /* absolute */
    char medium[16];
    uint64_t ring_sequence;       /* of the latest entry; atomic */
};

/* Takes the pool's lock: a file descriptor to close, or a vpm_code. */
int vpm_pool_lock(struct vpm_pool *pool, struct vpm_error *err);

/* Finishes a freeing region, or rolls back an allocating one: scrubs the
 * former, removes the files and frees the entry.  The pool's lock must be
 * held. */
int vpm_pool_finish(struct vpm_pool *pool, const struct vpm_slot *slot,
                    struct vpm_error *err);

/* Does that with all that a crash interrupted.  While background work is
 * paused, what is freeing waits, but for region *urgent* (0: none).  The pool's
 * lock must be held: no owner of what is unfinished lives.  May itself be
 * interrupted.
 * What cannot be repaired stays as it is (its space stays used) and is the
 * error returned; all else is repaired. */
int vpm_pool_repair(struct vpm_pool *pool, uint64_t urgent,
                    struct vpm_error *err);

#endif
