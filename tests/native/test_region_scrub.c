/* SPDX-License-Identifier: Apache-2.0 */
/* test_region_scrub.c -- scrubbing a region that stays allocated */
#include <unistd.h>

#include "harness.h"

static void scrub_keeps_the_region(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 256 * KIB);
    struct vpm_state_info state;

    OK(fixate(pool, info.id, 0x33, 9000));
    fill_file(info.ram_path, 0xaa);
    OK(vpm_region_scrub(pool, info.id, &err));
    CHECK(file_is(info.ram_path, 0));
    CHECK(file_is(region_file(info.id, "state"), 0));
    EXPECT(VPM_EUNPROVEN, vpm_state_verify(pool, info.id, &state, &err));
    OK(vpm_region_lookup(pool, "a", 0, &info, &err));
    CHECK(info.epoch == 1);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

static void scrub_restores_what_was_cut_off(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 256 * KIB);

    fill_file(info.ram_path, 0xaa);
    CHECK(truncate(info.ram_path, 5000) == 0);
    CHECK(truncate(region_file(info.id, "state"), 100) == 0);
    CHECK(check_pool(2) == 2);
    EXPECT(VPM_ECORRUPT, fixate(pool, info.id, 1, 1));
    SAYS("scrub the region");
    OK(vpm_region_scrub(pool, info.id, &err));
    CHECK(file_is(info.ram_path, 0));
    CHECK(check_pool(0) == 0);
    OK(fixate(pool, info.id, 1, 1));
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(scrub_keeps_the_region);
    RUN(scrub_restores_what_was_cut_off);
    return 0;
}
