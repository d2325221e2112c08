/* SPDX-License-Identifier: Apache-2.0 */
/* device.h -- the identity of the place where a pool lives */
#ifndef VPM_DEVICE_H
#define VPM_DEVICE_H

#include "layout.h"

/* Describes where *fd* lives, by identity *kind* (enum vpm_device_kind), or
 * by the best that there is when *kind* is 0. */
int vpm_device_identify(int fd, uint32_t kind, struct vpm_device *device,
                        struct vpm_error *err);

/* VPM_EFOREIGN unless *fd* lives where *device* says.  *path* is for the
 * message. */
int vpm_device_verify(int fd, const struct vpm_device *device,
                      const char *path, struct vpm_error *err);

#endif
