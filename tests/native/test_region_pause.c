/* SPDX-License-Identifier: Apache-2.0 */
/* test_region_pause.c -- freeing while background work is paused */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define LONG_NS VPM_PAUSE_MAX_NS

static struct vpm_pool_info pool_info(struct vpm_pool *pool)
{
    struct vpm_pool_info info;

    OK(vpm_pool_info(pool, &info, &err));
    return info;
}

static void what_is_freed_in_a_pause_is_scrubbed_later(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 600 * KIB), other;

    fill_file(info.ram_path, 0x5a);
    CHECK(fixate(pool, info.id, 0x66, 100) == VPM_OK);
    OK(vpm_pool_pause(pool, LONG_NS, &err));
    CHECK(vpm_pool_is_paused(pool));
    OK(nvfree(pool, "a", 0, &err));
    OK(nvfree(pool, "a", 0, &err));
    CHECK(file_is(info.ram_path, 0x5a));

    /* Nobody finds it, nobody gets its space, and the check finds nothing. */
    EXPECT(VPM_ENOENT, vpm_region_lookup(pool, "a", 0, &other, &err));
    CHECK(vpm_region_list(pool, NULL, 0, &err) == 0);
    EXPECT(VPM_ENOENT, vpm_region_begin_epoch(pool, info.id, &err));
    EXPECT(VPM_ENOSPC, nvalloc(pool, "b", 0, 600 * KIB, &other, &err));
    SAYS("600.0 KiB more were freed, and are scrubbed when power is good");
    CHECK(alloc(pool, "b", 4096).descriptor == 1);
    OK(nvfree(pool, "b", 0, &err));
    CHECK(pool_info(pool).used_size == 604 * KIB);
    CHECK(pool_info(pool).freed_size == 604 * KIB);
    OK(vpm_pool_finish_freed(pool, &err));
    CHECK(file_is(info.ram_path, 0x5a) && check_pool(0) == 0);

    /* Neither by another process, as long as the pause lasts. */
    vpm_pool_close(pool);
    pool = open_pool();
    CHECK(file_is(info.ram_path, 0x5a));
    OK(vpm_pool_pause(pool, 0, &err));
    CHECK(!vpm_pool_is_paused(pool) && check_pool(2) == 2);
    OK(vpm_pool_finish_freed(pool, &err));
    CHECK(!exists(info.ram_path) && check_pool(0) == 0);
    CHECK(pool_info(pool).used_size == 0);
    CHECK(pool_info(pool).freed_size == 0);
    vpm_pool_close(pool);
}

static void the_end_of_a_pause_is_noticed_by_all(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 4096);

    OK(vpm_pool_pause(pool, LONG_NS, &err));
    OK(nvfree(pool, "a", 0, &err));
    OK(vpm_pool_pause(pool, 1, &err));
    while (vpm_pool_is_paused(pool))
        continue;
    CHECK(exists(info.ram_path));
    vpm_pool_close(pool);
    pool = open_pool();
    CHECK(exists(info.ram_path));
    OK(vpm_pool_finish_freed(pool, &err));
    CHECK(!exists(info.ram_path) && check_pool(0) == 0);
    vpm_pool_close(pool);
}

static void the_same_id_cannot_wait(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "a", 4096);
    struct vpm_region_info other = alloc(pool, "other", 4096);

    fill_file(info.ram_path, 0x5a);
    fill_file(other.ram_path, 0x5a);
    OK(vpm_pool_pause(pool, LONG_NS, &err));
    OK(nvfree(pool, "a", 0, &err));
    OK(nvfree(pool, "other", 0, &err));
    info = alloc(pool, "a", 8192);
    CHECK(file_is(info.ram_path, 0) && file_is(other.ram_path, 0x5a));
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

/* Neither a pause of an earlier boot of the host nor nonsense in the file. */
static void what_is_no_pause(void)
{
    static const uint64_t nonsense[] = {1, UINT64_MAX, UINT64_MAX / 2};
    struct vpm_pool *pool = new_pool();

    EXPECT(VPM_EINVAL, vpm_pool_pause(pool, LONG_NS + 1, &err));
    SAYS("10000000001 ns is longer than 10000000000");
    CHECK(!vpm_pool_is_paused(pool));
    OK(vpm_pool_pause(pool, LONG_NS, &err));
    CHECK(vpm_pool_is_paused(pool));
    for (int i = 0; i < 3; i++) {
        poke(POOL "/pause", 0, &nonsense[i], 8);
        CHECK(!vpm_pool_is_paused(pool));
    }
    CHECK(truncate(POOL "/pause", 3) == 0 && !vpm_pool_is_paused(pool));
    CHECK(unlink(POOL "/pause") == 0 && !vpm_pool_is_paused(pool));
    CHECK(mkdir(POOL "/pause", 0700) == 0 && !vpm_pool_is_paused(pool));
    EXPECT(VPM_ESYS, vpm_pool_pause(pool, LONG_NS, &err));
    SAYS("cannot write " POOL "/pause");
    vpm_pool_close(pool);
}

static void fill_fs(void)
{
    int fd = open(FS "/filler", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    static const char block[64 << 10];

    CHECK(fd >= 0);
    for (size_t size = sizeof(block); size > 0; size /= 2)
        while (write(fd, block, size) > 0)
            continue;
    close(fd);
}

static void can_be_paused_when_full(struct vpm_pool *pool)
{
    fill_fs();
    OK(vpm_pool_pause(pool, LONG_NS, &err));
    CHECK(vpm_pool_is_paused(pool));
    vpm_pool_close(pool);
    CHECK(unlink(FS "/filler") == 0);
}

static void a_full_file_system_prevents_no_pause(void)
{
    can_be_paused_when_full(new_pool());
}

/* Pools that were made before the file was. */
static void the_file_is_made_for_an_earlier_pool(void)
{
    vpm_pool_close(new_pool());
    CHECK(unlink(POOL "/pause") == 0);
    can_be_paused_when_full(open_pool());
    CHECK(truncate(POOL "/pause", 0) == 0);
    can_be_paused_when_full(open_pool());
}

int main(void)
{
    RUN(what_is_freed_in_a_pause_is_scrubbed_later);
    RUN(the_end_of_a_pause_is_noticed_by_all);
    RUN(the_same_id_cannot_wait);
    RUN(what_is_no_pause);
    RUN(a_full_file_system_prevents_no_pause);
    RUN(the_file_is_made_for_an_earlier_pool);
    return 0;
}
