/* SPDX-License-Identifier: Apache-2.0 */
/* pool_pause.h -- pausing the background work on a pool (see vpm.h)
 *
 * The owner's side of pause.h, apart from it because pagers only read. */
#ifndef VPM_POOL_PAUSE_H
#define VPM_POOL_PAUSE_H

#include "vpm.h"

/* Makes the file, if it is not there or has no space: a full file system
 * must not prevent a pause.  0, or -1 with errno. */
int vpm_pool_pause_make(int dir_fd);

#endif
