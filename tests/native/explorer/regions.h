/* SPDX-License-Identifier: Apache-2.0 */
/* regions.h -- scenarios of one region's life beside another's
 *
 * The region "victim" goes through the steps; "bystander", which was fixated
 * before, must not notice.  The oracle is a model of what the steps that have
 * returned make of the victim (struct expect in regions.c): after a crash
 * there is what was before the next step or what will be after it, or what
 * the step is allowed to have done by half. */
#ifndef REGIONS_H
#define REGIONS_H

#include "scenario.h"

#define REGIONS_STEPS 24

enum step_kind {
    END,        /* of the steps */
    CREATE,     /* the pool */
    BYSTANDER,  /* before: makes it */
    ALLOC,
    SUCCESSOR,  /* another region, where the victim's descriptor is free */
    EPOCH,
    WRITE,      /* the server writes *byte* all over its memory */
    BEGIN,      /* a fixation */
    RECEIVE,    /* *length* of *byte* */
    COMMIT,
    REFUSED,    /* the same, but an epoch was begun meanwhile */
    SCRUB,
    FREE,
    PAUSE,      /* background work: what is freed is not scrubbed */
    UNPAUSE,
    FINISH,     /* what was freed is scrubbed */
    CUT_OFF,    /* before: somebody truncates the victim's files */
    AGE,        /* before: the pool becomes one that does not say on what it
                 * was made, and lies on an ordinary file system */
    RECORD,     /* an operator says that it was made there */
};

struct step {
    enum step_kind kind;
    int byte;
    uint32_t length;
    int stop;  /* before: the last one ends in this call of the persistence
                * interface, counted from 0; 0: not at all */
};

struct plan {
    struct step before[REGIONS_STEPS];
    struct step steps[REGIONS_STEPS];
};

void regions_prepare(const struct scenario *self);
void regions_operate(const struct scenario *self);
struct vpm_pool *regions_recover(const struct scenario *self);
const char *regions_check(const struct scenario *self, struct vpm_pool *pool,
                          int done);

#endif
