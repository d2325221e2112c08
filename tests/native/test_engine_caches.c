/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_caches.c -- CPU caches are written back before a marker is set
 *
 * The POD driver is played by a wrapped ioctl(2). */
/* build: threads */
/* build: wrap ioctl */
#include <errno.h>

#include "fake_qemu.h"
#include "pod.h"

#define POD_FD 12345

static int write_back_errno;       /* 0: it works */
static int proven_at_write_back;

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument);

int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
    struct vpm_region_info regions[8];
    struct vpm_state_info info;
    struct vpm_error ignored;
    int count;

    if (fd != POD_FD)
        return __real_ioctl(fd, request, argument);
    CHECK(request == POD_WRITE_BACK);
    __atomic_add_fetch(&write_backs, 1, __ATOMIC_SEQ_CST);
    wait_until(&later_answered, later);
    count = vpm_region_list(pool, regions, 8, &ignored);
    proven_at_write_back = 0;
    for (int i = 0; i < count; i++)
        proven_at_write_back += vpm_state_verify(
            pool, regions[i].id, &info, &ignored) == VPM_OK;
    errno = write_back_errno;
    return write_back_errno ? -1 : 0;
}

static struct vpm_outcome fixate_with_driver(struct fake *fake, int error)
{
    write_backs = 0;
    write_back_errno = error;
    set_up(1);
    vpm_engine_write_back_by(engine, POD_FD);
    make(fake, "a", SOUND);
    return fixate_one(fake, VPM_ROUTE_MIGRATE, 60 * SECOND);
}

static void caches_are_written_back_before_the_marker(void)
{
    struct fake fake;

    CHECK(fixate_with_driver(&fake, 0).result == VPM_RESULT_FIXATED);
    CHECK(write_backs == 1 && !proven_at_write_back);
    CHECK(proven(&fake));
    drop(&fake);
    tear_down();
}

static void no_marker_if_caches_are_not_written_back(void)
{
    struct vpm_outcome outcome;
    struct fake fake;

    outcome = fixate_with_driver(&fake, EIO);
    CHECK(outcome.result == VPM_RESULT_FAILED);
    CHECK(strstr(outcome.reason, "CPU caches are not written back"));
    CHECK(write_backs == 1 && !proven(&fake));
    drop(&fake);
    tear_down();
}

/* The first pVM waits for nobody.  Those that are saved while caches are
 * written back for it share the next time. */
static void caches_are_written_back_once_for_many(void)
{
    const char *const names[] = {"a", "b", "c", "d", "e"};
    struct fake fakes[5];
    struct vpm_event now;

    write_backs = write_back_errno = 0;
    later = 4;
    set_up(1);
    vpm_engine_write_back_by(engine, POD_FD);
    for (int i = 0; i < 5; i++) {
        make(&fakes[i], names[i], i ? COMPLETES_LATER : COMPLETES_FIRST);
        arm(&fakes[i], VPM_ROUTE_MIGRATE);
    }
    now = event(60 * SECOND);
    CHECK(vpm_engine_fire(engine, &now) == 5);
    for (int i = 0; i < 5; i++)
        CHECK(wait_for(&fakes[i]).result == VPM_RESULT_FIXATED);
    CHECK(write_backs == 2 && proven_at_write_back == 1);
    for (int i = 0; i < 5; i++) {
        CHECK(proven(&fakes[i]));
        end_qemu(&fakes[i]);
        drop(&fakes[i]);
    }
    later = later_asked = later_answered = 0;
    tear_down();
}

int main(void)
{
    RUN(caches_are_written_back_before_the_marker);
    RUN(no_marker_if_caches_are_not_written_back);
    RUN(caches_are_written_back_once_for_many);
    return 0;
}
