/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_route.c -- which way QEMU is made to save */
/* build: threads */
#include "fake_qemu.h"

static void refused_snapshot_is_the_other_route(void)
{
    struct vpm_outcome outcome;
    struct fake fake;

    set_up(1);
    make(&fake, "a", REFUSES_SNAPSHOT);
    outcome = fixate_one(&fake, VPM_ROUTE_SNAPSHOT, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FIXATED);
    CHECK(outcome.route == VPM_ROUTE_MIGRATE);
    drop(&fake);
    tear_down();
}

/* QEMU would abort if it were asked to. */
static void no_snapshot_of_what_stopped_by_itself(void)
{
    struct vpm_outcome outcome;
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    fake.after = "io-error";
    outcome = fixate_one(&fake, VPM_ROUTE_SNAPSHOT, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FIXATED);
    CHECK(outcome.route == VPM_ROUTE_MIGRATE);
    CHECK(!strstr(fake.seen, "background-snapshot"));
    drop(&fake);
    tear_down();
}

int main(void)
{
    RUN(refused_snapshot_is_the_other_route);
    RUN(no_snapshot_of_what_stopped_by_itself);
    return 0;
}
