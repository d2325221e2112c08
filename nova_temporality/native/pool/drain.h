/* SPDX-License-Identifier: Apache-2.0 */
/* drain.h -- emptying a file of a freed region, from its end */
#ifndef VPM_DRAIN_H
#define VPM_DRAIN_H

#include "handle.h"

/* Zeroes a file's last bytes durably, cuts them off, and so on until nothing
 * is left.  So its size says how far that has come: after a crash it goes on
 * there.  Stops between two steps, and sets *left, when background work is
 * paused, unless it is urgent.  0, or -1 with errno. */
int vpm_drain(struct vpm_pool *pool, int fd, bool urgent, bool *left);

#endif
