/* SPDX-License-Identifier: Apache-2.0 */
/* test_region_check.c -- vpm_pool_check reports wrong files of regions */
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

static void check_sees_wrong_files(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 64 * KIB);
    char dir[128];

    CHECK(chmod(info.ram_path, 0644) == 0);
    CHECK(check_pool(1) == 1 && strstr(last_finding, "mode 0100644"));
    CHECK(chmod(info.ram_path, 0600) == 0);
    CHECK(chown(info.ram_path, 5, -1) == 0);
    CHECK(check_pool(1) == 1 && strstr(last_finding, "user 5 instead"));
    CHECK(chown(info.ram_path, UID_BASE, -1) == 0);
    CHECK(truncate(info.ram_path, 4096) == 0);
    CHECK(check_pool(1) == 1 && strstr(last_finding, "4096 bytes instead"));
    CHECK(truncate(info.ram_path, 64 * KIB) == 0);
    CHECK(check_pool(1) == 1 && strstr(last_finding, "has holes"));
    CHECK(unlink(info.ram_path) == 0);
    CHECK(check_pool(1) == 1 && strstr(last_finding, "cannot be examined"));
    snprintf(dir, sizeof(dir), "%s", region_file(info.id, ""));
    OK(nvfree(pool, "a", 0, &err));
    CHECK(!exists(dir) && check_pool(0) == 0);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(check_sees_wrong_files);
    return 0;
}
