/* SPDX-License-Identifier: Apache-2.0 */
/* fixation.h -- what of a fixation the engine needs and others do not */
#ifndef VPM_FIXATION_H
#define VPM_FIXATION_H

#include "vpm.h"

/* As vpm_fixation_begin, but gives up a proven state of this epoch: the vCPUs
 * were found running, so the memory is newer. */
int vpm_fixation_begin_anew(struct vpm_fixation *fixation,
                            struct vpm_error *err);

/* As vpm_fixation_receive, but takes only what is there; *ended* says whether
 * that was all.  *fd* is non-blocking, or can be read. */
int vpm_fixation_take(struct vpm_fixation *fixation, int fd, bool *ended,
                      struct vpm_error *err);

/* Bytes of the stream that were taken. */
uint64_t vpm_fixation_length(const struct vpm_fixation *fixation);

#endif
