/* SPDX-License-Identifier: Apache-2.0 */
/* test_region_free.c -- nvfree, and what must not be removed */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define TOC_ENTRY(index) (4096 + 256 * (index))

/* Open files show what became of the space. */
static void free_scrubs(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 256 * KIB);
    int ram, state;

    OK(fixate(pool, info.id, 0x33, 9000));
    fill_file(info.ram_path, 0xaa);
    ram = open(info.ram_path, O_RDONLY);
    state = open(region_file(info.id, "state"), O_RDONLY);
    CHECK(ram >= 0 && state >= 0);
    OK(nvfree(pool, "a", 0, &err));
    CHECK(fd_is_drained(ram) && fd_is_drained(state));
    CHECK(!exists(region_file(info.id, "")));
    CHECK(check_pool(0) == 0);
    EXPECT(VPM_ENOENT, nvfree(pool, "a", 0, &err));
    SAYS("no region of 'a'");
    close(ram);
    close(state);
    vpm_pool_close(pool);
}

/* It may be data: it is neither used nor removed, but reported. */
static void unknown_directories_are_left_alone(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;
    char path[128];

    snprintf(path, sizeof(path), "%s",
             region_file(vpm_region_id("a", 0), ""));
    CHECK(mkdir(path, 0700) == 0);
    EXPECT(VPM_ECORRUPT, nvalloc(pool, "a", 0, 4096, &info, &err));
    SAYS("the table of contents has no such region");
    vpm_pool_close(pool);
    pool = open_pool();
    CHECK(exists(path));
    CHECK(check_pool(1) == 1);
    vpm_pool_close(pool);
}

static void unknown_files_stop_free_before_it_starts(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 4096);
    char path[128];

    fill_file(info.ram_path, 0xaa);
    snprintf(path, sizeof(path), "%s", region_file(info.id, "notes"));
    CHECK(mkdir(path, 0700) == 0);
    CHECK(check_pool(1) == 1);
    EXPECT(VPM_ECORRUPT, nvfree(pool, "a", 0, &err));
    SAYS("notes was not made by libvpm");
    CHECK(file_is(info.ram_path, 0xaa));
    CHECK(rmdir(path) == 0);
    OK(nvfree(pool, "a", 0, &err));
    vpm_pool_close(pool);
}

static void lost_directories_can_be_freed(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 4096);
    struct vpm_state_info state;

    CHECK(system("rm -r " POOL "/regions/*") == 0);
    CHECK(check_pool(3) == 3);
    EXPECT(VPM_EUNPROVEN, vpm_state_verify(pool, info.id, &state, &err));
    EXPECT(VPM_ESYS, vpm_region_begin_epoch(pool, info.id, &err));
    SAYS("cannot lock regions/");
    EXPECT(VPM_ESYS, vpm_region_scrub(pool, info.id, &err));
    vpm_pool_close(pool);
    pool = open_pool();
    OK(nvfree(pool, "a", 0, &err));
    alloc(pool, "a", MIB);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

/* A region that cannot be repaired must not keep other servers down. */
static void unrepairable_regions_do_not_stop_others(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info stuck = alloc(pool, "stuck", 4096);
    struct vpm_region_info other = alloc(pool, "other", 4096);
    char path[128];
    uint64_t word;

    vpm_pool_close(pool);
    snprintf(path, sizeof(path), "%s", region_file(stuck.id, "notes"));
    CHECK(mkdir(path, 0700) == 0);
    peek(POOL "/pool", TOC_ENTRY(0), &word, sizeof(word));
    word = (word & 0xffffffff) | (uint64_t)VPM_TOC_FREEING << 32;
    poke(POOL "/pool", TOC_ENTRY(0), &word, sizeof(word));

    pool = open_pool();
    CHECK(exists(path) && check_pool(1) == 1);
    OK(vpm_region_lookup(pool, "other", 0, &other, &err));
    EXPECT(VPM_ENOENT, vpm_region_lookup(pool, "stuck", 0, &stuck, &err));
    alloc(pool, "third", 4096);
    EXPECT(VPM_ESYS, nvfree(pool, "stuck", 0, &err));
    EXPECT(VPM_ENOENT, nvfree(pool, "unknown", 0, &err));
    OK(nvfree(pool, "other", 0, &err));
    EXPECT(VPM_ESYS, vpm_pool_finish_freed(pool, &err));
    CHECK(rmdir(path) == 0);
    OK(nvfree(pool, "third", 0, &err));
    OK(vpm_pool_finish_freed(pool, &err));
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(free_scrubs);
    RUN(unknown_directories_are_left_alone);
    RUN(unknown_files_stop_free_before_it_starts);
    RUN(lost_directories_can_be_freed);
    RUN(unrepairable_regions_do_not_stop_others);
    return 0;
}
