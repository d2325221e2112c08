/* SPDX-License-Identifier: Apache-2.0 */
/* region.h -- allocating, changing and freeing regions (see vpm.h)
 *
 * Who changes the TOC holds the pool's lock; who changes one region only holds
 * that region's (see lock.h). */
#ifndef VPM_REGION_H
#define VPM_REGION_H

#include "vpm.h"

#endif
