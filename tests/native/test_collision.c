/* SPDX-License-Identifier: Apache-2.0 */
/* test_collision.c -- two names of one region id
 *
 * Built without libvpm's hash.c: with a hash that collides easily. */
/* build: without hash.c */
#include "harness.h"

uint64_t vpm_region_id(const char *name, uint32_t sequence)
{
    return (uint64_t)name[0] + sequence;
}

static void collisions_are_refused(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "apple", 4096);

    fill_file(info.ram_path, 0xaa);
    EXPECT(VPM_ECOLLISION, nvalloc(pool, "avocado", 0, 4096, &info, &err));
    SAYS("'avocado'");
    SAYS("'apple'");
    SAYS("use another sequence number");
    EXPECT(VPM_ENOENT, vpm_region_lookup(pool, "avocado", 0, &info, &err));
    EXPECT(VPM_ENOENT, nvfree(pool, "avocado", 0, &err));
    OK(nvalloc(pool, "avocado", 1, 4096, &info, &err));
    EXPECT(VPM_ECOLLISION, nvalloc(pool, "b", 0, 4096, &info, &err));
    OK(vpm_region_lookup(pool, "apple", 0, &info, &err));
    CHECK(file_is(info.ram_path, 0xaa));
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(collisions_are_refused);
    return 0;
}
