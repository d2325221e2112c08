/* SPDX-License-Identifier: Apache-2.0 */
/* pool_medium.h -- on what a pool was made, and whether it lies there (vpm.h
 * has the other functions) */
#ifndef VPM_POOL_MEDIUM_H
#define VPM_POOL_MEDIUM_H

#include "handle.h"

/* Under the pool's lock: mends CONF, or its copy, and records the medium if
 * that is not recorded and speaks for itself.  What fails leaves a pool that
 * can be used, and is tried again by the next one. */
void vpm_pool_medium_keep(struct vpm_pool *pool);

#endif
