/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_save.c -- a state is saved, proven and kept */
/* build: threads */
#include <fcntl.h>
#include <sys/file.h>

#include "fake_qemu.h"

static void a_state_is_saved_and_proven(void)
{
    struct vpm_state_info info;
    struct vpm_stopped stopped;
    struct vpm_outcome outcome, listed;
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    outcome = fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FIXATED && outcome.length == 8000);
    CHECK(strcmp(outcome.runstate, "running") == 0);
    CHECK(outcome.signal_ns < outcome.command_ns &&
          outcome.command_ns < outcome.stopped_ns &&
          outcome.stopped_ns < outcome.stream_ns &&
          outcome.stream_ns < outcome.saved_ns &&
          outcome.saved_ns < outcome.fixated_ns);
    OK(vpm_state_verify(pool, fake.region.id, &info, &err));
    CHECK(info.length == 8000 && info.epoch == 1);
    CHECK(info.meta.wall_ns == 77);
    CHECK(info.meta.stopped_ns == outcome.stopped_ns);
    CHECK(strcmp(info.meta.runstate, "running") == 0);
    CHECK(strcmp(info.meta.producer, "qemu 10.0.2") == 0);
    CHECK(vpm_note_read(fake.note, &stopped));
    CHECK(stopped.pid == 4711);
    CHECK(strcmp(stopped.runstate, "running") == 0);
    CHECK(strcmp(stopped.raised_by, "signal") == 0);
    CHECK(!strstr(fake.seen, "background-snapshot"));
    CHECK(flock(open(region_file(fake.region.id, "state"), O_RDONLY),
                LOCK_EX | LOCK_NB) < 0);
    CHECK(vpm_outcome_list(pool, &listed, 1) == 1);
    CHECK(memcmp(&listed, &outcome, sizeof(listed)) == 0);
    CHECK(vpm_unit_state(fake.unit) != VPM_UNIT_ARMED);
    EXPECT(VPM_ENOENT, vpm_unit_wait(fake.unit, 0, &outcome, &err));
    drop(&fake);
    tear_down();
}

static void nothing_to_save_is_left_alone(void)
{
    static const char *const states[] = {"inmigrate", "prelaunch",
                                         "shutdown"};
    struct vpm_stopped stopped;
    struct vpm_outcome outcome;
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    for (int i = 0; i < 3; i++) {
        fake.runstate = fake.after = states[i];
        outcome = fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
        CHECK(outcome.result == VPM_RESULT_SKIPPED);
        CHECK(strcmp(outcome.runstate, states[i]) == 0);
        CHECK(!strstr(fake.seen, "\"migrate\""));
        CHECK(!vpm_note_read(fake.note, &stopped));
        CHECK(!proven(&fake));
    }
    drop(&fake);
    tear_down();
}

static void proven_state_is_kept(void)
{
    struct vpm_outcome outcome;
    struct fake fake;

    set_up(1);
    make(&fake, "a", SOUND);
    fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
    fake.runstate = fake.after = "postmigrate";
    outcome = fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FIXATED && !outcome.fixated_ns);
    CHECK(strstr(outcome.reason, "fixated before"));
    CHECK(!strstr(fake.seen, "\"migrate\""));
    CHECK(proven(&fake));

    /* Somebody started the vCPUs by hand. */
    fake.runstate = "running";
    fake.after = "paused";
    fake.manner = CANNOT_FLUSH;
    outcome = fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FAILED);
    CHECK(!proven(&fake));
    fake.manner = SOUND;
    outcome = fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FIXATED && outcome.fixated_ns);
    fake.runstate = "running";
    outcome = fixate_one(&fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
    CHECK(outcome.result == VPM_RESULT_FIXATED && outcome.fixated_ns);
    drop(&fake);
    tear_down();
}

int main(void)
{
    RUN(a_state_is_saved_and_proven);
    RUN(nothing_to_save_is_left_alone);
    RUN(proven_state_is_kept);
    return 0;
}
