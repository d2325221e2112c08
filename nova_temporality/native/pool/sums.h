/* SPDX-License-Identifier: Apache-2.0 */
/* sums.h -- all that sums.c offers is public */
#ifndef VPM_SUMS_H
#define VPM_SUMS_H

#include "vpm.h"

#endif
