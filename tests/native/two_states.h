/* SPDX-License-Identifier: Apache-2.0 */
/* two_states.h -- two regions with proven states, for tests that spoil them */
#ifndef TWO_STATES_H
#define TWO_STATES_H

#include "harness.h"

#define STREAM 5000  /* bytes of each state */

extern struct vpm_pool *pool;
extern struct vpm_region_info a, b;

/* Makes pool, regions and states; closes the pool. */
void start(void);
void stop(void);

/* Whether a region's state is proven: a vpm_code. */
int verify(uint64_t id);

/* A region's state is neither proven nor sent, for this reason. */
void unproven(uint64_t id, const char *reason);

/* Path of a region's state file. */
const char *state_of(const struct vpm_region_info *region);

/* Copies a file; a state file to a file; that back. */
void copy(const char *from, const char *to);
void save(const struct vpm_region_info *region, const char *name);
void restore(const char *name, const struct vpm_region_info *region);

#endif
