/* SPDX-License-Identifier: Apache-2.0 */
/* pool_pause.h -- pausing the background work on a pool (see vpm.h)
 *
 * The owner's side of pause.h, apart from it because pagers only read. */
#ifndef VPM_POOL_PAUSE_H
#define VPM_POOL_PAUSE_H

#include "vpm.h"

#endif
