/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_waves.c -- pVMs are fixated in waves, by priority */
/* build: threads */
#include "fake_qemu.h"

static void make_ready(struct fake *fake, const char *name,
                       enum manner manner, uint32_t priority)
{
    make(fake, name, manner);
    fake->priority = priority;
    arm(fake, VPM_ROUTE_MIGRATE);
}

static bool is_before(const struct vpm_outcome *one,
                      const struct vpm_outcome *other)
{
    return one->fixated_ns && one->fixated_ns < other->command_ns;
}

static void waves_go_by_priority(void)
{
    static const uint32_t priorities[] = {10, 100, 50, 50, 0};
    struct vpm_outcome outcomes[5];
    struct fake fakes[5];
    struct vpm_event now;
    char name[] = "0";

    hold_up_ns = 3600 * SECOND;
    for (uint32_t threads = 1; threads <= 3; threads++) {
        fresh_fs(64);
        set_up(threads);
        for (int i = 0; i < 5; i++) {
            name[0] = (char)('0' + i);
            make_ready(&fakes[i], name, i == 3 ? CANNOT_FLUSH : SOUND,
                       priorities[i]);
        }
        now = event(60 * SECOND);
        CHECK(vpm_engine_fire(engine, &now) == 5);
        for (int i = 0; i < 5; i++) {
            outcomes[i] = wait_for(&fakes[i]);
            end_qemu(&fakes[i]);
            drop(&fakes[i]);
        }
        CHECK(is_before(&outcomes[1], &outcomes[2]));
        CHECK(is_before(&outcomes[1], &outcomes[3]));
        CHECK(is_before(&outcomes[2], &outcomes[0]));
        CHECK(outcomes[3].result == VPM_RESULT_FAILED);
        CHECK(is_before(&outcomes[0], &outcomes[4]));
        CHECK(outcomes[4].result == VPM_RESULT_FIXATED);
        tear_down();
    }
    hold_up_ns = 0;
}

static void hung_one_costs_its_share(void)
{
    struct fake hung, second, third;
    struct vpm_outcome outcome, last;
    struct vpm_event now;

    hold_up_ns = SECOND * 3 / 10;
    set_up(2);
    make_ready(&hung, "hung", HANGS, 90);
    make_ready(&second, "second", SOUND, 50);
    make_ready(&third, "third", SOUND, 20);
    now = event(60 * SECOND);
    CHECK(vpm_engine_fire(engine, &now) == 3);
    outcome = wait_for(&second);
    CHECK(outcome.result == VPM_RESULT_FIXATED);
    CHECK(outcome.command_ns >= now.monotonic_ns + SECOND / 10);
    last = wait_for(&third);
    CHECK(last.result == VPM_RESULT_FIXATED);
    CHECK(last.command_ns >= now.monotonic_ns + SECOND / 5);

    /* A pVM that is fired alone does not wait. */
    end_qemu(&third);
    OK(vpm_region_begin_epoch(pool, third.region.id, &err));
    arm(&third, VPM_ROUTE_MIGRATE);
    now = event(60 * SECOND);
    CHECK(vpm_unit_fire(third.unit, &now));
    CHECK(wait_for(&third).result == VPM_RESULT_FIXATED);

    drop(&hung);
    end_qemu(&hung);
    end_qemu(&second);
    end_qemu(&third);
    drop(&second);
    drop(&third);
    tear_down();
    hold_up_ns = 0;
}

static void a_wave_that_is_not_reached_is_reported(void)
{
    struct fake hung, second;
    struct vpm_outcome outcome;
    struct vpm_event now;

    hold_up_ns = 3600 * SECOND;
    set_up(1);
    make_ready(&hung, "hung", HANGS, 90);
    make_ready(&second, "second", SOUND, 50);
    now = event(SECOND / 10);
    CHECK(vpm_engine_fire(engine, &now) == 2);
    outcome = wait_for(&second);
    CHECK(outcome.result == VPM_RESULT_FAILED && !outcome.command_ns);
    CHECK(strstr(outcome.reason, "higher priority"));
    CHECK(wait_for(&hung).result == VPM_RESULT_FAILED);
    CHECK(!proven(&second));
    end_qemu(&hung);
    end_qemu(&second);
    drop(&hung);
    drop(&second);

    make(&second, "third", SOUND);
    second.priority = VPM_PRIORITY_MAX + 1;
    EXPECT(VPM_EINVAL, vpm_unit_arm(second.unit, &(struct vpm_arming){
        .priority = second.priority}, &err));
    SAYS("is 101");
    drop(&second);
    tear_down();
    hold_up_ns = 0;
}

int main(void)
{
    RUN(waves_go_by_priority);
    RUN(hung_one_costs_its_share);
    RUN(a_wave_that_is_not_reached_is_reported);
    return 0;
}
