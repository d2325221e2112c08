/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.h -- finding regions and describing them */
#ifndef VPM_LOOKUP_H
#define VPM_LOOKUP_H

#include "handle.h"
#include "toc.h"

/* Finds the live region with this id.  Damage of other entries does not hide
 * it. */
int vpm_lookup_id(struct vpm_pool *pool, uint64_t id, struct vpm_entry *entry,
                  struct vpm_error *err);

/* Finds a region by its name, be it live, allocating or freeing.  One with the
 * same id and another name is not found. */
int vpm_lookup_name(struct vpm_pool *pool, const char *name,
                    uint32_t sequence, struct vpm_entry *entry,
                    struct vpm_error *err);

/* Reads the entry of a region that was found before: VPM_ENOENT when it has
 * been freed meanwhile. */
int vpm_lookup_again(struct vpm_pool *pool, const struct vpm_toc_body *body,
                     struct vpm_entry *entry, struct vpm_error *err);

/* Says what callers of libvpm are told about a live region. */
void vpm_lookup_describe(const struct vpm_pool *pool,
                         const struct vpm_entry *entry,
                         struct vpm_region_info *info);

#endif
