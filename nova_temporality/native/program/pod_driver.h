/* SPDX-License-Identifier: Apache-2.0 */
/* pod_driver.h -- speaks with the kernel driver of the power outage detector
 *
 * Its interface is described in pod/pod.h. */
#ifndef VPM_POD_DRIVER_H
#define VPM_POD_DRIVER_H

#include "device_methods.h"

/* Who opens it becomes its notifier. */
extern const struct vpm_device_methods vpm_pod_device;

/* Tells the driver that all is saved; twice is no error. */
int vpm_pod_acknowledge(int fd, uint64_t sequence, struct vpm_error *err);

#endif
