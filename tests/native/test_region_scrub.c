/* SPDX-License-Identifier: Apache-2.0 */
/* test_region_scrub.c -- scrubbing a region that stays allocated */
#include <fcntl.h>
#include <sys/stat.h>
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

/* A server's user id can take NVRAM that nobody accounts for, and give back
 * what was reserved for it. */
static void scrub_restores_the_very_space(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 256 * KIB);
    struct stat before, after;
    int fd = open(info.ram_path, O_RDWR);

    CHECK(fstat(fd, &before) == 0);
    fill_file(info.ram_path, 0xaa);
    CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 256 * KIB, 4 * MIB) == 0);
    CHECK(check_pool(1) == 1);
    CHECK(strstr(last_finding, "more than its size"));
    OK(vpm_region_scrub(pool, info.id, &err));
    CHECK(fstat(fd, &after) == 0 && after.st_blocks == before.st_blocks);

    CHECK(fallocate(fd, 0, 0, 4 * MIB) == 0);
    poke(info.ram_path, 3 * MIB, "secret", 6);
    CHECK(check_pool(1) == 1);
    OK(vpm_region_scrub(pool, info.id, &err));
    CHECK(fstat(fd, &after) == 0 && after.st_blocks == before.st_blocks);
    CHECK(after.st_size == before.st_size);

    CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0,
                    64 * KIB) == 0);
    CHECK(check_pool(1) == 1);
    OK(vpm_region_scrub(pool, info.id, &err));
    CHECK(fstat(fd, &after) == 0 && after.st_blocks == before.st_blocks);
    CHECK(check_pool(0) == 0);
    close(fd);
    vpm_pool_close(pool);
}

/* The same of the files that only a VPM region has. */
static void scrub_restores_the_space_of_vpm(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc_vpm(pool, "a");
    struct stat before, after;

    CHECK(stat(info.swap_path, &before) == 0);
    fill_file(info.virtual_path, 0xaa);
    poke(info.swap_path, (uint64_t)before.st_size + 4096, "secret", 6);
    OK(vpm_region_scrub(pool, info.id, &err));
    CHECK(stat(info.swap_path, &after) == 0);
    CHECK(after.st_size == before.st_size);
    CHECK(after.st_blocks == before.st_blocks);
    CHECK(stat(info.virtual_path, &after) == 0 && after.st_blocks == 0);
    CHECK((uint64_t)after.st_size == info.virtual_size);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(scrub_keeps_the_region);
    RUN(scrub_restores_what_was_cut_off);
    RUN(scrub_restores_the_very_space);
    RUN(scrub_restores_the_space_of_vpm);
    return 0;
}
