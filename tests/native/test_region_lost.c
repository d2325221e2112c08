/* SPDX-License-Identifier: Apache-2.0 */
/* test_region_lost.c -- nvfree of a region that others free meanwhile */
/* build: wrap faccessat */
#include <unistd.h>

#include "harness.h"

static struct vpm_pool *other;
static int freed_meanwhile;

int __real_faccessat(int dir, const char *path, int mode, int flags);
int __wrap_faccessat(int dir, const char *path, int mode, int flags);

/* Its entry goes to another region: descriptors go round. */
static void free_and_use_all_descriptors(void)
{
    char name[] = "0";

    OK(nvfree(other, "a", 0, &err));
    for (uint32_t i = 0; i < small_params.descriptors; i++, name[0]++)
        alloc(other, name, 4096);
}

/* nvfree looks whether the directory of the region that it found is lost. */
int __wrap_faccessat(int dir, const char *path, int mode, int flags)
{
    if (other && !freed_meanwhile++)
        free_and_use_all_descriptors();
    return __real_faccessat(dir, path, mode, flags);
}

static void entry_of_another_region_is_left_alone(void)
{
    struct vpm_region_info found[8];
    struct vpm_pool *pool = new_pool();
    int rc;

    alloc(pool, "a", 4096);
    other = open_pool();
    rc = nvfree(pool, "a", 0, &err);
    CHECK(freed_meanwhile);
    CHECK(check_pool(0) == 0);
    CHECK(rc == VPM_ENOENT);
    CHECK(vpm_region_list(pool, found, 8, &err) == 8);
    vpm_pool_close(other);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(entry_of_another_region_is_left_alone);
    return 0;
}
