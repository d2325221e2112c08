/* SPDX-License-Identifier: Apache-2.0 */
/* device.h -- the identity of the file system and file that a pool is in */
#ifndef VPM_DEVICE_H
#define VPM_DEVICE_H

#include "layout.h"

/* Describes where *fd* is, by the best identity that there is. */
int vpm_device_identify(int fd, struct vpm_device *device,
                        struct vpm_error *err);

/* VPM_EFOREIGN unless *fd* is where *device* says.  *path* is for the
 * message. */
int vpm_device_verify(int fd, const struct vpm_device *device,
                      const char *path, struct vpm_error *err);

#endif
