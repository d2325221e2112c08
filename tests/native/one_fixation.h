/* SPDX-License-Identifier: Apache-2.0 */
/* one_fixation.h -- a region and one fixation of it */
#ifndef ONE_FIXATION_H
#define ONE_FIXATION_H

#include "harness.h"

extern const struct vpm_fixation_meta meta;
extern struct vpm_pool *pool;
extern struct vpm_region_info region;
extern struct vpm_fixation *fixation;
extern uint64_t persisted_ns;  /* of the last commit */

/* Makes a pool with a region in epoch 1 and opens the fixation; closes all. */
void start(void);
void stop(void);

/* The steps of a fixation; receive closes *fd*. */
int receive(int fd);
int commit(void);

/* Whether the region's state is proven: a vpm_code. */
int verify(void);

#endif
