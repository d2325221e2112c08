/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_media_error.c -- one state file that is not there harms no other
 * unit of its thread */
#include <unistd.h>

#include "fake_qemu.h"

#define UNITS 4

static void others_are_fixated(void)
{
    struct fake fakes[UNITS];
    struct vpm_event now;
    char name[16];

    set_up(1);
    for (int i = 0; i < UNITS; i++) {
        snprintf(name, sizeof(name), "%d", i);
        make(&fakes[i], name, SOUND);
        arm(&fakes[i], VPM_ROUTE_MIGRATE);
    }
    CHECK(truncate(region_file(fakes[1].region.id, "state"), 0) == 0);
    CHECK(truncate(region_file(fakes[2].region.id, "state"), 4096) == 0);
    now = event(60 * SECOND);
    CHECK(vpm_engine_fire(engine, &now) == UNITS);
    for (int i = 0; i < UNITS; i++) {
        struct vpm_outcome outcome = wait_for(&fakes[i]);
        bool harmed = i == 1 || i == 2;

        CHECK(outcome.result == (harmed ? VPM_RESULT_FAILED :
                                 VPM_RESULT_FIXATED));
        if (harmed)
            CHECK(strstr(outcome.reason, "Input/output error"));
    }
    for (int i = 0; i < UNITS; i++) {
        end_qemu(&fakes[i]);
        drop(&fakes[i]);
    }
    tear_down();
}

int main(void)
{
    RUN(others_are_fixated);
    return 0;
}
