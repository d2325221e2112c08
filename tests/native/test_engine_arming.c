/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_arming.c -- armed, disarmed, fired, closed */
/* build: threads */
#include "clock.h"
#include "fake_qemu.h"

static void disarmed_is_not_fired(void)
{
    struct vpm_outcome outcome;
    struct vpm_event now;
    struct fake fake;

    set_up(2);
    make(&fake, "a", SOUND);
    arm(&fake, VPM_ROUTE_MIGRATE);
    CHECK(vpm_unit_disarm(fake.unit));
    end_qemu(&fake);
    CHECK(vpm_unit_disarm(fake.unit));
    now = event(60 * SECOND);
    CHECK(vpm_engine_fire(engine, &now) == 0);
    CHECK(!vpm_unit_fire(fake.unit, &now));
    EXPECT(VPM_ENOENT, vpm_unit_wait(fake.unit, 0, &outcome, &err));
    CHECK(!fake.seen[0]);
    drop(&fake);
    tear_down();
}

static void fired_is_not_disarmed(void)
{
    struct vpm_outcome outcome;
    struct vpm_event now;
    struct fake fake;

    set_up(1);
    make(&fake, "a", HANGS);
    arm(&fake, VPM_ROUTE_MIGRATE);
    now = event(SECOND / 10);
    CHECK(vpm_unit_fire(fake.unit, &now));
    CHECK(!vpm_unit_disarm(fake.unit));
    EXPECT(VPM_ETIMEDOUT, vpm_unit_wait(
        fake.unit, vpm_now_ns(CLOCK_MONOTONIC), &outcome, &err));
    CHECK(wait_for(&fake).code == VPM_ETIMEDOUT);
    CHECK(vpm_unit_disarm(fake.unit));
    end_qemu(&fake);
    drop(&fake);
    tear_down();
}

static void closing_ends_a_fixation(void)
{
    struct vpm_event now;
    struct fake fake;

    set_up(1);
    make(&fake, "a", HANGS_SAVING);
    arm(&fake, VPM_ROUTE_MIGRATE);
    now = event(3600 * SECOND);
    CHECK(vpm_unit_fire(fake.unit, &now));
    drop(&fake);
    end_qemu(&fake);
    CHECK(!proven(&fake));
    tear_down();
}

int main(void)
{
    RUN(disarmed_is_not_fired);
    RUN(fired_is_not_disarmed);
    RUN(closing_ends_a_fixation);
    return 0;
}
