/* SPDX-License-Identifier: Apache-2.0 */
/* test_region_alloc.c -- nvalloc: what a new region is like */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc32c.h"
#include "harness.h"

static void alloc_sets_everything(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc(pool, "first", 4096), other;
    struct stat st;

    info = alloc(pool, "second", 3 * 4096);
    CHECK(info.id == vpm_region_id("second", 0));
    CHECK(info.size == 3 * 4096 && info.epoch == 0 && info.sequence == 0);
    CHECK(info.descriptor == 1 && info.uid == UID_BASE + 1);
    CHECK(info.created_ns > 0 && strcmp(info.name, "second") == 0);
    CHECK(strcmp(info.ram_path, region_file(info.id, "ram")) == 0);

    CHECK(stat(region_file(info.id, ""), &st) == 0);
    CHECK((st.st_mode & 07777) == 0711 && st.st_uid == 0);
    CHECK(stat(info.ram_path, &st) == 0);
    CHECK((st.st_mode & 07777) == 0600 && st.st_uid == UID_BASE + 1);
    CHECK(st.st_gid == 0 && st.st_size == 3 * 4096);
    CHECK(st.st_blocks * 512 >= st.st_size);
    CHECK(file_is(info.ram_path, 0));
    CHECK(stat(region_file(info.id, "state"), &st) == 0);
    CHECK((st.st_mode & 07777) == 0600 && st.st_uid == 0);
    CHECK(st.st_size == 16 * KIB && st.st_blocks * 512 >= st.st_size);

    OK(vpm_region_lookup(pool, "second", 0, &other, &err));
    CHECK(memcmp(&info, &other, sizeof(info)) == 0);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

static void open_ram_as(void *uid)
{
    int fd;

    if (setuid((uid_t)(uintptr_t)uid) < 0)
        _exit(1);
    fd = open(region_file(vpm_region_id("a", 0), "ram"), O_RDWR);
    _exit(fd >= 0 ? 10 : 20);
}

static void open_state_as(void *uid)
{
    if (setuid((uid_t)(uintptr_t)uid) < 0)
        _exit(1);
    _exit(open(region_file(vpm_region_id("a", 0), "state"), O_RDONLY) >= 0 ?
          10 : 20);
}

static void only_its_user_opens_ram(void)
{
    struct vpm_pool *pool = new_pool();

    alloc(pool, "a", 4096);
    CHECK(in_child(open_ram_as, (void *)(uintptr_t)UID_BASE) == 10);
    CHECK(in_child(open_ram_as, (void *)(uintptr_t)(UID_BASE + 1)) == 20);
    CHECK(in_child(open_state_as, (void *)(uintptr_t)UID_BASE) == 20);
    vpm_pool_close(pool);
}

static void no_uids_when_base_is_zero(void)
{
    struct vpm_pool_params params = small_params;
    struct vpm_region_info info;
    struct vpm_pool *pool;
    struct stat st;

    params.uid_base = 0;
    OK(vpm_pool_create(POOL, &params, &err));
    pool = open_pool();
    info = alloc(pool, "a", 4096);
    info = alloc(pool, "b", 4096);
    CHECK(info.uid == 0 && stat(info.ram_path, &st) == 0 && st.st_uid == 0);
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

static void sizes_are_rounded_up(void)
{
    struct vpm_pool_params params = small_params;
    struct vpm_pool_info info;
    struct vpm_pool *pool;

    params.page_size = 64 << 10;
    OK(vpm_pool_create(POOL, &params, &err));
    pool = open_pool();
    CHECK(alloc(pool, "a", 1).size == 64 * KIB);
    CHECK(alloc(pool, "b", 64 * KIB).size == 64 * KIB);
    CHECK(alloc(pool, "c", 64 * KIB + 1).size == 128 * KIB);
    OK(vpm_pool_info(pool, &info, &err));
    CHECK(info.used_size == 256 * KIB && info.used_descriptors == 3);
    vpm_pool_close(pool);
}

static void same_name_other_sequence(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info;

    alloc(pool, "a", 4096);
    EXPECT(VPM_EEXIST, nvalloc(pool, "a", 0, 4096, &info, &err));
    SAYS("has a region of 'a', sequence number 0, already");
    OK(nvalloc(pool, "a", 7, 4096, &info, &err));
    CHECK(info.sequence == 7);
    OK(nvfree(pool, "a", 0, &err));
    EXPECT(VPM_ENOENT, vpm_region_lookup(pool, "a", 0, &info, &err));
    OK(vpm_region_lookup(pool, "a", 7, &info, &err));
    vpm_pool_close(pool);
}

static void regions_survive_reopening_in_any_order(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info a = alloc(pool, "a", 4096);
    struct vpm_region_info b = alloc(pool, "b", 8192), found[8];

    OK(vpm_region_begin_epoch(pool, b.id, &err));
    vpm_pool_close(pool);
    pool = open_pool();
    OK(vpm_region_lookup(pool, "b", 0, &found[0], &err));
    CHECK(found[0].epoch == 1);
    b.epoch = 1;
    CHECK(memcmp(&found[0], &b, sizeof(b)) == 0);
    OK(vpm_region_lookup(pool, "a", 0, &found[0], &err));
    CHECK(memcmp(&found[0], &a, sizeof(a)) == 0);
    CHECK(vpm_region_list(pool, found, 8, &err) == 2);
    CHECK(found[0].id == a.id && found[1].id == b.id);
    memset(found, 0, sizeof(found));
    CHECK(vpm_region_list(pool, found, 1, &err) == 2);
    CHECK(found[0].id == a.id && found[1].id == 0);
    CHECK(vpm_region_list(pool, NULL, 0, &err) == 2);
    vpm_pool_close(pool);
}

/* The next owner of name, descriptor and space is another. */
static void a_new_region_of_the_same_name_is_new(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info old = alloc(pool, "a", 4096), new;
    struct vpm_state_info state;

    OK(vpm_region_begin_epoch(pool, old.id, &err));
    OK(fixate(pool, old.id, 0x33, 100));
    CHECK(system("cp " POOL "/regions/*/state " FS "/old") == 0);
    OK(nvfree(pool, "a", 0, &err));
    new = alloc(pool, "a", 4096);
    CHECK(new.id == old.id && new.descriptor != old.descriptor);
    CHECK(new.epoch == 0);
    OK(vpm_region_begin_epoch(pool, new.id, &err));
    CHECK(system("cat " FS "/old > $(ls " POOL "/regions/*/state)") == 0);
    EXPECT(VPM_EUNPROVEN, vpm_state_verify(pool, new.id, &state, &err));
    SAYS("an earlier region of the same name");
    vpm_pool_close(pool);
}

/* A descriptor, and the user id that goes with it, is not somebody else's at
 * once, whoever opens the pool. */
static void descriptors_go_round(void)
{
    struct vpm_pool *pool = new_pool();
    const uint32_t count = small_params.descriptors;

    for (uint32_t i = 0; i < 2 * count; i++) {
        CHECK(alloc(pool, "a", 4096).descriptor == i % count);
        OK(nvfree(pool, "a", 0, &err));
        vpm_pool_close(pool);
        pool = open_pool();
    }
    alloc(pool, "b", 4096);
    CHECK(alloc(pool, "c", 4096).descriptor == 1);
    for (uint32_t i = 2; i < count + 1; i++) {
        CHECK(alloc(pool, "d", 4096).descriptor == (i < count ? i : 2));
        OK(nvfree(pool, "d", 0, &err));
    }
    vpm_pool_close(pool);
}

/* Of a pool that was made before they did: serial numbers are zero. */
static void descriptors_of_an_older_pool(void)
{
    struct vpm_pool *pool = new_pool();
    uint64_t zero = 0, word = 0;
    struct vpm_toc_body body;

    alloc(pool, "a", 4096);
    alloc(pool, "b", 4096);
    vpm_pool_close(pool);
    for (uint64_t at = 4096; at < 4096 + 512; at += 256) {
        poke(POOL "/pool", at + 16 + 120, &zero, sizeof(zero));
        peek(POOL "/pool", at + 16, &body, sizeof(body));
        word = (uint64_t)VPM_TOC_LIVE << 32 |
            vpm_crc32c(0, &body, sizeof(body));
        poke(POOL "/pool", at, &word, sizeof(word));
    }
    pool = open_pool();
    CHECK(check_pool(0) == 0);
    CHECK(alloc(pool, "c", 4096).descriptor == 2);
    OK(nvfree(pool, "c", 0, &err));
    OK(nvfree(pool, "a", 0, &err));
    CHECK(alloc(pool, "c", 4096).descriptor == 3);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(alloc_sets_everything);
    RUN(only_its_user_opens_ram);
    RUN(no_uids_when_base_is_zero);
    RUN(sizes_are_rounded_up);
    RUN(same_name_other_sequence);
    RUN(regions_survive_reopening_in_any_order);
    RUN(a_new_region_of_the_same_name_is_new);
    RUN(descriptors_go_round);
    RUN(descriptors_of_an_older_pool);
    return 0;
}
