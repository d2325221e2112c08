/* SPDX-License-Identifier: Apache-2.0 */
/* region.h -- allocating, changing and freeing regions (see vpm.h)
 *
 * Who changes a region holds that region's lock, and the pool's while a
 * descriptor is taken or given back (see finish.h). */
#ifndef VPM_REGION_H
#define VPM_REGION_H

#include "vpm.h"

#endif
