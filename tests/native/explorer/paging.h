/* SPDX-License-Identifier: Apache-2.0 */
/* paging.h -- scenarios of a VPM region: pages between NVRAM and swap file
 *
 * What the pager does with pages is done here one step after the other.  The
 * oracle is the server's memory: whatever moves, each page must be found, in
 * its frame or in a slot that proves itself, as the server wrote it last. */
#ifndef PAGING_H
#define PAGING_H

#include "scenario.h"

#define PAGING_STEPS 40
#define PAGING_PAGES 4
#define PAGING_PAGES_MOST 9  /* the last one's entry has its own cache line */

enum paging_kind {
    PAGING_END,
    PAGING_ALLOC,
    PAGING_FREE,
    PAGING_SCRUB,
    PAGING_RUIN,   /* before: the server's user id spoils what it owns */
    PAGING_TOUCH,  /* first touch of *page* */
    PAGING_WRITE,  /* the server writes *byte* all over *page* */
    PAGING_OUT,    /* *page*, and *also* if it is another */
    PAGING_IN,
    PAGING_DROP,   /* the slot beside the frame of *page* */
};

struct paging_step {
    enum paging_kind kind;
    uint32_t page;
    uint32_t also;
    int byte;
};

struct paging_plan {
    uint32_t pages;  /* 0: PAGING_PAGES */
    struct paging_step before[PAGING_STEPS];
    struct paging_step steps[PAGING_STEPS];
};

void paging_prepare(const struct scenario *self);
void paging_operate(const struct scenario *self);
struct vpm_pool *paging_recover(const struct scenario *self);
const char *paging_check(const struct scenario *self, struct vpm_pool *pool,
                         int done);

#endif
