/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h -- locking a pool */
#ifndef VPM_POOL_H
#define VPM_POOL_H

#include "handle.h"
#include "toc.h"

/* Waits for the pool's lock: a file descriptor, whose close gives the lock
 * back, or a vpm_code. */
int vpm_pool_lock(struct vpm_pool *pool, struct vpm_error *err);

#endif
