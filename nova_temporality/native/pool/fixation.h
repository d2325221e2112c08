/* SPDX-License-Identifier: Apache-2.0 */
/* fixation.h -- what only the engine needs of a fixation */
#ifndef VPM_FIXATION_H
#define VPM_FIXATION_H

#include "vpm.h"

/* As vpm_fixation_begin, but discards a proven state of this epoch: the vCPUs
 * were found running, so the memory is newer. */
int vpm_fixation_begin_anew(struct vpm_fixation *fixation,
                            struct vpm_error *err);

/* Most bytes that are read at once: a few of these fit in the CPU caches. */
#define VPM_FIXATION_CHUNK ((size_t)256 << 10)

/* As vpm_fixation_receive, but reads a chunk, and only what is there; *ended*
 * says whether the stream is at its end.  *fd* is non-blocking, or can be
 * read. */
int vpm_fixation_take(struct vpm_fixation *fixation, int fd, bool *ended,
                      struct vpm_error *err);

/* Whether a fixation is worth something, as far as can be seen at once.
 * VPM_EMEDIUM when the pool or the region's ram is not on the medium that the
 * pool was made on; VPM_ECORRUPT when the ram is not as it was made: a state
 * would not be proven then, others' space is taken, or space is missing. */
int vpm_fixation_check_ram(const struct vpm_fixation *fixation,
                           struct vpm_error *err);

/* Makes the pages for a stream of *length* bytes, at least a usual one,
 * writable again without a fault: periodic write-back protects what is dirty,
 * on DAX, too.  Ends soon after *until_ns* (CLOCK_MONOTONIC), and says whether
 * it is *done*; called again, it goes on. */
int vpm_fixation_touch(struct vpm_fixation *fixation, uint64_t length,
                       uint64_t until_ns, bool *done, struct vpm_error *err);

/* Bytes of the stream that were read. */
uint64_t vpm_fixation_length(const struct vpm_fixation *fixation);

#endif
