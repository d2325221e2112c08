/* SPDX-License-Identifier: Apache-2.0 */
/* scenarios.c -- all scenarios */
#include "scenario.h"

#include "paging.h"
#include "regions.h"

#define DO(...) {.kind = __VA_ARGS__}
#define START(byte_) DO(EPOCH), DO(WRITE, .byte = (byte_))
#define FIXATE(byte_, length_)                                           \
    DO(BEGIN), DO(RECEIVE, .byte = (byte_), .length = (length_)), DO(COMMIT)

#define SCENARIO(name_, plan_)                                           \
    {                                                                    \
        .name = (name_), .plan = &(plan_), .prepare = regions_prepare,   \
        .operate = regions_operate, .recover = regions_recover,          \
        .check = regions_check,                                          \
    }

#define PAGING(name_, plan_)                                             \
    {                                                                    \
        .name = (name_), .plan = &(plan_), .prepare = paging_prepare,    \
        .operate = paging_operate, .recover = paging_recover,            \
        .check = paging_check,                                           \
    }

/* Page, and the byte that is written. */
#define PAGE(kind_, page_) {.kind = PAGING_##kind_, .page = (page_), \
                            .also = (page_)}
#define FILL(page_, byte_) {.kind = PAGING_WRITE, .page = (page_), \
                            .byte = (byte_)}
#define BOTH_OUT(page_, also_) {.kind = PAGING_OUT, .page = (page_), \
                                .also = (also_)}

static const struct plan create_plan = {
    .steps = {DO(CREATE)},
};

/* A pool of an earlier libvpm. */
static const struct plan record_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(AGE)},
    .steps = {DO(RECORD)},
};

static const struct plan alloc_plan = {
    .before = {DO(CREATE), DO(BYSTANDER)},
    .steps = {DO(ALLOC)},
};

static const struct plan free_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC), START(0x55),
               FIXATE(0x66, 300)},
    .steps = {DO(FREE)},
};

/* Freed while power may fail: scrubbed later, when somebody does, */
static const struct plan paused_free_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC), START(0x55),
               FIXATE(0x66, 300)},
    .steps = {DO(PAUSE), DO(FREE), DO(UNPAUSE), DO(FINISH), DO(SUCCESSOR)},
};

/* or room is needed, */
static const struct plan paused_late_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC), START(0x55),
               FIXATE(0x66, 300)},
    .steps = {DO(PAUSE), DO(FREE), DO(UNPAUSE), DO(SUCCESSOR)},
};

/* unless the same id is wanted at once. */
static const struct plan paused_again_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC), START(0x55),
               FIXATE(0x66, 300)},
    .steps = {DO(PAUSE), DO(FREE), DO(ALLOC), START(0x77)},
};

static const struct plan scrub_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC), START(0x55),
               FIXATE(0x66, 300)},
    .steps = {DO(SCRUB)},
};

/* The files were cut off by somebody. */
static const struct plan restore_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC), START(0x55), DO(CUT_OFF)},
    .steps = {DO(SCRUB), DO(EPOCH)},
};

static const struct plan epoch_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC), START(0x55),
               FIXATE(0x66, 300)},
    .steps = {DO(EPOCH)},
};

static const struct plan fixation_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC), START(0x55),
               FIXATE(0x66, 300), START(0x77)},
    .steps = {FIXATE(0x88, 3000)},
};

/* A crash between the epoch and the marker left a stale one. */
static const struct plan stale_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC), START(0x55),
               FIXATE(0x66, 300), DO(EPOCH, .stop = 3)},
    .steps = {FIXATE(0x77, 400)},
};

/* Power returned half way. */
static const struct plan call_off_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC), START(0x55)},
    .steps = {DO(BEGIN), DO(RECEIVE, .byte = 0x66, .length = 300), DO(EPOCH),
              DO(REFUSED), FIXATE(0x77, 200)},
};

/* A crash in the midst of freeing and allocating; what is recorded begins
 * with the repair of that. */
static const struct plan freeing_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC), START(0x55),
               FIXATE(0x66, 300), DO(FREE, .stop = 3)},
    .steps = {DO(SUCCESSOR)},
};

static const struct plan allocating_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC, .stop = 16)},
    .steps = {DO(SUCCESSOR)},
};

