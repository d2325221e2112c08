/* SPDX-License-Identifier: Apache-2.0 */
/* ring.h -- the ring of outcomes in the pool file */
#ifndef VPM_RING_H
#define VPM_RING_H

#include "handle.h"

/* Finds the latest entry, after which the next one goes. */
void vpm_ring_open(struct vpm_pool *pool);

#endif
