/* SPDX-License-Identifier: Apache-2.0 */
/* pod_driver.h -- speaks with the kernel driver of the power outage detector
 *
 * Its interface is described in pod/pod.h. */
#ifndef VPM_POD_DRIVER_H
#define VPM_POD_DRIVER_H

#include "protocol.h"

/* Opens the driver's device and becomes its notifier.  Returns the descriptor,
 * which does not block, or a negative code. */
int vpm_pod_open(const struct vpm_watch *watch, struct vpm_error *err);

/* Becomes the notifier with a descriptor that another process has opened. */
int vpm_pod_register(int fd, const struct vpm_watch *watch,
                     struct vpm_error *err);

/* Reads what the driver says, *most* words at most.  Returns how many, 0 when
 * there is nothing; a negative code when it is not to be used any more: what
 * it said before that, *count* words, counts. */
int vpm_pod_read(int fd, struct vpm_word *words, uint32_t most,
                 uint32_t *count, struct vpm_error *err);

/* Tells the driver that all is saved; twice is no error. */
int vpm_pod_acknowledge(int fd, uint64_t sequence, struct vpm_error *err);

#endif
