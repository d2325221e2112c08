/* SPDX-License-Identifier: Apache-2.0 */
/* lock.h -- locks that end with the process that owns them
 *
 * flock(2) belongs to an open file description, and every acquisition opens
 * its own, so that threads of one process exclude each other as well.
 *
 * Order: first the pool's lock file, which serialises nvalloc, nvfree and
 * repair, then a region's directory, which serialises what changes one
 * region's epoch and contents. */
#ifndef VPM_LOCK_H
#define VPM_LOCK_H

/* Opens file or directory *name* in *dir_fd* and waits for its exclusive
 * lock.  Returns a file descriptor, whose close gives the lock back, or -1
 * with errno. */
int vpm_lock(int dir_fd, const char *name);

/* The same without waiting; errno is EWOULDBLOCK when another owns it. */
int vpm_lock_try(int dir_fd, const char *name);

#endif
