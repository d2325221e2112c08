/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool_damage.c -- damage is found, with a reason that names the place */
#include <unistd.h>

#include "layout.h"
#include "pool_file.h"

static void any_flipped_bit_of_conf_is_found(void)
{
    uint8_t conf[VPM_BLOCK], bad;

    vpm_pool_close(new_pool());
    peek(POOL_FILE, 0, conf, sizeof(conf));
    CHECK(unlink(POOL "/conf") == 0);  /* which mends it */
    for (unsigned bit = 0; bit < 8 * sizeof(conf); bit += 5) {
        bad = conf[bit / 8] ^ (uint8_t)(1 << bit % 8);
        poke(POOL_FILE, bit / 8, &bad, 1);
        refused(bit < 64 ? VPM_EFOREIGN : VPM_ECORRUPT,
                bit < 64 ? "magic" : "CONF (offset 0) has checksum");
        poke(POOL_FILE, bit / 8, &conf[bit / 8], 1);
    }
    vpm_pool_close(open_pool());
    CHECK(check_pool(0) == 0);
}

static void any_flipped_bit_of_an_entry_is_found(void)
{
    struct vpm_pool *pool = new_pool();
    uint8_t entry[256], bad;
    uint64_t at = VPM_BLOCK + 256;

    alloc(pool, "zero", 4096);
    alloc(pool, "one", 4096);
    vpm_pool_close(pool);
    peek(POOL_FILE, at, entry, sizeof(entry));
    for (unsigned bit = 0; bit < 8 * sizeof(entry); bit++) {
        bad = entry[bit / 8] ^ (uint8_t)(1 << bit % 8);
        poke(POOL_FILE, at + bit / 8, &bad, 1);
        refused(VPM_ECORRUPT, "TOC entry 1 (offset 4352)");
        poke(POOL_FILE, at + bit / 8, &entry[bit / 8], 1);
    }
    vpm_pool_close(open_pool());
    CHECK(check_pool(0) == 0);
}

static void entries_cannot_change_places(void)
{
    struct vpm_pool *pool = new_pool();
    uint8_t entry[256];

    alloc(pool, "zero", 4096);
    vpm_pool_close(pool);
    peek(POOL_FILE, VPM_BLOCK, entry, sizeof(entry));
    poke(POOL_FILE, VPM_BLOCK + 256, entry, sizeof(entry));
    refused(VPM_ECORRUPT, "TOC entry 1 (offset 4352): it belongs to another");
}

static void check_reports_all_findings(void)
{
    struct vpm_pool *pool = new_pool();
    uint8_t bad = 0x55;

    alloc(pool, "zero", 4096);
    alloc(pool, "one", 4096);
    vpm_pool_close(pool);
    /* the names, which, unlike the incarnations, cannot be so already */
    poke(POOL_FILE, VPM_BLOCK + 56, &bad, 1);
    poke(POOL_FILE, VPM_BLOCK + 256 + 56, &bad, 1);
    /* two entries, and their directories, which nobody knows then */
    CHECK(check_pool(4) == 4);
    CHECK(strstr(last_finding, "unknown to the table of contents"));
}

static void check_changes_nothing(void)
{
    struct vpm_pool *pool = new_pool();
    uint64_t freeing = (uint64_t)VPM_TOC_FREEING << 32, word;

    alloc(pool, "a", 4096);
    vpm_pool_close(pool);
    peek(POOL_FILE, VPM_BLOCK, &word, sizeof(word));
    freeing |= (uint32_t)word;
    poke(POOL_FILE, VPM_BLOCK, &freeing, sizeof(freeing));
    CHECK(check_pool(1) == 1);
    CHECK(strstr(last_finding, "was freed and is not scrubbed yet"));
    CHECK(check_pool(1) == 1);
    pool = open_pool();
    CHECK(check_pool(1) == 1);
    OK(vpm_pool_finish_freed(pool, &err));
    CHECK(check_pool(0) == 0);
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(any_flipped_bit_of_conf_is_found);
    RUN(any_flipped_bit_of_an_entry_is_found);
    RUN(entries_cannot_change_places);
    RUN(check_reports_all_findings);
    RUN(check_changes_nothing);
    return 0;
}
