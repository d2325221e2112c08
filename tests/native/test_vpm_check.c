/* SPDX-License-Identifier: Apache-2.0 */
/* test_vpm_check.c -- vpm_pool_check reports damaged page tables */
#include <fcntl.h>
#include <unistd.h>

#include "harness.h"
#include "ppt.h"

static void entries_are_bound_to_their_page(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc_vpm(pool, "a");
    struct vpm_ppt_entry entry;
    struct vpm_ppt ppt;
    uint64_t word;
    int fd = open(ppt_file(&info), O_RDWR);

    OK(vpm_ppt_open(&ppt, fd, "ppt", true, &err));
    vpm_ppt_set(&ppt, 3, (struct vpm_ppt_entry){5, 7});
    CHECK(!vpm_ppt_get(&ppt, 3, &entry));
    CHECK(entry.frame == 5 && entry.slot == 7);
    peek(ppt_file(&info), 8192 + 3 * 8, &word, 8);
    poke(ppt_file(&info), 8192 + 4 * 8, &word, 8);
    CHECK(vpm_ppt_get(&ppt, 4, &entry) != NULL);
    word ^= 1;
    poke(ppt_file(&info), 8192 + 3 * 8, &word, 8);
    CHECK(vpm_ppt_get(&ppt, 3, &entry) != NULL);
    vpm_ppt_close(&ppt);
    close(fd);
    vpm_pool_close(pool);
}

static void check_tells_of_what_is_owned_twice(void)
{
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc_vpm(pool, "a");
    struct vpm_ppt ppt;
    int fd = open(ppt_file(&info), O_RDWR);

    OK(vpm_ppt_open(&ppt, fd, "ppt", true, &err));
    vpm_ppt_set(&ppt, 3, (struct vpm_ppt_entry){5, VPM_NONE});
    CHECK(check_pool(0) == 0);
    vpm_ppt_set(&ppt, 9, (struct vpm_ppt_entry){5, VPM_NONE});
    CHECK(check_pool(1) == 1 && strstr(last_finding, "page 9"));
    CHECK(strstr(last_finding, "another page owns its frame"));
    vpm_ppt_set(&ppt, 9, (struct vpm_ppt_entry){VPM_NONE, 7});
    CHECK(check_pool(0) == 0);
    vpm_ppt_set(&ppt, 10, (struct vpm_ppt_entry){VPM_NONE, 7});
    CHECK(check_pool(1) == 1 && strstr(last_finding, "owns its slot"));
    vpm_ppt_close(&ppt);
    close(fd);
    vpm_pool_close(pool);
}

static void damaged_header_is_named(void)
{
    static const struct {
        uint64_t offset;
        const char *says;
    } places[] = {
        {0, "the magic"}, {8, "checksum"}, {48, "checksum"},
        {4092, "checksum"},
    };
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info info = alloc_vpm(pool, "a");
    struct vpm_region_stats stats;

    for (int i = 0; i < 4; i++) {
        uint8_t byte;

        peek(ppt_file(&info), places[i].offset, &byte, 1);
        byte ^= 0x10;
        poke(ppt_file(&info), places[i].offset, &byte, 1);
        EXPECT(VPM_ECORRUPT, vpm_region_stats(pool, info.id, &stats, &err));
        SAYS(places[i].says);
        byte ^= 0x10;
        poke(ppt_file(&info), places[i].offset, &byte, 1);
    }
    OK(vpm_region_stats(pool, info.id, &stats, &err));
    CHECK(truncate(ppt_file(&info), 8192) == 0);
    EXPECT(VPM_ECORRUPT, vpm_region_stats(pool, info.id, &stats, &err));
    SAYS("8192 bytes instead of");
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(entries_are_bound_to_their_page);
    RUN(check_tells_of_what_is_owned_twice);
    RUN(damaged_header_is_named);
    return 0;
}
