/* SPDX-License-Identifier: Apache-2.0 */
/* touch.h -- bringing in pages that were never touched */
#ifndef VPM_TOUCH_H
#define VPM_TOUCH_H

#include "core.h"

/* Takes frames for a page that was never touched and, while plenty are free,
 * for its neighbours of which the same is true.  Writes at most
 * VPM_CLUSTER_MOST *moves*, pages in a row; returns how many, 0 if no frame
 * is free.  The pager's lock must be held. */
int vpm_touch_take(struct vpm_pager *pager, uint32_t page,
                   struct vpm_move *moves);

/* Makes their frames zero, names and maps them. */
void vpm_touch_enter(struct vpm_pager *pager, struct vpm_move *moves,
                     int count);

#endif
