/* SPDX-License-Identifier: Apache-2.0 */
/* test_vpm_free.c -- freeing and scrubbing a VPM region */
#include <fcntl.h>
#include <unistd.h>

#include "harness.h"
#include "ppt.h"

static void free_scrubs_and_removes_swap(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc_vpm(pool, "a");
    int fd = open(info.swap_path, O_RDONLY);

    fill_file(info.swap_path, 0xaa);
    OK(nvfree(pool, "a", 0, &err));
    CHECK(fd_is_drained(fd) && !exists(info.swap_path));
    CHECK(!exists(region_file(info.id, "")));
    close(fd);
    vpm_pool_close(pool);
}

/* A region is not freed while its swap directory is not mounted: a tenant's
 * pages would stay there for ever. */
static void free_needs_the_swap_directory(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc_vpm(pool, "a");

    CHECK(rename(SWAP, FS "/away") == 0);
    EXPECT(VPM_ESYS, nvfree(pool, "a", 0, &err));
    SAYS("mount its file system");
    CHECK(rename(FS "/away", SWAP) == 0);
    OK(nvfree(pool, "a", 0, &err));
    CHECK(!exists(info.swap_path));
    vpm_pool_close(pool);
}

static void scrub_makes_every_page_untouched(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc_vpm(pool, "a");
    struct vpm_region_stats stats;
    struct vpm_ppt_entry entry;
    struct vpm_ppt ppt;
    int fd = open(ppt_file(&info), O_RDWR);

    fill_file(info.swap_path, 0xaa);
    OK(vpm_ppt_open(&ppt, fd, "ppt", true, &err));
    vpm_ppt_set(&ppt, 3, (struct vpm_ppt_entry){5, VPM_NONE});
    vpm_ppt_set_error(&ppt, VPM_REGION_SWAP_IN, 5, 3, 9);
    vpm_ppt_set_error(&ppt, VPM_REGION_SWAP_OUT, 1, 1, 1);
    OK(vpm_region_stats(pool, info.id, &stats, &err));
    CHECK(stats.error == VPM_REGION_SWAP_IN && stats.error_errno == 5);
    CHECK(stats.error_page == 3 && stats.error_slot == 9);
    CHECK(!vpm_ppt_clear_error(&ppt, VPM_REGION_SWAP_OUT));
    OK(vpm_region_stats(pool, info.id, &stats, &err));
    CHECK(stats.error == VPM_REGION_SWAP_IN);
    CHECK(truncate(info.virtual_path, 0) == 0);
    CHECK(truncate(info.swap_path, 4096) == 0);
    CHECK(check_pool(2) == 2);
    OK(vpm_region_scrub(pool, info.id, &err));
    CHECK(!vpm_ppt_get(&ppt, 3, &entry) && entry.frame == VPM_NONE);
    CHECK(file_is(info.swap_path, 0));
    OK(vpm_region_stats(pool, info.id, &stats, &err));
    CHECK(stats.error == VPM_REGION_SOUND);
    CHECK(check_pool(0) == 0);
    vpm_ppt_close(&ppt);
    close(fd);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(free_scrubs_and_removes_swap);
    RUN(free_needs_the_swap_directory);
    RUN(scrub_makes_every_page_untouched);
    return 0;
}
