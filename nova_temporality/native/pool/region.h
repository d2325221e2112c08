/* SPDX-License-Identifier: Apache-2.0 */
/* region.h -- finding regions */
#ifndef VPM_REGION_H
#define VPM_REGION_H

#include "pool.h"

/* Finds the live region with this id. */
int vpm_region_find(struct vpm_pool *pool, uint64_t id,
                    struct vpm_slot *slot, struct vpm_error *err);

/* Reads the entry of a region that was found before: VPM_ENOENT when it has
 * been freed meanwhile. */
int vpm_region_again(struct vpm_pool *pool, const struct vpm_toc_body *body,
                     struct vpm_slot *slot, struct vpm_error *err);

#endif
