/* SPDX-License-Identifier: Apache-2.0 */
/* test_region_refused.c -- nvalloc and others say what they refuse, and why */
#include "harness.h"

static void bad_names_are_named(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;
    char longest[VPM_NAME_MAX + 2];

    memset(longest, 'x', sizeof(longest));
    longest[VPM_NAME_MAX] = 0;
    alloc(pool, longest, 4096);
    OK(vpm_region_lookup(pool, longest, 0, &info, &err));
    longest[VPM_NAME_MAX] = 'x';
    longest[VPM_NAME_MAX + 1] = 0;
    EXPECT(VPM_EINVAL, nvalloc(pool, longest, 0, 1, &info, &err));
    SAYS("too many bytes");
    EXPECT(VPM_EINVAL, nvalloc(pool, "", 0, 1, &info, &err));
    SAYS("no bytes");
    EXPECT(VPM_EINVAL, nvalloc(pool, "a/b", 0, 1, &info, &err));
    SAYS("0x2f at position 1");
    EXPECT(VPM_EINVAL, nvalloc(pool, "ab\n", 0, 1, &info, &err));
    SAYS("0x0a at position 2");
    EXPECT(VPM_EINVAL, nvalloc(pool, "\xc3\xa4", 0, 1, &info, &err));
    SAYS("0xc3 at position 0");
    EXPECT(VPM_EINVAL, nvfree(pool, "a/b", 0, &err));
    EXPECT(VPM_EINVAL, vpm_region_lookup(pool, "", 0, &info, &err));
    vpm_pool_close(pool);
}

static void bad_sizes_are_named(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;

    EXPECT(VPM_EINVAL, nvalloc(pool, "a", 0, 0, &info, &err));
    SAYS("size of 'a' is 0");
    EXPECT(VPM_EINVAL, nvalloc(pool, "a", 0, UINT64_MAX, &info, &err));
    SAYS("18446744073709551615");
    vpm_pool_close(pool);
}

static void full_pool_says_numbers(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;

    alloc(pool, "a", 600 * KIB);
    EXPECT(VPM_ENOSPC, nvalloc(pool, "b", 0, 600 * KIB, &info, &err));
    SAYS("has 424.0 KiB of 1.0 MiB free, 600.0 KiB were asked for: free a");
    EXPECT(VPM_ENOSPC, nvalloc(pool, "b", 0, INT64_MAX - 4096, &info, &err));
    alloc(pool, "b", 424 * KIB);
    EXPECT(VPM_ENOSPC, nvalloc(pool, "c", 0, 1, &info, &err));
    OK(nvfree(pool, "a", 0, &err));
    alloc(pool, "c", 600 * KIB);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

static void full_descriptors_say_so(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;
    char name[] = "0";

    for (; name[0] < '8'; name[0]++)
        alloc(pool, name, 4096);
    EXPECT(VPM_ENOSPC, nvalloc(pool, "9", 0, 4096, &info, &err));
    SAYS("all 8 descriptors");
    OK(nvfree(pool, "3", 0, &err));
    CHECK(alloc(pool, "9", 4096).descriptor == 3);
    vpm_pool_close(pool);
}

static int names_in(const char *dir)
{
    char command[256];
    int count;
    FILE *pipe;

    snprintf(command, sizeof(command), "ls %s | wc -l", dir);
    pipe = popen(command, "r");
    CHECK(pipe && fscanf(pipe, "%d", &count) == 1);
    pclose(pipe);
    return count;
}

/* The pool has room, but its file system has less left. */
static void full_fs_is_rolled_back(void)
{
    struct vpm_pool_params params = small_params;
    struct vpm_region_info info;
    struct vpm_pool_info pool_info;
    struct vpm_pool *pool;

    params.total_size = 64 * MIB;
    OK(vpm_pool_create(POOL, &params, &err));
    pool = open_pool();
    EXPECT(VPM_ENOSPC, nvalloc(pool, "a", 0, 64 * MIB, &info, &err));
    SAYS("make room on the file system");
    CHECK(names_in(POOL "/regions") == 0);
    OK(vpm_pool_info(pool, &pool_info, &err));
    CHECK(pool_info.used_size == 0 && pool_info.used_descriptors == 0);
    CHECK(check_pool(0) == 0);
    alloc(pool, "a", 32 * MIB);
    vpm_pool_close(pool);
}

static void unknown_ids(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_state_info state;

    EXPECT(VPM_ENOENT, vpm_region_scrub(pool, 5, &err));
    SAYS("0000000000000005");
    EXPECT(VPM_ENOENT, vpm_region_begin_epoch(pool, 5, &err));
    EXPECT(VPM_ENOENT, vpm_state_verify(pool, 5, &state, &err));
    EXPECT(VPM_ENOENT, vpm_state_send(pool, 5, 1, 0, &err));
    CHECK(vpm_fixation_open(pool, 5, &err) == NULL);
    CHECK(err.code == VPM_ENOENT);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(bad_names_are_named);
    RUN(bad_sizes_are_named);
    RUN(full_pool_says_numbers);
    RUN(full_descriptors_say_so);
    RUN(full_fs_is_rolled_back);
    RUN(unknown_ids);
    return 0;
}
