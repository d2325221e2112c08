/* SPDX-License-Identifier: Apache-2.0 */
/* lock.h -- locks that end with the process that owns them
 *
 * flock(2) belongs to an open file description, and every acquisition opens
 * its own, so that threads of one process exclude each other as well.
 *
 * The pool's lock file serialises those who take or give back descriptors, a
 * region's directory those who change that region; finish.h has the order. */
#ifndef VPM_LOCK_H
#define VPM_LOCK_H

#include "handle.h"

/* Opens file or directory *name* in *dir_fd* and waits for its exclusive
 * lock.  Returns a file descriptor, whose close gives the lock back, or -1
 * with errno. */
int vpm_lock(int dir_fd, const char *name);

/* The same without waiting; errno is EWOULDBLOCK when another owns it. */
int vpm_lock_try(int dir_fd, const char *name);

/* Waits for the pool's lock: a file descriptor, whose close gives the lock
 * back, or a vpm_code. */
int vpm_pool_lock(struct vpm_pool *pool, struct vpm_error *err);

#endif
