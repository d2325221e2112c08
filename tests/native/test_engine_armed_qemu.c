/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_armed_qemu.c -- what a QEMU does while it is armed */
/* build: threads */
#include <sys/socket.h>
#include <unistd.h>

#include "fake_qemu.h"

/* That is noticed while power is good, also after many events. */
static void qemu_that_ends_disarms(void)
{
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    arm(&fake, VPM_ROUTE_MIGRATE);
    for (int i = 0; i < 10; i++)
        babble(&fake);
    CHECK(vpm_unit_state(fake.unit) == VPM_UNIT_ARMED);
    shutdown(fake.qmp, SHUT_RDWR);
    while (vpm_unit_state(fake.unit) == VPM_UNIT_ARMED)
        usleep(1000);
    end_qemu(&fake);
    drop(&fake);
    tear_down();
}

/* The note has the run state as of the event, not as of the arming. */
static void run_state_is_followed(void)
{
    struct vpm_stopped stopped;
    struct vpm_event now;
    struct fake fake;

    set_up(1);
    make(&fake, "a", HANGS);
    arm(&fake, VPM_ROUTE_MIGRATE);
    say(&fake, "{\"event\": \"STOP\"}\r\n");
    usleep(100000);
    now = event(SECOND / 10);
    CHECK(vpm_unit_fire(fake.unit, &now));
    CHECK(wait_for(&fake).result == VPM_RESULT_FAILED);
    CHECK(vpm_note_read(fake.note, &stopped));
    CHECK(strcmp(stopped.runstate, "paused") == 0);
    end_qemu(&fake);
    drop(&fake);
    tear_down();
}

/* A QEMU that never stops talking does not keep the thread busy. */
static void chatter_disarms(void)
{
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    arm(&fake, VPM_ROUTE_MIGRATE);
    while (vpm_unit_state(fake.unit) == VPM_UNIT_ARMED)
        babble(&fake);
    end_qemu(&fake);
    drop(&fake);
    tear_down();
}

int main(void)
{
    RUN(qemu_that_ends_disarms);
    RUN(run_state_is_followed);
    RUN(chatter_disarms);
    return 0;
}
