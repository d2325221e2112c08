/* SPDX-License-Identifier: Apache-2.0 */
/* fixation.h -- receiving a stream bit by bit */
#ifndef VPM_FIXATION_H
#define VPM_FIXATION_H

#include "vpm.h"

/* As vpm_fixation_receive, but takes only what is there; *ended* says whether
 * that was all.  *fd* is non-blocking, or can be read. */
int vpm_fixation_take(struct vpm_fixation *fixation, int fd, bool *ended,
                      struct vpm_error *err);

/* Bytes of the stream that were taken. */
uint64_t vpm_fixation_length(const struct vpm_fixation *fixation);

/* CLOCK_MONOTONIC. */
uint64_t vpm_now_ns(void);

#endif