static const struct plan life_plan = {
    .before = {DO(CREATE), DO(BYSTANDER)},
    .steps = {DO(ALLOC), START(0x55), FIXATE(0x66, 500), START(0x77),
              FIXATE(0x88, 100), DO(EPOCH), DO(SCRUB), DO(FREE), DO(SUCCESSOR)},
};

static const struct paging_plan vpm_alloc_plan = {
    .steps = {PAGE(ALLOC, 0)},
};

static const struct paging_plan vpm_free_plan = {
    .before = {PAGE(ALLOC, 0), PAGE(TOUCH, 0), FILL(0, 0x11), PAGE(TOUCH, 1),
               FILL(1, 0x22), BOTH_OUT(0, 1), PAGE(TOUCH, 2), FILL(2, 0x33)},
    .steps = {PAGE(FREE, 0)},
};

static const struct paging_plan vpm_scrub_plan = {
    .before = {PAGE(ALLOC, 0), PAGE(TOUCH, 0), FILL(0, 0x11), PAGE(TOUCH, 1),
               FILL(1, 0x22), BOTH_OUT(0, 1), PAGE(TOUCH, 2), FILL(2, 0x33)},
    .steps = {PAGE(SCRUB, 0)},
};

static const struct paging_plan vpm_ruined_plan = {
    .before = {PAGE(ALLOC, 0), PAGE(TOUCH, 0), FILL(0, 0x11), PAGE(OUT, 0),
               PAGE(RUIN, 0)},
    .steps = {PAGE(SCRUB, 0), PAGE(TOUCH, 0)},
};

/* Out in a batch, frames used again, in, out unchanged, changed and out to
 * another slot, until the slots are used again. */
static const struct paging_plan vpm_swap_plan = {
    .before = {PAGE(ALLOC, 0)},
    .steps = {PAGE(TOUCH, 0), FILL(0, 0x11), PAGE(TOUCH, 1), FILL(1, 0x22),
              BOTH_OUT(0, 1), PAGE(TOUCH, 2), FILL(2, 0x33), PAGE(IN, 0),
              PAGE(OUT, 0), PAGE(IN, 1), FILL(1, 0x44), BOTH_OUT(1, 2),
              PAGE(TOUCH, 3), FILL(3, 0x55), PAGE(OUT, 3), PAGE(IN, 2),
              FILL(2, 0x66), PAGE(IN, 0), FILL(0, 0x77), BOTH_OUT(2, 0),
              PAGE(IN, 3), PAGE(IN, 1)},
};

/* A slot beside a frame is forgotten, and at once that of another page, whose
 * entry is in another cache line. */
static const struct paging_plan vpm_drop_plan = {
    .pages = PAGING_PAGES_MOST,
    .before = {PAGE(ALLOC, 0), PAGE(TOUCH, 0), FILL(0, 0x11), PAGE(OUT, 0),
               PAGE(TOUCH, 8), FILL(8, 0x22)},
    .steps = {PAGE(IN, 0), PAGE(DROP, 0), PAGE(OUT, 8), FILL(0, 0x33),
              PAGE(OUT, 0), PAGE(IN, 8)},
};

const struct scenario scenarios[] = {
    SCENARIO("create", create_plan),
    SCENARIO("record-medium", record_plan),
    SCENARIO("nvalloc", alloc_plan),
    SCENARIO("nvfree", free_plan),
    SCENARIO("paused-nvfree", paused_free_plan),
    SCENARIO("paused-late", paused_late_plan),
    SCENARIO("paused-again", paused_again_plan),
    SCENARIO("scrub", scrub_plan),
    SCENARIO("restore", restore_plan),
    SCENARIO("begin-epoch", epoch_plan),
    SCENARIO("fixation", fixation_plan),
    SCENARIO("stale-marker", stale_plan),
    SCENARIO("call-off", call_off_plan),
    SCENARIO("repair-freeing", freeing_plan),
    SCENARIO("repair-allocating", allocating_plan),
    SCENARIO("life", life_plan),
    PAGING("vpm-nvalloc", vpm_alloc_plan),
    PAGING("vpm-nvfree", vpm_free_plan),
    PAGING("vpm-scrub", vpm_scrub_plan),
    PAGING("vpm-ruined", vpm_ruined_plan),
    PAGING("vpm-swap", vpm_swap_plan),
    PAGING("vpm-drop", vpm_drop_plan),
    {.name = NULL},
};
