/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_lock.c -- who owns the run lock is waited for */
/* build: threads */
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "fake_qemu.h"

static void run_lock_is_waited_for(void)
{
    struct vpm_event now;
    struct fake fake;
    int other;

    set_up(1);
    make(&fake, "a", SOUND);
    other = open(region_file(fake.region.id, "state"), O_RDONLY);
    CHECK(flock(other, LOCK_EX) == 0);
    arm(&fake, VPM_ROUTE_MIGRATE);
    now = event(60 * SECOND);
    CHECK(vpm_unit_fire(fake.unit, &now));
    usleep(20000);
    CHECK(!fake.seen[0]);
    close(other);
    CHECK(wait_for(&fake).result == VPM_RESULT_FIXATED);
    end_qemu(&fake);

    OK(vpm_region_begin_epoch(pool, fake.region.id, &err));
    CHECK(flock(fake.lock, LOCK_UN) == 0);
    other = open(region_file(fake.region.id, "state"), O_RDONLY);
    CHECK(flock(other, LOCK_EX) == 0);
    CHECK(strstr(fixate_one(&fake, VPM_ROUTE_MIGRATE, SECOND / 20).reason,
                 "somebody else"));
    CHECK(!fake.seen[0]);
    close(other);
    drop(&fake);
    tear_down();
}

int main(void)
{
    RUN(run_lock_is_waited_for);
    return 0;
}
