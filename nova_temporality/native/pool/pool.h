/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h -- locking a pool, and finishing what a crash interrupted in it */
#ifndef VPM_POOL_H
#define VPM_POOL_H

#include "handle.h"
#include "toc.h"

/* Waits for the pool's lock: a file descriptor, whose close gives the lock
 * back, or a vpm_code. */
int vpm_pool_lock(struct vpm_pool *pool, struct vpm_error *err);

/* Finishes a freeing region, or rolls back an allocating one: scrubs the
 * former, removes the files and frees the entry.  The pool's lock must be
 * held. */
int vpm_pool_finish(struct vpm_pool *pool, const struct vpm_entry *entry,
                    struct vpm_error *err);

/* Does that with all that a crash interrupted.  While background work is
 * paused, freeing regions are left for later, except region *urgent* (0:
 * none).  The pool's lock must be held, which says that nobody is still
 * working on what is unfinished.  May itself be interrupted.  What cannot be
 * repaired stays as it is (its space stays used), and its error is returned
 * when all else is repaired. */
int vpm_pool_repair(struct vpm_pool *pool, uint64_t urgent,
                    struct vpm_error *err);

#endif
