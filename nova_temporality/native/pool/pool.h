/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h -- making and opening pools (vpm.h has the functions) */
#ifndef VPM_POOL_H
#define VPM_POOL_H

#include "handle.h"
#include "toc.h"

#endif
