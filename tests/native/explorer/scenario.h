/* SPDX-License-Identifier: Apache-2.0 */
/* scenario.h -- a sequence of operations and what may be found after a crash
 *
 * A new scenario is an entry of *scenarios* (scenarios.c), with functions of
 * its own or those of regions.c and another plan. */
#ifndef SCENARIO_H
#define SCENARIO_H

#include "pool.h"

struct scenario {
    const char *name;
    const void *plan;  /* what the functions make of it */

    /* Brings an empty stage to where the operations begin.  Leaves nothing
     * open. */
    void (*prepare)(const struct scenario *self);

    /* The operations, recorded.  Calls record_done when one has returned. */
    void (*operate)(const struct scenario *self);

    /* What is done after a power cut; may be cut as well.  NULL, and *err of
     * the harness, when that is not possible. */
    struct vpm_pool *(*recover)(const struct scenario *self);

    /* What is wrong with what was recovered from a crash after *done*
     * operations had returned, or NULL.  May do what it likes to it. */
    const char *(*check)(const struct scenario *self, struct vpm_pool *pool,
                         int done);
};

extern const struct scenario scenarios[];  /* ends with one without name */

#endif
