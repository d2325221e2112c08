/* SPDX-License-Identifier: Apache-2.0 */
/* enter.h -- taking frames for pages and mapping them */
#ifndef VPM_ENTER_H
#define VPM_ENTER_H

#include "core.h"

/* The frame that a page should have: neighbours in neighbouring frames need
 * one mapping.  The pager's lock must be held. */
uint32_t vpm_enter_preferred_frame(struct vpm_pager *pager, uint32_t page);

/* As vpm_frame_take; wakes the evictor when few frames are left.  The pager's
 * lock must be held. */
uint32_t vpm_enter_take_frame(struct vpm_pager *pager, uint32_t preferred,
                              bool *zero);

/* Names and maps the filled frames of *moves*, pages in a row. */
void vpm_enter_map(struct vpm_pager *pager, const struct vpm_move *moves,
                   int count);

/* Reports that a page cannot be had; nobody gets it. */
void vpm_enter_fail(struct vpm_pager *pager, const struct vpm_move *move,
                    enum vpm_region_error reason, int error);

#endif
