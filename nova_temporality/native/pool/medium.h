/* SPDX-License-Identifier: Apache-2.0 */
/* medium.h -- on what a pool can lie */
#ifndef VPM_MEDIUM_H
#define VPM_MEDIUM_H

#include "vpm.h"

/* "dax", "tmpfs", "file"; empty for any other number. */
const char *vpm_medium_name(uint32_t medium);

/* VPM_EMEDIUM unless a pool may be made on *found*; *wanted* are the bits of
 * vpm_pool_params. */
int vpm_medium_wanted(uint32_t wanted, enum vpm_medium found,
                      struct vpm_error *err);

#endif
