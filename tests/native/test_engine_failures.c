/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_failures.c -- QEMUs that misbehave harm only themselves */
/* build: threads */
#include "clock.h"
#include "fake_qemu.h"

/* Result and reason for each manner. */
static const struct {
    enum manner manner;
    enum vpm_result result;
    const char *reason;
} manners[] = {
    {SOUND, VPM_RESULT_FIXATED, ""},
    {HANGS, VPM_RESULT_FAILED, "did not stop"},
    {HANGS_SAVING, VPM_RESULT_FAILED, "did not deliver"},
    {NEVER_COMPLETES, VPM_RESULT_FAILED, "did not complete"},
    {DIES_SAVING, VPM_RESULT_FAILED, "closed the connection"},
    {CANNOT_FLUSH, VPM_RESULT_FAILED, "cannot save its state: no \"flush\""},
    {SAYS_NOTHING, VPM_RESULT_FAILED, "cannot save its state"},
    {REFUSES, VPM_RESULT_FAILED, "refuses to save its state: busy"},
    {BABBLES, VPM_RESULT_FIXATED, ""},
    {TALKS_TOO_MUCH, VPM_RESULT_FAILED, "longer than"},
    {SLOW_TO_COMPLETE, VPM_RESULT_FIXATED, ""},
};

#define MANNERS (sizeof(manners) / sizeof(manners[0]))

static void check_manner(struct fake *fake, size_t i)
{
    struct vpm_outcome outcome = wait_for(fake);
    bool fixated = manners[i].result == VPM_RESULT_FIXATED;

    if (outcome.result != manners[i].result ||
        !strstr(outcome.reason, manners[i].reason))
        printf("manner %zu: result %u, '%s'\n", i, outcome.result,
               outcome.reason);
    CHECK(outcome.result == manners[i].result);
    CHECK(strstr(outcome.reason, manners[i].reason));
    CHECK(proven(fake) == fixated);
    end_qemu(fake);
    drop(fake);
}

static void every_manner_ends_well(void)
{
    for (size_t i = 0; i < MANNERS; i++) {
        struct vpm_event now;
        struct fake fake;

        fresh_fs(64);
        set_up(1);
        make(&fake, "a", manners[i].manner);
        arm(&fake, VPM_ROUTE_MIGRATE);
        now = event(manners[i].result == VPM_RESULT_FIXATED ? 60 * SECOND :
                    SECOND);
        CHECK(vpm_engine_fire(engine, &now) == 1);
        check_manner(&fake, i);
        tear_down();
    }
}

/* With six bad ones and one thread, the sound one is done long before the
 * deadline. */
static void nobody_is_delayed(void)
{
    struct vpm_outcome sound;
    struct vpm_event now;
    struct fake fakes[7];

    set_up(1);
    for (int i = 0; i < 7; i++) {
        char name[2] = {(char)('a' + i)};

        make(&fakes[i], name, i == 3 ? SOUND : i % 2 ? HANGS :
             HANGS_SAVING);
        arm(&fakes[i], VPM_ROUTE_MIGRATE);
    }
    now = event(4 * SECOND);
    CHECK(vpm_engine_fire(engine, &now) == 7);
    CHECK(vpm_engine_fire(engine, &now) == 0);
    sound = wait_for(&fakes[3]);
    CHECK(sound.result == VPM_RESULT_FIXATED);
    CHECK(vpm_now_ns(CLOCK_MONOTONIC) < now.deadline_ns);
    for (int i = 0; i < 7; i++) {
        if (i != 3)
            CHECK(wait_for(&fakes[i]).result == VPM_RESULT_FAILED);
        end_qemu(&fakes[i]);
        CHECK(proven(&fakes[i]) == (i == 3));
        drop(&fakes[i]);
    }
    tear_down();
}

int main(void)
{
    RUN(every_manner_ends_well);
    RUN(nobody_is_delayed);
    return 0;
}
