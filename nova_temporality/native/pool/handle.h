/* SPDX-License-Identifier: Apache-2.0 */
/* handle.h -- an open pool, as all that work on it see it
 *
 * All of it but ring_sequence, and the medium in CONF, stays as it is from
 * vpm_pool_open to vpm_pool_close, so threads need no lock to read it. */
#ifndef VPM_HANDLE_H
#define VPM_HANDLE_H

#include "poolfile.h"

struct vpm_pool {
    int dir_fd;
    int regions_fd;
    struct vpm_poolfile file;
    char path[VPM_PATH_MAX + 1];  /* absolute */
    enum vpm_medium medium;
    uint64_t ring_sequence;       /* of the latest entry; atomic */
};

#endif
