/* SPDX-License-Identifier: Apache-2.0 */
/* shape.h -- how a VPM region is divided: pages, frames, slots */
#ifndef VPM_SHAPE_H
#define VPM_SHAPE_H

#include "layout.h"

struct vpm_shape {
    uint64_t virtual_size;
    uint64_t nvram_size;
    uint32_t page_size;
    uint32_t policy;
    uint64_t pages;        /* of the virtual size */
    uint64_t frames;       /* pages that NVRAM holds */
    uint64_t slots;        /* pages that the swap file holds */
    uint64_t entries_at;   /* offsets in the page table file */
    uint64_t slots_at;
    uint64_t length;       /* of that file */
};

/* The sizes must be multiples of the page size. */
struct vpm_shape vpm_shape(uint64_t virtual_size, uint64_t nvram_size,
                           uint32_t page_size, uint32_t policy);

/* NULL, or what is impossible about sizes, page size or policy. */
const char *vpm_shape_fault(uint64_t virtual_size, uint64_t nvram_size,
                            uint32_t page_size, uint32_t policy);

/* Chooses the page size (or checks the one that is asked for) against
 * vm.max_map_count, and rounds the sizes up to it and to *granule*. */
int vpm_shape_choose(const char *name, const struct vpm_vpm_params *params,
                     uint32_t granule, struct vpm_shape *shape,
                     struct vpm_error *err);

/* VPM_EINVAL when this host's vm.max_map_count is too low for a region. */
int vpm_shape_check_host(const struct vpm_shape *shape,
                         struct vpm_error *err);

#endif
