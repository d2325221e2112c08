/* SPDX-License-Identifier: Apache-2.0 */
/* test_vpm_alloc.c -- nvalloc_vpm: what a new VPM region is like */
#include <sys/mount.h>
#include <sys/stat.h>

#include "harness.h"
#include "ppt.h"

static void alloc_makes_every_file(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc_vpm(pool, "a"), other;
    struct vpm_pool_info pool_info;
    struct stat st;

    CHECK(info.size == 256 * KIB && info.virtual_size == 512 * KIB);
    CHECK(info.page_size == 4096 && info.policy == VPM_POLICY_S3FIFO);
    CHECK(stat(info.ram_path, &st) == 0 && st.st_size == 256 << 10);
    CHECK(strcmp(info.virtual_path, region_file(info.id, "virtual")) == 0);
    CHECK(stat(info.virtual_path, &st) == 0 && st.st_size == 512 << 10);
    CHECK(st.st_blocks == 0);
    CHECK(st.st_uid == UID_BASE && (st.st_mode & 07777) == 0600);
    CHECK(strncmp(info.swap_path, SWAP "/", strlen(SWAP) + 1) == 0);
    CHECK(stat(info.swap_path, &st) == 0 && st.st_blocks * 512 >= st.st_size);
    CHECK(st.st_size >= 512 << 10);
    CHECK(st.st_uid == UID_BASE && (st.st_mode & 07777) == 0600);
    CHECK(stat(ppt_file(&info), &st) == 0);
    CHECK(st.st_uid == UID_BASE && (st.st_mode & 07777) == 0600);
    OK(vpm_region_lookup(pool, "a", 0, &other, &err));
    CHECK(memcmp(&info, &other, sizeof(info)) == 0);
    OK(vpm_pool_info(pool, &pool_info, &err));
    CHECK(pool_info.used_size == 256 * KIB);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

static void plain_region_is_fully_resident(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 64 * KIB);
    struct vpm_region_stats stats;

    CHECK(info.virtual_size == info.size && info.page_size == 0);
    CHECK(info.policy == VPM_POLICY_NONE);
    CHECK(!info.virtual_path[0] && !info.swap_path[0]);
    OK(vpm_region_stats(pool, info.id, &stats, &err));
    CHECK(stats.in_memory == 64 * KIB && stats.in_swap == 0);
    vpm_pool_close(pool);
}

static int try_alloc(struct vpm_pool *pool, struct vpm_vpm_params params)
{
    struct vpm_region_info info;

    return nvalloc_vpm(pool, "a", 0, &params, &info, &err);
}

static void bad_params_are_named(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_vpm_params params = small_vpm;

    CHECK(mkdir(SWAP, 0711) == 0);
    params.nvram_size = params.size;
    EXPECT(VPM_EINVAL, try_alloc(pool, params));
    SAYS("no VPM is needed");
    params = small_vpm;
    params.page_size = 5000;
    EXPECT(VPM_EINVAL, try_alloc(pool, params));
    SAYS("page size of 'a' is 5000");
    params.page_size = 4 << 20;
    EXPECT(VPM_EINVAL, try_alloc(pool, params));
    params = small_vpm;
    params.policy = 7;
    EXPECT(VPM_EINVAL, try_alloc(pool, params));
    SAYS("policy is unknown");
    params = small_vpm;
    params.nvram_size = 63 * 4096;
    EXPECT(VPM_EINVAL, try_alloc(pool, params));
    SAYS("less than 64 pages");
    params = small_vpm;
    params.size = UINT64_MAX;
    EXPECT(VPM_EINVAL, try_alloc(pool, params));
    SAYS("18446744073709551615");
    params = small_vpm;
    params.swap_dir = "swap";
    EXPECT(VPM_EINVAL, try_alloc(pool, params));
    SAYS("'swap' is not an absolute path");
    params.swap_dir = FS "/nowhere";
    EXPECT(VPM_ESYS, try_alloc(pool, params));
    SAYS(FS "/nowhere");
    CHECK(chmod(SWAP, 0777) == 0);
    EXPECT(VPM_EINVAL, try_alloc(pool, small_vpm));
    SAYS("only its owner can");
    vpm_pool_close(pool);
}

static void auto_takes_smallest_page(void)
{
    struct vpm_vpm_params params = small_vpm;
    struct vpm_shape shape;

    params.page_size = 0;
    OK(vpm_shape_choose("a", &params, 4096, &shape, &err));
    CHECK(shape.page_size == 4096 && shape.frames == 64);
    params.size = 4ull << 30;
    params.nvram_size = 2ull << 30;
    OK(vpm_shape_choose("a", &params, 4096, &shape, &err));
    OK(vpm_shape_check_host(&shape, &err));
    CHECK(shape.page_size > 4096);
    params.page_size = shape.page_size / 2;
    EXPECT(VPM_EINVAL, vpm_shape_choose("a", &params, 4096, &shape, &err));
    SAYS("vm.max_map_count");
}

static void sizes_are_rounded_to_page_and_pool(void)
{
    struct vpm_vpm_params params = small_vpm;
    struct vpm_shape shape;

    params.size += 1;
    params.nvram_size += 1;
    OK(vpm_shape_choose("a", &params, 64 << 10, &shape, &err));
    CHECK(shape.virtual_size == 516 * KIB);
    CHECK(shape.nvram_size == 320 * KIB);
}

static void full_swap_is_refused_at_once(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;

    CHECK(mkdir(SWAP, 0755) == 0);
    CHECK(mount("none", SWAP, "tmpfs", 0, "size=400k,mode=711") == 0);
    EXPECT(VPM_ENOSPC, try_alloc(pool, small_vpm));
    SAYS("swap file");
    EXPECT(VPM_ENOENT, vpm_region_lookup(pool, "a", 0, &info, &err));
    CHECK(check_pool(0) == 0);
    CHECK(umount(SWAP) == 0);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(alloc_makes_every_file);
    RUN(plain_region_is_fully_resident);
    RUN(bad_params_are_named);
    RUN(auto_takes_smallest_page);
    RUN(sizes_are_rounded_to_page_and_pool);
    RUN(full_swap_is_refused_at_once);
    return 0;
}
