/* SPDX-License-Identifier: Apache-2.0 */
/* test_conf_copy.c -- a damaged CONF, and what its copy is good for */
#include <unistd.h>

#include "layout.h"
#include "pool_file.h"

#define COPY POOL "/conf"

static struct vpm_conf good;

static void make(void)
{
    vpm_pool_close(new_pool());
    peek(POOL_FILE, 0, &good, sizeof(good));
}

static bool both_are_good(void)
{
    struct vpm_conf conf, copy;

    peek(POOL_FILE, 0, &conf, sizeof(conf));
    peek(COPY, 0, &copy, sizeof(copy));
    return memcmp(&conf, &good, sizeof(good)) == 0 &&
        memcmp(&copy, &good, sizeof(good)) == 0;
}

static void any_damage_is_mended(void)
{
    struct vpm_conf bad;

    make();
    CHECK(both_are_good());
    for (size_t at = 0; at < sizeof(bad); at += 97) {
        bad = good;
        ((uint8_t *)&bad)[at] ^= 0xff;
        poke(POOL_FILE, 0, &bad, sizeof(bad));
        CHECK(check_pool(1) == 1);
        CHECK(strstr(last_finding, "damaged CONF (offset 0); its copy"));
        vpm_pool_close(open_pool());
        CHECK(both_are_good() && check_pool(0) == 0);
    }
    memset(&bad, 0, sizeof(bad));
    poke(POOL_FILE, 0, &bad, sizeof(bad));
    vpm_pool_close(open_pool());
    CHECK(both_are_good());
}

static void a_missing_copy_is_made_again(void)
{
    make();
    poke(COPY, 40, "x", 1);
    CHECK(check_pool(1) == 1);
    CHECK(strstr(last_finding, "the copy of CONF, is missing or damaged"));
    vpm_pool_close(open_pool());
    CHECK(both_are_good() && check_pool(0) == 0);
    CHECK(unlink(COPY) == 0);
    CHECK(check_pool(1) == 1);
    vpm_pool_close(open_pool());
    CHECK(both_are_good() && check_pool(0) == 0);
}

/* The copy of another pool, or for another size, is none. */
static void what_is_no_copy(void)
{
    struct vpm_conf conf;

    make();
    poke(POOL_FILE, 40, "x", 1);
    conf = good;
    conf.device.inode++;
    write_conf_to(COPY, &conf);
    refused(VPM_ECORRUPT, "CONF (offset 0) has checksum");
    conf = good;
    conf.descriptors += 100;
    write_conf_to(COPY, &conf);
    refused(VPM_ECORRUPT, "CONF (offset 0) has checksum");
    write_conf_to(COPY, &good);
    vpm_pool_close(open_pool());
    CHECK(both_are_good());
}

/* Regions are found again, with what proves their states. */
static void states_stay_proven(void)
{
    static const uint8_t zeros[VPM_BLOCK];
    struct vpm_pool *pool = new_pool();
    struct vpm_region_info region = alloc(pool, "a", 4096);
    struct vpm_state_info info;

    OK(fixate(pool, region.id, 0x11, 500));
    vpm_pool_close(pool);
    poke(POOL_FILE, 0, zeros, sizeof(zeros));
    pool = open_pool();
    OK(vpm_state_verify(pool, region.id, &info, &err));
    vpm_pool_close(pool);
}

int main(void)
{
    RUN(any_damage_is_mended);
    RUN(a_missing_copy_is_made_again);
    RUN(what_is_no_copy);
    RUN(states_stay_proven);
    return 0;
}
