/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_alloc.c -- nothing is allocated or opened after the event
 *
 * Linked so that every call of malloc and openat by libvpm is counted. */
/* build: threads */
/* build: wrap malloc,calloc,openat */
#include "fake_qemu.h"

static int counted;

#define COUNTED(type, name, arguments, ...)                               \
    type __real_##name arguments;                                         \
    type __wrap_##name arguments                                          \
    {                                                                     \
        __atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);                \
        return __real_##name(__VA_ARGS__);                                \
    }

COUNTED(void *, malloc, (size_t size), size)
COUNTED(void *, calloc, (size_t count, size_t size), count, size)
COUNTED(int, openat, (int dir, const char *path, int flags, int mode), dir,
        path, flags, mode)

static void nothing_is_allocated_or_opened(void)
{
    struct vpm_event now;
    struct fake fake;
    int before;

    set_up(2);
    make(&fake, "a", SOUND);
    arm(&fake, VPM_ROUTE_SNAPSHOT);
    now = event(60 * SECOND);
    before = __atomic_load_n(&counted, __ATOMIC_RELAXED);
    CHECK(vpm_engine_fire(engine, &now) == 1);
    CHECK(wait_for(&fake).result == VPM_RESULT_FIXATED);
    CHECK(__atomic_load_n(&counted, __ATOMIC_RELAXED) == before);
    CHECK(strstr(fake.seen, "background-snapshot"));
    end_qemu(&fake);
    drop(&fake);
    tear_down();
}

int main(void)
{
    RUN(nothing_is_allocated_or_opened);
    return 0;
}
