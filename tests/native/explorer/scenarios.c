/* SPDX-License-Identifier: Apache-2.0 */
/* scenarios.c -- all scenarios */
#include "scenario.h"

#include "regions.h"

#define DO(...) {.kind = __VA_ARGS__}
#define START(byte_) DO(EPOCH), DO(WRITE, .byte = (byte_))
#define FIXATE(byte_, length_)                                           \
    DO(BEGIN), DO(RECEIVE, .byte = (byte_), .length = (length_)), DO(COMMIT)

#define SCENARIO(name_, plan_)                                           \
    {                                                                    \
        .name = (name_), .plan = &(plan_), .prepare = regions_prepare,   \
        .operate = regions_operate, .recover = regions_recover,          \
        .judge = regions_judge,                                          \
    }

static const struct plan create_plan = {
    .steps = {DO(CREATE)},
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
    .steps = {DO(SUCCESSOR), DO(ALLOC), START(0x77)},
};

static const struct plan allocating_plan = {
    .before = {DO(CREATE), DO(BYSTANDER), DO(ALLOC, .stop = 16)},
    .steps = {DO(SUCCESSOR), DO(ALLOC), DO(EPOCH)},
};

static const struct plan life_plan = {
    .before = {DO(CREATE), DO(BYSTANDER)},
    .steps = {DO(ALLOC), START(0x55), FIXATE(0x66, 500), START(0x77),
              FIXATE(0x88, 100), DO(EPOCH), DO(SCRUB), DO(FREE), DO(SUCCESSOR),
              DO(ALLOC)},
};

const struct scenario scenarios[] = {
    SCENARIO("create", create_plan),
    SCENARIO("nvalloc", alloc_plan),
    SCENARIO("nvfree", free_plan),
    SCENARIO("scrub", scrub_plan),
    SCENARIO("restore", restore_plan),
    SCENARIO("begin-epoch", epoch_plan),
    SCENARIO("fixation", fixation_plan),
    SCENARIO("stale-marker", stale_plan),
    SCENARIO("call-off", call_off_plan),
    SCENARIO("repair-freeing", freeing_plan),
    SCENARIO("repair-allocating", allocating_plan),
    SCENARIO("life", life_plan),
    {.name = NULL},
};
